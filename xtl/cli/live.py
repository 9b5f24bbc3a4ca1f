"""How `xtl run` tells what it does: a live table on a terminal, plain lines elsewhere, both on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xtl.cli.common import Output, duration, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from xtl.local import Run, State
    from xtl.plan import Plan, Stage
    from xtl.store.base import Store

#: How often the heartbeats of running stages are read, in seconds; stages write one every five.
READ_SECONDS = 1.0
#: Terminals narrower than this get no loss and no tokens/s.
NARROW = 90
_COLOURS = {"done": "green", "failed": "red", "skipped": "yellow", "stopped": "yellow", "waiting": "yellow"}


def watch(plan: Plan, store: Store, output: Output) -> PlainLines:
    """The watcher for where stderr goes: a context manager."""
    live = sys.stderr.isatty() and output == Output.table
    return LiveTable(plan, store) if live else PlainLines(plan)


class PlainLines:
    """A line a change. `ran` counts the stages that this run has started."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.ran, self._began = plan, 0, time.monotonic()

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def changed(self, stage: Stage, state: State, reason: str) -> None:
        if state == "running":
            self.ran += 1
        elif state == "done" and not self.ran and not reason:
            return  # done before this run began: said once, as a number
        self._line(state, f"{stage.key[:12]} {stage.title}" + (f": {reason}" if reason else ""))

    def say(self, text: str) -> None:
        self._line("", text)

    def tick(self, run: Run) -> None:
        pass

    def _line(self, state: str, text: str) -> None:
        line = f"[{self._spent():>6}] {state:<9} {text}" if state else f"[{self._spent():>6}] {text}"
        print(plain(line), file=sys.stderr, flush=True)

    def _spent(self) -> str:
        return duration(time.monotonic() - self._began)


class LiveTable(PlainLines):
    """The stages that run, how far each is, and how many are left; what ended stays above as a line each.

    Heartbeats are read by a thread, so that a slow store delays figures and nothing else.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        super().__init__(plan)
        self._store, self._next = store, 0.0
        self._keys: tuple[str, ...] = ()
        self._progress: Mapping[str, dict[str, Any]] = {}
        self._over = threading.Event()

    def __enter__(self) -> LiveTable:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
        self._live.start()
        threading.Thread(target=self._read, name="xtl-progress", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._live.stop()

    def tick(self, run: Run) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + READ_SECONDS
            self._keys = tuple(run.running)
            self._live.update(self._table(run), refresh=True)

    def _line(self, state: str, text: str) -> None:
        from rich.text import Text

        if state in ("running", "elsewhere"):
            return  # the table shows them
        line = Text(plain(f"[{self._spent():>6}] "), style="dim")
        line.append(f"{state:<8}" if state else "", style=_COLOURS.get(state, ""))
        line.append(plain(text) if not state else f" {plain(text)}", style="not dim")
        self._live.console.print(line, highlight=False)

    def _read(self) -> None:
        from xtl.errors import StoreError
        from xtl.store import commit, layout

        while not self._over.wait(READ_SECONDS):
            found: dict[str, dict[str, Any]] = {}
            for key in self._keys:
                try:
                    found[key] = commit.get_json(self._store, layout.progress_name(key)) or {}
                except StoreError:
                    found[key] = self._progress.get(key, {})
            self._progress = found

    def _table(self, run: Run) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        count = {name: sum(state == name for state in run.states.values()) for name in ("done", "elsewhere", "failed")}
        title = f"{self.plan.grid.name}: {count['done']} of {len(run.states)} stages done"
        title += "".join(f", {n} {name}" for name, n in count.items() if n and name != "done") + f", {self._spent()}"
        wide = self._live.console.width >= NARROW
        table = Table(box=None, padding=(0, 2, 0, 0))
        names = ("stage", "state", "step", *(("loss", "tokens/s") if wide else ()), "left")
        for name in names:
            side: Any = "left" if name in ("stage", "state") else "right"
            table.add_column(name, justify=side, no_wrap=True, overflow="ellipsis", header_style="dim")
        for key, process in run.running.items():
            beat = self._progress.get(key, {})
            figures = beat if beat.get("attempt") == process.attempt else {}  # an earlier attempt's says nothing
            cells = _cells(process.stage, figures)
            table.add_row(*(Text(plain(cells[name])) for name in names))
        return Group(Text(title, style="bold"), table)


def _cells(stage: Stage, beat: Mapping[str, Any]) -> dict[str, str]:
    tokens = beat.get("tokens_per_second")
    return {
        "stage": stage.title,
        "state": str(beat.get("state", "starting")),
        "step": f"{beat['step']}/{beat['steps']}" if "steps" in beat else "",
        "loss": f"{beat['loss']:.3f}" if isinstance(beat.get("loss"), float) else "",
        "tokens/s": f"{tokens:,}" if isinstance(tokens, int) else "",
        "left": duration(beat["seconds_left"]) if "seconds_left" in beat else "",
    }
