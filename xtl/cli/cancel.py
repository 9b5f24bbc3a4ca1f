"""`xtl cancel`: a grid's Jobs taken off the cluster."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from xtl.cli.common import DataPlace, GridFile, Output, OutputFormat, StoreUrl
from xtl.cli.submit import Context

if TYPE_CHECKING:
    from xtl.change import Cancelling


def cancel(
    grid_file: GridFile,
    store: StoreUrl = None,
    data: DataPlace = None,
    context: Context = None,
    stale: Annotated[
        bool, typer.Option("--stale", help="Only Jobs of an earlier form of the grid, which it asks for no more.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: OutputFormat = Output.table,
) -> None:
    """Remove a grid's Jobs that have not ended and that no other grid wants; running pods save their state first.

    What is in the store stays, so `xtl submit` goes on from there. Without a terminal it needs --yes.

    Example: xtl cancel my-study.yaml --yes
    """
    from xtl import change
    from xtl.cli.common import load_grid, make_plan, print_json
    from xtl.cli.submit import cluster_store
    from xtl.cluster import Cluster

    grid = load_grid(grid_file, data, store)
    url = cluster_store(grid, context, creates=False).url
    cluster = Cluster(context=context, namespace=grid.cluster.get("namespace"))
    keep = make_plan(grid).stages.keys() if stale else ()
    jobs = change.cancelling(cluster, grid.name, url, keep=keep)
    print(_preview(grid.name, jobs, cluster.namespace), file=sys.stderr)
    gone: list[str] = []
    if jobs.remove or jobs.share:
        agree("Cancel?", yes)
        gone = change.cancel(cluster, grid.name, jobs)
    if output == Output.json:
        shared, ended = ([job["metadata"]["name"] for job in some] for some in (jobs.share, jobs.ended))
        print_json({"grid": grid.name, "removed": gone, "shared": shared, "ended": ended})
    else:
        print(f"{len(gone)} Jobs removed." if gone else "Nothing to cancel." if not jobs.share else "No Job removed.")


def agree(question: str, yes: bool) -> None:
    """Asked on a terminal; elsewhere only --yes will do. Raises Abort and UserError."""
    from xtl.errors import UserError

    if yes:
        return
    if not sys.stdin.isatty():
        raise UserError("nothing was changed: there is no terminal to ask on, so say --yes")
    typer.confirm(question, abort=True, err=True)


def _preview(grid: str, jobs: Cancelling, namespace: str) -> str:
    running = sum(not job["spec"].get("suspend") for job in jobs.remove)
    text = f"{grid}: {len(jobs.remove)} Jobs to remove in {namespace}, {running} of them released"
    if jobs.share:
        text += f"; {len(jobs.share)} stay, since other grids want them"
    return text + (f"; {len(jobs.ended)} have ended" if jobs.ended else "")
