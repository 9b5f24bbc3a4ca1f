"""`xtl retry`: stages of a grid run again on the cluster."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from xtl.cli.common import DataPlace, GridFile, Output, OutputFormat, StoreUrl
from xtl.cli.submit import Context

if TYPE_CHECKING:
    from xtl.cluster import Cluster
    from xtl.plan import Plan
    from xtl.store.base import Store
    from xtl.submit import Standing


def retry(
    grid_file: GridFile,
    stage: Annotated[
        str | None,
        typer.Argument(
            metavar="STAGE", help="One stage: its key's beginning, Job, title or path; default: all failed."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Run that stage again even if it is done or running; its result is removed.")
    ] = False,
    store: StoreUrl = None,
    data: DataPlace = None,
    context: Context = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: OutputFormat = Output.table,
) -> None:
    """Run the stages again that failed for good, once their cause is mended; or one stage, with --force whatever it is.

    Their Jobs are deleted, waited for, and made anew; so is the report's. What has no Job is submitted: with mended
    data, stages have new keys. With --force, stages that read the result now are stopped; later they go on from there.

    Example: xtl retry my-study.yaml
    """
    from dataclasses import replace

    from xtl import change
    from xtl.cli.common import load_grid, make_plan, print_json
    from xtl.cli.next_steps import Next
    from xtl.cli.submit import cluster_store, prepare
    from xtl.cluster import Cluster
    from xtl.submit import preflight, standing
    from xtl.submit import submit as create
    from xtl.waiting import controller

    grid = load_grid(grid_file, data, store)
    opened = cluster_store(grid, context)
    plan = make_plan(grid)
    cluster = Cluster(context=context, namespace=grid.cluster.get("namespace"))
    now = standing(plan, opened)
    keys = _chosen(plan, opened, cluster, now, stage, force)
    others = preflight(plan, opened, cluster, replace(now, done=now.done.union(keys)))
    _tell(plan, keys, _readers(plan, opened, cluster, keys) if force else [], others)
    _agreed(bool(keys or others), yes, destroys=force and not now.done.isdisjoint(keys))
    plan = prepare(plan, opened, replace(now, done=now.done.difference(keys)), replace=False)
    made = change.again(plan, opened, cluster, keys, force=force)
    made += create(plan, opened, cluster, standing(plan, opened)).created
    if output == Output.json:
        print_json({"grid": grid.name, "stages": keys, "created": made})
    else:
        print(f"{len(made)} Jobs created." if made else "Nothing has failed, and no Job is missing.")
    if made and controller(cluster) is None:
        after = Next(grid_file, plan, cluster, {"--store": store, "--data": data, "--context": context})
        print(after.no_controller(), file=sys.stderr)


def _chosen(plan: Plan, store: Store, cluster: Cluster, now: Standing, wanted: str | None, force: bool) -> list[str]:
    from xtl import change
    from xtl.errors import UserError
    from xtl.stage_names import find

    if wanted is None:
        if force:
            raise UserError("--force needs a STAGE: what is done is run again one by one")
        return change.failed(plan, store, cluster, now)
    known = {key: {"title": x.title, "kind": x.kind, "labels": dict(x.labels)} for key, x in plan.stages.items()}
    key = find(known, wanted, store.url)
    if key in change.failed(plan, store, cluster, now):
        return [key]
    state = change.state(plan, store, cluster, key)
    what = f"{plan.stages[key].title} has not failed, it is {state}"
    if state == change.NO_JOB:
        raise UserError(what)
    if not force:
        raise UserError(f"{what}; --force runs it again all the same")
    return [key]


def _readers(plan: Plan, store: Store, cluster: Cluster, keys: list[str]) -> list[str]:
    """Keys of stages that read the results which are to be removed; they are made anew. Raises UserError where another
    grid has such stages: they are not this one's to stop."""
    from xtl import change, render
    from xtl.errors import UserError

    jobs = [job for key in keys for job in change.readers(cluster, store.url, key)]
    found = {job["metadata"]["annotations"][render.KEY]: job["metadata"]["name"] for job in jobs}
    if others := sorted(found[key] for key in found.keys() - plan.stages.keys()):
        raise UserError(
            f"nothing was changed: {len(others)} Jobs of other grids read that result now ({', '.join(others[:3])}): "
            "wait until they have ended, or cancel those grids first"
        )
    return list(found)


def _tell(plan: Plan, keys: list[str], readers: list[str], others: int) -> None:
    for key in [*keys, *readers]:
        print(f"again: {key[:12]} {plan.stages[key].title}", file=sys.stderr)
    if others:
        print(f"{others} Jobs are missing and are created, too", file=sys.stderr)


def _agreed(some: bool, yes: bool, *, destroys: bool) -> None:
    """A result is destroyed only by a clear yes; what failed is run again unasked where there is no terminal."""
    from xtl.cli.cancel import agree

    if destroys or (some and sys.stdin.isatty()):
        agree("Run again?", yes)
