"""Published figures beside ours, with their source and what keeps the two from being compared. Pure.

An arm answers for a published row: `none` for a model as it is, and for X-STILTs (Phang et al. 2020: the best
intermediate for each target) the best English arm of each target. Differences are ours minus theirs, where both are
there and on the same split: QA by exact match and F1 each, since no mean of the two is published. What differs in the
settings is said as a caution, never corrected for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xtl.arms import NONE
from xtl.errors import UserError
from xtl.report.model import Report
from xtl.report.study import Cell, Line
from xtl.report.tables import HOLE, Table, clean
from xtl.tasks import TASKS

Pair = tuple[float | None, float | None]  # exact match, F1
TABLES = "Chung et al. 2021 (RemBERT), tables 7 and 16; mT5's README"
LAYERS = "XTREME's authors, their own replication (layer 14, mean pooling), means over languages"
BEST = "X-STILTs"
_BEST = f"{TABLES}; X-STILTs is Phang et al. 2020 with the best intermediate for each target"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One published model. scores: of a task, a figure, or exact match and F1. of: the model that ours must be. dev:
    the tasks whose figure is of the dev set, all others being of the test set."""

    model: str
    source: str
    of: str
    scores: Mapping[str, float | Pair]
    dev: frozenset[str] = frozenset()

    def split(self, task: str) -> str:
        return "dev" if task in self.dev else "test"


_LARGE = "FacebookAI/xlm-roberta-large"
ROWS: tuple[Row, ...] = (
    Row(
        model="mBERT",
        of="google-bert/bert-base-multilingual-cased",
        source=TABLES,
        scores={"xnli": 65.4, "pawsx": 81.9, "panx": 62.2, "xquad": (None, 64.5), "mlqa": (None, 61.4),
                "tydiqa": (None, 59.7)},
    ),
    Row(
        model="XLM-R large",
        of=_LARGE,
        source=f"{TABLES}; retrieval: {LAYERS}",
        scores={"xnli": 79.2, "pawsx": 86.4, "udpos": 73.8, "panx": 65.4, "xquad": (60.8, 76.6), "mlqa": (53.2, 71.6),
                "tydiqa": (45.0, 65.1), "bucc2018": 71.5, "tatoeba": 31.0},
        dev=frozenset({"bucc2018"}),
    ),
    Row(
        model=BEST,
        of=_LARGE,
        source=_BEST,
        scores={"xnli": 80.0, "pawsx": 87.9, "udpos": 74.9, "panx": 64.0, "xquad": (63.3, 78.7), "mlqa": (53.7, 72.4),
                "tydiqa": (59.5, 76.0)},
    ),
    Row(
        model="RemBERT",
        of="google/rembert",
        source=TABLES,
        scores={"xnli": 80.8, "pawsx": 87.5, "udpos": 76.5, "panx": 70.1, "xquad": (None, 79.6), "mlqa": (None, 73.1),
                "tydiqa": (None, 77.0)},
    ),
)  # fmt: skip
#: The rows of each study that a report can be set beside.
STUDIES: Mapping[str, tuple[Row, ...]] = {"phang2020": ROWS[1:3]}


def rows(report: Report, study: str = "") -> list[dict[str, Any]]:
    """{model, source, caution, cells: {task: text}, ours}: the published rows, and after each that an arm answers ours
    with the differences. study: those of one study alone. Raises UserError for one not known."""
    found: list[dict[str, Any]] = []
    for row in _chosen(study):
        found.append({"model": row.model, "source": row.source, "caution": _of_dev(report, row), "ours": False,
                      "cells": {task: _published(row, task) for task in report.tasks}})  # fmt: skip
        for model in report.models:
            if ours := _ours(report, row, model):
                found.append(_beside(report, row, model, *ours))
    return found


def table(report: Report, study: str = "") -> Table:
    """The same to print, a task a row."""
    found = rows(report, study)
    sources = dict.fromkeys(f"{one['model']}: {one['source']}." for one in found)
    notes = dict.fromkeys(f"{one['model']}: {one['caution']}" for one in found if one["caution"])
    return Table(
        title=f"Published results, and ours with the difference, {report.setting}",
        head=("task", *(clean(one["model"]) for one in found)),
        rows=tuple((task, *(one["cells"][task] for one in found)) for task in report.tasks),
        notes=(*map(clean, sources), *map(clean, notes)),
    )


def _chosen(study: str) -> Sequence[Row]:
    if study and study not in STUDIES:
        raise UserError(f"no published study {study!r} is known; there are: {' '.join(STUDIES)}")
    return STUDIES[study] if study else ROWS


def _ours(report: Report, row: Row, model: str) -> tuple[str, dict[str, tuple[str, Cell]]] | None:
    """A name, and by task the arm that answers and its cell; None where no arm does."""
    lines = [line for line in report.table.lines if line.model == model]
    if row.model == BEST:
        english = {arm.name for arm in report.arms if arm.tasks and set(arm.languages) == {"en"}}
        lines, name = [line for line in lines if line.arm in english], "ours, best English arm"
    else:
        lines, name = [line for line in lines if line.arm == NONE], "ours, no intermediate"
    cells = {task: best for task in row.scores if (best := _best(lines, task))}
    elsewhere = row.model in ("mBERT", "RemBERT") or model in {one.of for one in ROWS}
    if not cells or (elsewhere and model != row.of):
        return None
    return name + (f" ({model})" if len(report.models) > 1 else ""), cells


