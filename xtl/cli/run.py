"""`xtl run`: the whole study on this machine, with a live table, or plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtl.cli.common import DataPlace, GridFile, Output, OutputFormat, StoreUrl

if TYPE_CHECKING:
    from rich.table import Table

    from xtl.grid import Grid
    from xtl.local import Run, State
    from xtl.plan import Plan, Stage
    from xtl.store.base import Store


def run(
    grid_file: GridFile,
    store: StoreUrl = None,
    data: DataPlace = None,
    parallel: Annotated[int, typer.Option(min=1, help="Stages at a time.")] = 1,
    work: Annotated[
        Path | None, typer.Option(help="Scratch and logs; default: xtl-work/ beside a folder store, else the cache.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take the grid's name over from another grid.")] = False,
    output: OutputFormat = Output.table,
) -> None:
    """Run a study on this machine. The same command again goes on where it stopped.

    Example: xtl run grids/demo.yaml --store runs/demo --parallel 2
    """
    from xtl import local
    from xtl.cli.common import load_grid, make_plan, open_grid_store
    from xtl.store import grids

    grid = load_grid(grid_file, data, store)
    plan = make_plan(grid)
    opened = open_grid_store(grid)
    grids.register(opened, grid, plan, replace=replace)
    local.prepare(plan, opened)
    watcher = _watcher(plan, opened, output)
    with watcher:
        going = local.Run(plan, opened, work or _work_folder(grid), watcher, parallel=parallel)
        complete = going.execute()
    _finish(grid, plan, opened, going, output, ran=watcher.ran)
    if not complete:
        raise typer.Exit(130 if going.stopping else 1)


def _work_folder(grid: Grid) -> Path:
    import os

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "xtl" / "work" / grid.name


def _watcher(plan: Plan, store: Store, output: Output) -> Any:
    live = sys.stderr.isatty() and output == Output.table
    return LiveTable(plan, store) if live else PlainLines(plan)


class PlainLines:
    """A line a change, on stderr."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.ran, self._began = plan, 0, time.monotonic()

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def changed(self, stage: Stage, state: State, reason: str) -> None:
        from xtl.cli.common import duration, plain

        if state == "running":
            self.ran += 1
        elif state == "done" and not self.ran:
            return  # done before this run began: said once, as a number, at the end
        spent = duration(time.monotonic() - self._began)
        line = f"[{spent:>6}] {state:<9} {stage.key[:12]} {stage.title}" + (f": {reason}" if reason else "")
        print(plain(line), file=sys.stderr, flush=True)

    def tick(self, run: Run) -> None:
        pass


class LiveTable(PlainLines):
    """The stages that run, how far each is, and how many are left; what failed or was skipped stays above."""

    def __init__(self, plan: Plan, store: Store) -> None:
        super().__init__(plan)
        self.store, self._states, self._next = store, dict[str, str](), 0.0
        self._progress: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> LiveTable:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def changed(self, stage: Stage, state: State, reason: str) -> None:
        from xtl.cli.common import plain

        self._states[stage.key] = state
        if state == "running":
            self.ran += 1
        if state in ("failed", "skipped", "stopped") or (reason and state == "waiting"):
            from rich.text import Text

            self._live.console.print(Text(plain(f"{state} {stage.title}: {reason}")))

    def tick(self, run: Run) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 1.0
            self._progress = {key: self._read(key) for key in run.running}
            self._live.update(self._table(run))

    def _read(self, key: str) -> dict[str, Any]:
        from xtl.errors import StoreError
        from xtl.store import commit, layout

        try:
            return commit.get_json(self.store, layout.progress_name(key)) or {}
        except StoreError:
            return {}

    def _table(self, run: Run) -> Table:
        from rich.table import Table

        from xtl.cli.common import duration

        done = sum(state == "done" for state in run.states.values())
        spent = duration(time.monotonic() - self._began)
        table = Table(
            title=f"{self.plan.grid.name}: {done} of {len(run.states)} stages done, {spent}", title_justify="left"
        )
        for name in ("stage", "state", "step", "loss", "tokens/s", "left"):
            table.add_column(name, justify="left" if name in ("stage", "state") else "right")
        for key, process in run.running.items():
            figures = self._progress.get(key, {})
            steps = f"{figures['step']}/{figures['steps']}" if "steps" in figures else ""
            left = duration(figures["seconds_left"]) if "seconds_left" in figures else ""
            cells = (steps, str(figures.get("loss", "")), str(figures.get("tokens_per_second", "")), left)
            table.add_row(process.stage.title, str(figures.get("state", "starting")), *cells)
        return table


def _finish(grid: Grid, plan: Plan, store: Store, run: Run, output: Output, *, ran: int) -> None:
    from xtl.cli.common import plain, print_json

    failed = [key for key, state in run.states.items() if state == "failed"]
    if output == Output.json:
        print_json(
            {
                "grid": grid.name,
                "ran": ran,
                "stages": {key: {"state": s, "reason": run.reasons.get(key, "")} for key, s in run.states.items()},
                "results": f"{store.url}/grids/{grid.name}",
            }
        )
        return
    from xtl.cli.results import print_study

    print_study(plan, store)
    if not ran and not failed:
        print(f"Nothing to do: all {len(plan.stages)} stages are done.")
    for key in failed:
        print(plain(f"FAILED {plan.stages[key].title}: {run.reasons[key]}"), file=sys.stderr)
        print(plain(f"       log: {run.logs[key]}"), file=sys.stderr)
    skipped = sum(state == "skipped" for state in run.states.values())
    if skipped:
        print(f"{skipped} stages skipped, for what they need is not there.", file=sys.stderr)
    stopped = sum(state in ("stopped", "waiting") for state in run.states.values())
    if run.stopping:
        print(f"Stopped; {stopped} stages are left. The same command goes on from here.", file=sys.stderr)
    elif failed:
        print("Mend the cause and run the same command again: only what is missing runs.", file=sys.stderr)
    print(f"Results: {store.url}/grids/{grid.name}/ (scores.csv, scores.md, submissions/)")
