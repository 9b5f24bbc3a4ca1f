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

    Their Jobs are deleted, waited for, and made anew; so is the report's. With mended data, stages have new keys: those
    are submitted.

    Example: xtl retry my-study.yaml
    """
    from xtl import change
    from xtl.cli.common import load_grid, make_plan, print_json
    from xtl.cli.submit import cluster_store, place_missing
    from xtl.cluster import Cluster
    from xtl.submit import standing

    grid = load_grid(grid_file, data, store)
    opened = cluster_store(grid)
    plan = make_plan(grid)
    cluster = Cluster(context=context, namespace=grid.cluster.get("namespace"))
    now = standing(plan, opened)
    keys = _chosen(plan, opened, cluster, now, stage, force)
    for key in keys:
        print(f"again: {key[:12]} {plan.stages[key].title}", file=sys.stderr)
    _agreed(keys, now, yes, force=force)
    made = change.again(plan, opened, cluster, keys, force=force)
    if stage is None:
        made += place_missing(plan, opened, cluster)
    if output == Output.json:
        print_json({"grid": grid.name, "stages": keys, "created": made})
    else:
        print(f"{len(made)} Jobs created." if made else "Nothing has failed, and no Job is missing.")


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
    if not force and key not in change.failed(plan, store, cluster, now):
        state = change.state(plan, store, cluster, key)
        raise UserError(f"{plan.stages[key].title} has not failed, it is {state}; --force runs it again all the same")
    return [key]


def _agreed(keys: list[str], now: Standing, yes: bool, *, force: bool) -> None:
    """A result is destroyed only by a clear yes; what failed is run again unasked where there is no terminal."""
    from xtl.cli.cancel import agree

    if keys and (sys.stdin.isatty() or (force and any(key in now.done for key in keys))):
        agree("Run again?", yes)