def _best(lines: Sequence[Line], task: str) -> tuple[str, Cell] | None:
    found = [(line.arm, line.cells[task]) for line in lines if task in line.cells]
    return max(found, key=lambda one: one[1].value, default=None)


def _beside(report: Report, row: Row, model: str, name: str, cells: Mapping[str, tuple[str, Cell]]) -> dict[str, Any]:
    shown = {task: _difference(cell, row, task) for task, (_, cell) in cells.items()}
    return {
        "model": name,
        "source": f"this study, mean over {len(report.seeds)} seed{'s' if len(report.seeds) != 1 else ''}",
        "caution": " ".join(_cautions(report, row, model, cells)),
        "ours": True,
        "cells": {task: shown.get(task, HOLE) for task in report.tasks},
    }


def _published(row: Row, task: str) -> str:
    value = row.scores.get(task)
    mark = "†" if task in row.dev else ""
    return ("/".join(map(_number, value)) if isinstance(value, tuple) else _number(value)) + mark


def _of_dev(report: Report, row: Row) -> str:
    tasks = [task for task in report.tasks if task in row.dev]
    return f"† published on dev: {', '.join(tasks)}." if tasks else ""


def _difference(cell: Cell, row: Row, task: str) -> str:
    """`79.0 (-0.2)`, or `60.1/76.2 (-0.7/-0.4)`, with a mark where it is less than the published figure is of; figures
    of two splits have no difference."""
    mark = ("*" if cell.partial else "") + ("†" if cell.split == "dev" else "")
    theirs, alike = row.scores[task], cell.split == row.split(task)
    pair = isinstance(theirs, tuple)
    ours = tuple(cell.metrics.get(name) for name in ("exact_match", "f1")) if pair else (cell.value,)
    both = zip(ours, theirs if isinstance(theirs, tuple) else (theirs,), strict=True)
    apart = "/".join(HOLE if a is None or b is None else f"{a - b:+.1f}" for a, b in both) if alike else HOLE
    return f"{'/'.join(map(_number, ours))}{mark} ({apart})"


def _number(value: float | None) -> str:
    return HOLE if value is None else f"{value:.1f}"


def _cautions(report: Report, row: Row, model: str, best: Mapping[str, tuple[str, Cell]]) -> Iterator[str]:
    """What keeps ours from being compared with the row."""
    cells = {task: cell for task, (_, cell) in best.items()}
    if row.model == BEST:
        arms = ", ".join(f"{task} {arm}" for task, (arm, _) in best.items())
        yield f"The arms are {arms}: chosen on the very scores that are shown, so optimistic."
    if model != row.of:
        yield f"The model differs: ours is {model}, the published one {row.of}."
    if report.setting != "zero-shot":
        yield f"Ours is {report.setting}, the published row zero-shot."
    partial = [f"{task} {cell.languages} of {cell.expected}" for task, cell in cells.items() if cell.partial]
    if partial:
        yield f"* languages scored: {', '.join(partial)}."
    dev = [task for task, cell in cells.items() if cell.split == "dev"]
    if dev:
        yield f"† scored on dev: {', '.join(dev)}."
    other = [f"{task} {cell.split} here and {row.split(task)} there" for task, cell in cells.items()
             if cell.split != row.split(task)]  # fmt: skip
    if other:
        yield f"No difference is taken between two splits: {', '.join(other)}."
    fewer = [f"{task} {len(c.values)} of {len(report.seeds)}" for task, c in cells.items()
             if len(c.values) < len(report.seeds)]  # fmt: skip
    if fewer:
        yield f"Fewer seeds: {', '.join(fewer)}."
    if "xnli" in cells:
        yield "English NLI training is MNLI as published, which XTREME tokenised."
    settings = list(_other_settings(report, model, tuple(cells), "jiant" if row.model == BEST else "xtreme"))
    if settings:
        yield f"Fine-tuned otherwise than {_CODE[row.model == BEST]}: {'; '.join(settings)}."


_CODE = {True: "Phang et al.'s code", False: "XTREME's scripts for XLM-R large"}


def _other_settings(report: Report, model: str, tasks: Sequence[str], preset: str) -> Iterator[str]:
    """What targets were fine-tuned with where it is not the published code's, equal settings once."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        published, place = TASKS[task].settings.get(preset), ("target", model, task)
        ours = next((run.settings for run in report.runs if run.done and (run.kind, run.model, run.task) == place), {})
        if published is not None and TASKS[task].form != "sentence":
            names = [name for name in ("lr", "epochs", "steps", "batch", "length") if name in ours]
            apart = [f"{name} {ours[name]:g}" for name in names if ours[name] != getattr(published, name, None)]
            if apart:
                found.setdefault(", ".join(apart), []).append(task)
    for settings, those in found.items():
        yield f"{' '.join(those)}: {settings}"
