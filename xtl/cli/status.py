"""`xtl status`: the study in a line, then every stage of a grid, what it does or why it does not."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtl.cli.common import GridFile, Output, OutputFormat, StoreUrl
from xtl.cli.submit import Context

if TYPE_CHECKING:
    from xtl.cli.status_table import Report
    from xtl.cluster import Cluster
    from xtl.grid import Grid
    from xtl.states import StageState
    from xtl.store.base import Entry, Store

WATCH_SECONDS = 3.0


def status(
    grid_file: GridFile,
    store: StoreUrl = None,
    all_: Annotated[bool, typer.Option("--all", "-a", help="List stages that are done, too.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep looking until every stage has ended or is gone.")
    ] = False,
    context: Context = None,
    output: OutputFormat = Output.table,
) -> None:
    """Show what every stage of a grid is doing, or why it is not.

    Where the grid has a `cluster:` and its store is a bucket, its Jobs and pods are looked at, too.

    Example: xtl status my-study.yaml --all
    """
    from xtl.cli.common import load_grid, open_grid_store
    from xtl.cli.status_table import print_report
    from xtl.store import grids

    grid = load_grid(grid_file, None, store)
    opened = open_grid_store(grid)
    known = grids.read(opened, grid.name)
    if known["grid"] != grid.text:
        print(
            "the grid file is not as it was run: this is the study as it was; `xtl plan` shows yours", file=sys.stderr
        )
    stages = known["stages"]
    cluster = reach(grid, opened, context)
    if watch:
        _watch(grid.name, stages, opened, cluster, all_, output)
    else:
        print_report(report(grid.name, stages, opened, cluster), all_, output)


def reach(grid: Grid, store: Store, context: str | None) -> Cluster | str | None:
    """The grid's cluster; why there is none to be asked; None where the grid runs on no cluster: pods see no folder."""
    from xtl.cluster import Cluster, ClusterRefused

    if not store.url.startswith("s3://") or not (grid.cluster or context):
        return None
    try:
        return Cluster(context=context, namespace=grid.cluster.get("namespace"), tries=2, timeout_seconds=10.0)
    except ClusterRefused as error:
        if context is not None:
            raise
        return str(error)


def report(name: str, stages: Mapping[str, Any], store: Store, cluster: Cluster | str | None) -> Report:
    """Look once."""
    from xtl import spent
    from xtl.cli.status_table import Report
    from xtl.observe import look

    gpu = [key for key, stage in stages.items() if stage["kind"] in spent.GPU_KINDS]
    if cluster is None:
        found, manifests = look_here(stages, store)
        found = spent.compared(found, stages, spent.seconds(store, manifests, gpu))
        return Report(name=name, stages=found, counts=dict(Counter(stage.state for stage in found)))
    seen = look(stages, name, store, cluster)
    seconds = spent.seconds(store, seen.manifests, gpu)
    figures = spent.study(seen.stages, stages, seconds, seen.jobs)
    where = "" if isinstance(cluster, str) else f"namespace {cluster.namespace} at {cluster.host}"
    return Report(
        name=name,
        stages=spent.compared(seen.stages, stages, seconds),
        counts=figures.counts,
        study=figures,
        where=where,
        problem=seen.problem,
        note=seen.note,
    )


def look_here(stages: Mapping[str, Any], store: Store) -> tuple[list[StageState], dict[str, Entry]]:
    """The states of a grid that `xtl run` runs, and the store's manifests: three flat listings, and the documents of
    what is not done."""
    import time

    from xtl.states import states
    from xtl.store import layout

    done = {key: entry for entry in store.list(layout.MANIFESTS) if (key := layout.key_of(entry.name))}
    open_ = set(stages) - done.keys()
    found = states(
        stages,
        done=done,
        failed=_documents(store, layout.FAILED, open_),
        progress=_documents(store, layout.PROGRESS, open_),
        now=time.time(),
    )
    return found, done


def _documents(store: Store, prefix: str, keys: set[str]) -> dict[str, dict[str, Any]]:
    from xtl.store import commit, layout
    from xtl.store.parallel import each

    there = {key: entry.name for entry in store.list(prefix) if (key := layout.key_of(entry.name)) in keys}
    bodies = each(lambda name: commit.get_json(store, name), list(there.values()))
    return {key: body for key, body in zip(there, bodies, strict=True) if key and body}


def _watch(
    name: str, stages: Mapping[str, Any], store: Store, cluster: Cluster | str | None, all_: bool, output: Output
) -> None:
    """Look again and again until every stage has ended, or has had no Job for half a minute (a retry makes Jobs anew);
    a store that is away is waited for. Ctrl-C ends it."""
    import time

    from xtl.cli.status_table import Screen
    from xtl.errors import StoreError
    from xtl.waiting import MISSING_SECONDS

    busy = time.monotonic()
    with Screen(all_, output) as screen:
        try:
            while True:
                try:
                    found = report(name, stages, store, cluster)
                except StoreError as error:
                    print(f"failed: {error}; trying again", file=sys.stderr)
                else:
                    screen.show(found)
                    if not found.deserted:
                        busy = time.monotonic()
                    if found.over or time.monotonic() - busy > MISSING_SECONDS:
                        return
                time.sleep(WATCH_SECONDS)
        except KeyboardInterrupt:
            return
