"""What `xtl status` shows: a line on the study, a table of its stages; once, or in place for as long as one looks.

Without a terminal a watch prints a line a change, so that its output can be kept.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from xtl.cli.common import Output, duration, plain, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from xtl.spent import Study
    from xtl.states import StageState

ENDED = ("done", "failed", "skipped", "partial")
#: What nothing but a person will change.
STUCK = ("unschedulable", "image pull", "misconfigured", "node lost", "missing", "silent", "stopped")
WAITING = ("waiting", "queued", "ready", "released")
_ORDER = (*STUCK, "failed", "running", "starting", "retrying", "disrupted", "released", "queued", "ready", "unknown")
_COLOURS = {"done": "green", "failed": "red", "skipped": "yellow", "partial": "yellow"} | dict.fromkeys(STUCK, "red")
#: A table on a terminal narrower than this has no keys (titles name stages as well) and no tokens/s.
NARROW = 110
#: From here on there is room for the names that kubectl knows stages by.
WIDE = 150


@dataclass(frozen=True, kw_only=True)
class Report:
    """One look. counts: stages by state. study: figures, where a cluster runs the grid. where it is; problem: why
    it could not be read."""

    name: str
    stages: Sequence[StageState]
    counts: Mapping[str, int]
    study: Study | None = None
    where: str = ""
    problem: str = ""
    note: str = ""

    @property
    def over(self) -> bool:
        return all(stage.state in ENDED for stage in self.stages)

    @property
    def deserted(self) -> bool:
        """Nothing will change unless someone submits: what has not ended has no Job, as after a cancel."""
        return all(stage.state in (*ENDED, "missing") for stage in self.stages)


def print_report(report: Report, all_: bool, output: Output) -> None:
    if output == Output.json:
        print_json(as_json(report))
        return
    from xtl.cli.common import console

    out = console()
    out.print(table(report, all_, out.width))
    if report.counts.get("done") and not all_:
        out.print("What is done is not listed: --all lists it.")


def as_json(report: Report) -> dict[str, Any]:
    body: dict[str, Any] = {"grid": report.name}
    if report.study:
        body["study"] = asdict(report.study)
        body["cluster"] = {"where": report.where, "problem": report.problem, "note": report.note}
    return {**body, "stages": [asdict(stage) for stage in report.stages]}


def headline(report: Report) -> str:
    """`NAME: 3 of 12 stages done, 2 running, 7 waiting; about 2h10m left; 0.8 GPU hours used`."""
    count = report.counts
    if report.study is None:
        return f"{report.name}: " + ", ".join(f"{n} {state}" for state, n in count.items())
    waiting = sum(count.get(state, 0) for state in WAITING)
    parts = [f"{count.get('done', 0)} of {len(report.stages)} stages done", f"{count.get('running', 0)} running"]
    parts += [f"{waiting} waiting", f"{count.get('failed', 0)} failed"]
    parts += [f"{n} {state}" for state, n in count.items() if state not in ("done", "running", "failed", *WAITING)]
    said = f"{report.name}: {', '.join(parts)}"
    if report.study.seconds_left is not None:
        said += f"; about {duration(report.study.seconds_left)} left"
    about = "" if report.study.exact else "about "
    return f"{said}; {about}{report.study.gpu_hours:.1f} GPU hours used"


def table(report: Report, all_: bool, width: int) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = [Text(plain(headline(report)))]
    if report.problem:
        said = f"The cluster could not be read, so this is what the store says. {report.problem}"
        parts.append(Text(plain(said), style="yellow"))
    if report.note:
        parts.append(Text(plain(report.note), style="yellow"))
    listed = [stage for stage in report.stages if all_ or stage.state != "done"]
    if listed:
        body = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        rows = [(stage, _cells(stage)) for stage in listed]
        names = _columns([cells for _, cells in rows], width)
        for name in names:
            body.add_column(name, no_wrap=name not in ("stage", "loss", "why"))
        for stage, cells in rows:
            body.add_row(*(Text(plain(cells[name]), style=_style(name, stage)) for name in names))
        parts.append(body)
    return Group(*parts)


def _columns(rows: Sequence[Mapping[str, str]], width: int) -> list[str]:
    """Those that have anything to show; on a narrow terminal without what the title and `-o json` tell as well, and
    with estimates only beside what stages took."""
    compared = any(cells["took"] for cells in rows)
    wide = {"key": NARROW, "tokens/s": NARROW, "job": WIDE, "estimate": 0 if compared else NARROW}
    always = ("stage", "state")
    return [
        name
        for name in ("stage", "key", "job", "state", "step", "loss", "tokens/s", "left", "took", "estimate", "why")
        if width >= wide.get(name, 0) and (name in always or any(cells[name] for cells in rows))
    ]


def _style(column: str, stage: StageState) -> str:
    return _COLOURS.get(stage.state, "") if column == "state" else ""


def _cells(stage: StageState) -> dict[str, str]:
    beat = stage.progress
    tokens = beat.get("tokens_per_second")
    return {
        "stage": stage.title,
        "key": stage.key[:12],
        "job": stage.job,
        "state": stage.state,
        "step": f"{beat['step']}/{beat['steps']}" if "steps" in beat else "",
        "loss": "" if beat.get("loss") is None else str(beat["loss"]),
        "tokens/s": f"{tokens:,}" if isinstance(tokens, int) else "",
        "left": duration(beat["seconds_left"]) if "seconds_left" in beat and stage.state == "running" else "",
        "took": duration(stage.seconds) if stage.seconds is not None else "",
        "estimate": duration(stage.predicted_seconds) if stage.predicted_seconds is not None else "",
        "why": stage.reason,
    }


class Screen:
    """Where a watch goes: in place on a terminal, a line a change elsewhere; with JSON, a document a line."""

    def __init__(self, all_: bool, output: Output) -> None:
        self._all, self._json = all_, output == Output.json
        self._live: Any = None
        self._before: dict[str, tuple[str, str]] = {}
        self._said = ""

    def __enter__(self) -> Screen:
        if sys.stdout.isatty() and not self._json:
            from rich.live import Live

            from xtl.cli.common import console

            self._live = Live(console=console(), auto_refresh=False, vertical_overflow="ellipsis")
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, report: Report) -> None:
        if self._live is not None:
            urgent = sorted(report.stages, key=lambda x: _ORDER.index(x.state) if x.state in _ORDER else len(_ORDER))
            shown = Report(**{**report.__dict__, "stages": urgent})
            self._live.update(table(shown, self._all, self._live.console.width), refresh=True)
        elif self._json:
            self._say_json(report)
        else:
            self._say_lines(report)

    def _say_json(self, report: Report) -> None:
        import json

        body = json.dumps(as_json(report), ensure_ascii=False)
        if body != self._said:
            self._said = body
            print(body, flush=True)

    def _say_lines(self, report: Report) -> None:
        """Steps go on all the time and are no change; a new state or reason is, and so is a new headline."""
        clock = time.strftime("%H:%M:%S")
        for stage in report.stages:
            now = (stage.state, stage.reason)
            if self._before.get(stage.key) != now and (self._all or stage.state != "done" or self._before):
                why = f": {stage.reason}" if stage.reason else ""
                print(plain(f"[{clock}] {stage.state:<9} {stage.key[:12]} {stage.title}{why}"), flush=True)
        self._before = {stage.key: (stage.state, stage.reason) for stage in report.stages}
        counts = f"{dict(report.counts)}{report.problem}{report.note}"
        if counts != self._said:
            self._said = counts
            problem = f" (the store alone: {report.problem})" if report.problem else ""
            print(plain(f"[{clock}] {headline(report)}{problem}"), flush=True)
            if report.note:
                print(plain(f"[{clock}] {report.note}"), flush=True)
