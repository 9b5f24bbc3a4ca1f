"""Every arm minus the baseline on every task: the table of differences behind the heat map.

A cell is what a contrast of the two arms over that task would come down to: the mean over the languages that both have
at every common seed, but English and what is not zero-shot, paired by seed. The difference over all their languages
stands beneath it. Neither is tested: tested are the contrasts that the grid names, and no others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xtl.report.differences import Figure, with_seeds
from xtl.report.model import Report
from xtl.report.study import Cell, Line
from xtl.scoring.counts import mean

BASELINE = "none"


@dataclass(frozen=True, kw_only=True)
class HeatCell:
    """figure: None where there is nothing to compare, and `hole` says why. whole: the difference of the scores as the
    table of scores has them, over all languages that both have; None where that is no other. own: whether that holds
    languages in which an intermediate trained the task itself. lacking: how many languages are not there in both, at
    every seed."""

    figure: Figure | None = None
    whole: Figure | None = None
    hole: str = ""
    own: bool = False
    lacking: int = 0


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
    if one is None or other is None:
        return HeatCell(hole="no result yet" if one is None else f"no result yet of {baseline(report)}")
    if one.split != other.split:
        return HeatCell(hole=f"not scored alike: one on {one.split}, the other on {other.split}")
    seeds = [seed for seed in one.scores if seed in other.scores]
    if not seeds:
        return HeatCell(hole="no seed in common")
    scores = [cell.scores[seed] for seed in seeds for cell in (one, other)]
    anywhere = dict.fromkeys(language for there in scores for language in there)
    common = tuple(language for language in anywhere if all(language in there for there in scores))
    if not common:
        return HeatCell(hole="no language in common", lacking=len(anywhere))
    own = _own(one, other, report.setting)
    compared = tuple(language for language in common if language != "en" and language not in own)
    return HeatCell(
        figure=_figure(one, other, seeds, compared) if compared else None,
        whole=_figure(one, other, seeds, common) if compared != common else None,
        hole="" if compared else "every language is English or the task's own",
        own=bool(own & set(common)),
        lacking=len(anywhere) - len(common),
    )


def _own(one: Cell, other: Cell, setting: str) -> set[str]:
    """As a contrast has it: under translate-train, what the target was trained in under both arms alike is compared."""
    arm, against = set(one.own), set(other.own)
    return arm | against if setting == "zero-shot" else arm ^ against


def _figure(one: Cell, other: Cell, seeds: Sequence[int], languages: tuple[str, ...]) -> Figure:
    arm, against = ({seed: mean(cell.scores[seed][x] for x in languages) for seed in seeds} for cell in (one, other))
    return with_seeds({seed: arm[seed] - against[seed] for seed in seeds}, languages)
