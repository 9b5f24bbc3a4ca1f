"""Every arm minus the baseline on every task: the table of differences behind the heat map.

These are differences of the scores table's cells (a task's score, the mean over all its languages, English included),
paired by seed. They describe the study and test nothing: tested are the contrasts that the grid names, and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xtl.report.contrasts import Figure, with_seeds
from xtl.report.model import Report
from xtl.report.study import Cell, Line

BASELINE = "none"


@dataclass(frozen=True, kw_only=True)
class HeatCell:
    """figure: None where there is nothing to subtract, and `hole` says why. own: the arm trained this very task in a
    language other than English, so the score is not zero-shot throughout."""

    figure: Figure | None = None
    hole: str = ""
    own: bool = False


@dataclass(frozen=True, kw_only=True)
class HeatRow:
    model: str
    arm: str
    cells: Mapping[str, HeatCell]


def baseline(report: Report) -> str:
    """The arm that is subtracted: `none`, or the first where the grid has no such arm."""
    names = [arm.name for arm in report.arms]
    return BASELINE if BASELINE in names else names[0]


def heat(report: Report) -> tuple[HeatRow, ...]:
    """A row for every arm but the baseline, of every model."""
    base = baseline(report)
    lines = {(line.model, line.arm): line for line in report.table.lines}
    return tuple(
        HeatRow(
            model=model,
            arm=arm,
            cells={task: _cell(report, task, line, lines.get((model, base))) for task in report.tasks},
        )
        for (model, arm), line in lines.items()
        if arm != base
    )


def _cell(report: Report, task: str, line: Line, base: Line | None) -> HeatCell:
    one, other = line.cells.get(task), base.cells.get(task) if base else None
    hole = _hole(one, other, baseline(report))
    if hole or one is None or other is None:
        return HeatCell(hole=hole)
    by_seed = {seed: value - other.values[seed] for seed, value in one.values.items() if seed in other.values}
    return HeatCell(figure=with_seeds(by_seed, ()), own=bool(one.own))


def _hole(one: Cell | None, other: Cell | None, base: str) -> str:
    if one is None or other is None:
        return "no result yet" if one is None else f"no result yet of {base}"
    if not set(one.values) & set(other.values):
        return "no seed in common"
    if one.languages != other.languages or one.split != other.split:
        return f"not scored alike: {one.languages} languages on {one.split}, {other.languages} on {other.split}"
    return ""
