"""`xtl submit`: the study on a cluster."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from xtl.cli.common import DataPlace, GridFile, Output, OutputFormat, StoreUrl

Context = Annotated[str | None, typer.Option("--context", help="The kubeconfig's context; default: the current one.")]


def submit(
    grid_file: GridFile,
    store: StoreUrl = None,
    data: DataPlace = None,
    context: Context = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask the API server, create nothing.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay, and release Jobs from here until all have ended.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Take the grid's name over from another grid.")] = False,
    output: OutputFormat = Output.table,
) -> None:
    """Submit a study to a cluster: one Job a stage. The same command again finds what is there.

    Example: xtl submit grids/quickstart.yaml --store s3://bucket/prefix --dry-run
    """
    from dataclasses import asdict

    from xtl import inputs, local
    from xtl.cli.common import load_grid, make_plan, open_grid_store, print_json
    from xtl.cli.plan import gpu_hours
    from xtl.cluster import Cluster
    from xtl.errors import UserError
    from xtl.store import commit, grids
    from xtl.submit import submit as submit_plan

    grid = load_grid(grid_file, data, store)
    plan = make_plan(grid)
    opened = open_grid_store(grid)
    if not opened.url.startswith("s3://"):
        raise UserError(f"store: {opened.url} is a folder, which pods do not see; a cluster needs s3://bucket/prefix")
    cluster = Cluster(context=context, namespace=grid.cluster.get("namespace"))
    hours = gpu_hours(plan, commit.manifests(opened))
    print(f"{grid.name}: {len(plan.stages)} stages, about {hours:.1f} GPU hours to run, on {cluster.host} in "
          f"{cluster.namespace}", file=sys.stderr)  # fmt: skip
    if not dry_run:
        if not yes and sys.stdin.isatty():
            typer.confirm("Submit?", abort=True, err=True)
        grids.register(opened, grid, plan, replace=replace)
        plan = inputs.upload(plan, opened, lambda line: print(line, file=sys.stderr))
        local.prepare(plan, opened)
    result = submit_plan(plan, opened, cluster, dry_run=dry_run)
    if output == Output.json:
        print_json(asdict(result))
    else:
        print(
            f"{len(result.created)} Jobs {'would be ' if dry_run else ''}created, {len(result.found)} found, "
            f"{len(result.done)} stages done already"
        )
    if wait and not dry_run:
        _wait(cluster, opened, set(plan.stages), plan.reduce)


def _wait(cluster: object, store: object, keys: set[str], reduce: str) -> None:
    """The controller's rounds, from here, until every stage of the grid is done or can never be."""
    import time

    from xtl.cluster import Cluster
    from xtl.controller import Controller
    from xtl.store import commit, layout
    from xtl.store.base import Store

    assert isinstance(cluster, Cluster)
    opened: Store = store  # type: ignore[assignment]
    controller = Controller(cluster, opened)
    while True:
        for action in controller.round():
            print(f"{action.kind} {action.name} {action.reason}".rstrip(), file=sys.stderr, flush=True)
        done = commit.manifests(opened)
        if keys <= done:
            return
        failed = {key for entry in opened.list(layout.FAILED) if (key := layout.key_of(entry.name))} & keys
        if failed and not _moving(cluster):
            raise typer.Exit(1)
        time.sleep(2.0)


def _moving(cluster: object) -> bool:
    """Some Job of ours is released and has not ended."""
    from xtl.cluster import JOBS, OURS, Cluster
    from xtl.submit import condition

    assert isinstance(cluster, Cluster)
    jobs = cluster.list(JOBS, selector=OURS)
    return any(
        not job["spec"].get("suspend") and not condition(job, "Complete") and not condition(job, "Failed")
        for job in jobs
    )
