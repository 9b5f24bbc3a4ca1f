"""`xtl run`: the whole study on this machine, with a live table, or plain lines where there is no terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xtl.cli.common import DataPlace, GridFile, Output, OutputFormat, StoreUrl

if TYPE_CHECKING:
    from xtl.grid import Grid
    from xtl.local import Run
    from xtl.plan import Plan
    from xtl.store.base import Store


def run(
    grid_file: GridFile,
    store: StoreUrl = None,
    data: DataPlace = None,
    parallel: Annotated[int, typer.Option(min=1, help="How many stages run at a time.")] = 1,
    work: Annotated[Path | None, typer.Option(help="Scratch and logs; default: ~/.cache/xtl/work/NAME.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take over the name of another grid in the store.")
    ] = False,
    output: OutputFormat = Output.table,
) -> None:
    """Run a study on this machine. The same command again goes on where it stopped.

    Ctrl-C stops gracefully: stages save their state first. Exit status 1 if a stage failed.

    Example: xtl run my-study.yaml --parallel 2
    """
    from xtl import local
    from xtl.cli.common import load_grid, open_grid_store
    from xtl.cli.live import watch
    from xtl.forecast import planned, timed
    from xtl.store import commit, grids

    _need_jobs()
    grid = load_grid(grid_file, data, store)
    opened = open_grid_store(grid)
    plan, estimate = planned(grid, opened)
    plan = timed(plan, estimate, commit.manifests(opened))
    grids.register(opened, grid, plan, replace=replace)
    local.prepare(plan, opened)
    with watch(plan, opened, output) as watcher:
        going = local.Run(plan, opened, work or _work_folder(grid), watcher, parallel=parallel)
        complete = going.execute()
    if output == Output.json:
        _print_json(grid, opened, going, ran=watcher.ran)
    else:
        _finish(grid, plan, opened, going, complete=complete, ran=watcher.ran)
    if not complete:
        raise typer.Exit(130 if going.stopping else 1)


def _need_jobs() -> None:
    """Stages need what `xtl[jobs]` installs; said before the first of them fails."""
    from importlib.util import find_spec

    from xtl.errors import MissingPackage

    for package in ("torch", "transformers", "pyarrow"):
        if find_spec(package) is None:
            raise MissingPackage(package, "jobs")


def _work_folder(grid: Grid) -> Path:
    import os

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "xtl" / "work" / grid.name


def _print_json(grid: Grid, store: Store, run: Run, *, ran: int) -> None:
    from xtl.cli.common import print_json

    stages = {
        key: {"state": state, "reason": run.reasons.get(key, ""), "log": str(run.logs[key]) if key in run.logs else ""}
        for key, state in run.states.items()
    }
    print_json({"grid": grid.name, "ran": ran, "stages": stages, "results": f"{store.url}/grids/{grid.name}"})


def _finish(grid: Grid, plan: Plan, store: Store, run: Run, *, complete: bool, ran: int) -> None:
    """The study's table on stdout; on stderr what failed, why, where its log is, and what to do."""
    from xtl.cli.common import plain
    from xtl.cli.results import print_study, where

    some = print_study(plan, store)
    if complete and not ran:
        print(f"Nothing to do: all {len(plan.stages)} stages are done.")
    sys.stdout.flush()
    for key in [key for key, state in run.states.items() if state == "failed"]:
        print(plain(f"FAILED {plan.stages[key].title}: {run.reasons[key]}"), file=sys.stderr)
        if key in run.logs:
            print(plain(f"       log: {run.logs[key]}"), file=sys.stderr)
    for line in _what_now(plan, run):
        print(line, file=sys.stderr)
    if some and run.states[plan.reduce] in ("done", "skipped"):
        print(plain(where(plan, store)))


def _what_now(plan: Plan, run: Run) -> list[str]:
    count = {
        name: sum(state == name for key, state in run.states.items() if key != plan.reduce)
        for name in ("failed", "skipped", "stopped", "waiting", "elsewhere")
    }
    found = []
    if count["skipped"]:
        found.append(f"{count['skipped']} skipped, since what they need is not there.")
    if run.stopping:
        left = sum(state != "done" for state in run.states.values())
        found.append(f"Stopped; {left} of {len(plan.stages)} stages are left. The same command goes on from here.")
    elif count["failed"]:
        found.append("Mend the cause and run the same command again: only what is missing runs.")
    return found
