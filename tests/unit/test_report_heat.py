"""The heat map's cells: languages that both runs of every seed have, English and what is not zero-shot apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.reports import SEVERAL, report, score
from xtl.report.heat import HeatCell, heat
from xtl.report.model import Report
from xtl.report.study import Cell
from xtl.scoring.xtreme import targets

SEEDS = (1, 2)
LANGUAGES = tuple(language for language in targets()["xnli"].languages if language != "en")


@pytest.fixture(scope="module")
def found() -> Report:
    return report(seeds=SEEDS, tasks=("xnli",), contrasts=(), holes=frozenset(), items=False)


def cell(found: Report, arm: str, cells: Mapping[str, Cell], setting: str = "zero-shot") -> HeatCell:
    """The cell of an arm where some arms' cells are replaced."""
    lines = tuple(replace(line, cells={"xnli": cells.get(line.arm, line.cells["xnli"])}) for line in found.table.lines)
    other = replace(found, table=replace(found.table, lines=lines), setting=setting)
    return next(row.cells["xnli"] for row in heat(other) if row.arm == arm)


def of(found: Report, arm: str) -> Cell:
    return next(line.cells["xnli"] for line in found.table.lines if line.arm == arm)


def test_only_languages_that_both_have_at_every_seed_are_compared(found: Report) -> None:
    """One run lacks Swahili: the difference of its mean from one with Swahili would be one of languages, too."""
    whole = of(found, "mnli")
    part = replace(whole, scores={**whole.scores, 2: {x: v for x, v in whole.scores[2].items() if x != "sw"}})
    left = [language for language in LANGUAGES if language != "sw"]
    expected = sum(score("mnli", s, "xnli", x) - score("none", s, "xnli", x) for s in SEEDS for x in left)
    shown = cell(found, "mnli", {"mnli": part})
    assert shown.figure is not None
    assert shown.figure.languages == tuple(left)
    assert shown.figure.value == pytest.approx(expected / len(left) / len(SEEDS))
    assert shown.whole is not None
    assert set(shown.whole.languages) == {"en", *left}
    assert (shown.lacking, cell(found, "mnli", {}).lacking) == (1, 0)


def test_what_is_not_zero_shot_is_in_the_whole_alone(found: Report) -> None:
    shown = cell(found, SEVERAL, {})
    assert shown.figure is not None
    assert set(shown.figure.languages) == set(LANGUAGES) - {"de", "ru", "sw"}
    assert shown.whole is not None
    assert set(shown.whole.languages) == {"en", *LANGUAGES}
    assert (shown.own, cell(found, "mnli", {}).own) == (True, False)


def test_what_the_baseline_alone_trained_is_left_out_too(found: Report) -> None:
    base = replace(of(found, "none"), own=("fr",))
    shown = cell(found, "mnli", {"none": base})
    assert shown.figure is not None
    assert set(shown.figure.languages) == set(LANGUAGES) - {"fr"}


def test_under_translate_train_what_both_were_trained_in_is_compared(found: Report) -> None:
    both = {arm: replace(of(found, arm), own=("de", "fr")) for arm in ("none", "mnli")}
    shown = cell(found, "mnli", both, "translate-train")
    assert shown.figure is not None
    assert set(shown.figure.languages) == set(LANGUAGES)
    shown = cell(found, "mnli", both)
    assert shown.figure is not None
    assert set(shown.figure.languages) == set(LANGUAGES) - {"de", "fr"}


@pytest.mark.parametrize(
    ("languages", "split", "why"),
    [
        (("en",), "test", "every language is English or the task's own"),
        ((), "test", "no language in common"),
        (LANGUAGES, "dev", "not scored alike: one on dev, the other on test"),
    ],
)
def test_where_nothing_can_be_compared_it_says_why(
    found: Report, languages: tuple[str, ...], split: str, why: str
) -> None:
    whole = of(found, "mnli")
    part = replace(whole, split=split, scores={s: {x: v[x] for x in languages} for s, v in whole.scores.items()})
    shown = cell(found, "mnli", {"mnli": part})
    assert (shown.figure, shown.hole) == (None, why)
    assert (shown.whole is not None) == (languages == ("en",))
