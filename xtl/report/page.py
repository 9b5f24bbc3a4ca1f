"""A report as one HTML page that asks nothing of the network and opens from a bucket or a file.

The page lies at `grids/NAME/report.html` in the store, and its links to manifests and logs are relative to that place;
it says so, for a copy of it opened elsewhere. Names from the grid or the data are escaped, and a content policy lets no
script run but the page's own. The text is whole without scripts: they only sort, filter and unfold.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from xtl.errors import MissingPackage
from xtl.report import figures, panels, tables
from xtl.report.differences import KINDS, ContrastResult
from xtl.report.heat import baseline, heat
from xtl.report.model import Report, Run
from xtl.report.shown import counted, points, span
from xtl.report.study import average_text, cell_text, notes
from xtl.report.svg import CSS

#: From the page's place in the store to the store's root.
ROOT = "../../"


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """One contrast with its figures."""

    anchor: str
    result: ContrastResult
    sentence: str
    forest: str
    table: tables.Table
    dots: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Layers:
    figure: str
    table: tables.Table


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Runs that stand together: an arm's, or what all arms share."""

    name: str
    runs: tuple[Run, ...]

    @property
    def summary(self) -> str:
        lacking = sum(not run.done for run in self.runs)
        gpu = sum(run.gpu_hours for run in self.runs)
        return f"{counted(len(self.runs), 'run')}, {gpu:,.1f} GPU hours" + (f", {lacking} missing" if lacking else "")


def page(report: Report, published: Sequence[Mapping[str, Any]] | None = None) -> str:
    """The whole document. published: rows as `published.rows` gives them, its own for None. Raises UserError without
    jinja2."""
    if published is None:
        from xtl.report.published import rows

        published = rows(report)
    style, script = _style(), _part("page.js")
    return _template().render(
        report=report,
        several=len(report.models) > 1,
        style=style,
        script=script,
        style_hash=_digest(style),
        script_hash=_digest(script),
        base=baseline(report),
        heat=heat(report),
        shade=panels.shade,
        shades=panels.SHADES,
        legend=figures.legend("legend", _kinds(report)),
        words=tables.WORDS,
        contrasts=_contrasts(report),
        layers=_layers(report),
        last_pieces=any(curve.pooling == "last" for curve in report.layers),
        retrieval=tables.retrieval(report),
        averages=tables.averages(report),
        seen=tables.seen(report),
        published=published,
        notes=notes(report.table),
        groups=_groups(report.runs),
        environments=_environments(report.runs),
        gpu_hours=sum(run.gpu_hours for run in report.runs),
        root=ROOT,
        keys={run.key: run for run in report.runs if run.done},
    )


def _kinds(report: Report) -> list[str]:
    """The kinds of language that any contrast has."""
    there = {kind for one in report.contrasts for task in one.tasks for kind in task.by_kind}
    return [kind for kind in KINDS if kind in there]


def _contrasts(report: Report) -> list[_Shown]:
    shown = []
    for at, one in enumerate(report.contrasts):
        anchor = f"contrast-{at + 1}"
        dots = (
            figures.dots(task, one, f"{anchor}-{task.task}", report.setting) for task in one.tasks if task.languages
        )
        shown.append(
            _Shown(
                anchor=anchor,
                result=one,
                sentence=report.answer.sentences[at],
                forest=figures.forest(one, f"{anchor}-forest", report.setting),
                table=tables.contrast(one, report),
                dots=tuple(dots),
            )
        )
    return shown


def _layers(report: Report) -> list[_Layers]:
    """A figure and its table of each model and retrieval task."""
    base, setting = baseline(report), report.setting
    drawn = [panels.layer_curves(one, base, f"layers-{at}", setting) for at, one in enumerate(report.sweeps)]
    return [_Layers(figure=a, table=b) for a, b in zip(drawn, tables.sweeps(report), strict=True)]


def _groups(runs: Sequence[Run]) -> list[_Group]:
    """By arm, then what arms share."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.arm, []).append(run)
    shared = found.pop("", [])
    groups = [_Group(name=f"Arm {arm}", runs=tuple(own)) for arm, own in found.items()]
    return [*groups, _Group(name="Models and data, fetched once", runs=tuple(shared))] if shared else groups


def _environments(runs: Sequence[Run]) -> dict[tuple[str, str], int]:
    """Device and versions of every run that is done, numbered from 1."""
    found: dict[tuple[str, str], int] = {}
    for run in runs:
        if run.done:
            found.setdefault(environment(run), len(found) + 1)
    return found


def environment(run: Run) -> tuple[str, str]:
    device = "CPU" if run.device in ("", "cpu") else run.device
    return device, ", ".join(f"{name} {version}" for name, version in sorted(run.packages.items()))


def _settings(run: Run) -> str:
    return ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in sorted(run.settings.items()))  # fmt: skip


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def _style() -> str:
    return _part("page.css") + CSS


@cache
def _part(name: str) -> str:
    """A part of the page that lies beside this module. What is inlined may not end its element."""
    return (files("xtl.report") / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """As a content policy names an inline part."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _template() -> Any:
    try:
        import jinja2
        from markupsafe import Markup
    except ModuleNotFoundError:
        raise MissingPackage("jinja2", "report") from None

    def finish(value: Any) -> Any:
        """Names as they are, control characters shown; what is markup already is left."""
        return tables.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment_ = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, finalize=finish, trim_blocks=True, lstrip_blocks=True
    )
    environment_.filters |= {
        "points": points, "span": span, "svg": Markup, "cell": cell_text, "average": average_text,
        "settings": _settings, "duration": _duration, "environment": environment,
    }  # fmt: skip
    environment_.globals["counted"] = counted
    return environment_.from_string(_part("page.html.j2"))
