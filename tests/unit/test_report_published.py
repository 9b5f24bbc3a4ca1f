"""Ours beside the published figures: which arm answers which row, what the differences are, and what is warned of."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from tests import samples
from tests.reports import ARMS, MODEL, SEVERAL, report
from xtl.errors import UserError
from xtl.report.model import Report
from xtl.report.published import ROWS, rows, table
from xtl.scoring.xtreme import targets

TASKS = ("xnli", "xquad", "bucc2018", "tatoeba")


@pytest.fixture(scope="module")
def found() -> Report:
    return report(seeds=(1, 2, 3), tasks=TASKS, contrasts=(), holes=frozenset())


def ours(found: list[dict[str, Any]], after: str) -> dict[str, Any]:
    """The row of ours that follows a published one."""
    at = next(at for at, one in enumerate(found) if one["model"] == after)
    assert found[at + 1]["ours"]
    return found[at + 1]


def test_the_baseline_answers_the_model_as_it_is(found: Report) -> None:
    one = ours(rows(found, "phang2020"), "XLM-R large")
    (line,) = (line for line in found.table.lines if line.arm == "none")
    value, qa = line.cells["xnli"].value, line.cells["xquad"].metrics
    assert one["cells"]["xnli"] == f"{value:.1f} ({value - 79.2:+.1f})"
    em, f1 = qa["exact_match"], qa["f1"]
    assert one["cells"]["xquad"] == f"{em:.1f}/{f1:.1f} ({em - 60.8:+.1f}/{f1 - 76.6:+.1f})"
    assert one["cells"]["tatoeba"].endswith(f"({line.cells['tatoeba'].value - 31.0:+.1f})")
    assert "No difference is taken between two splits: bucc2018 test here and dev there." in one["caution"]
    assert "English NLI training is MNLI as published" in one["caution"]
    assert one["cells"]["bucc2018"] == f"{line.cells['bucc2018'].value:.1f} (-)", "theirs is a figure on dev"
    assert one["source"] == "this study, mean over 3 seeds"


def test_a_figure_on_dev_is_marked_and_set_beside_ours_on_dev_alone(found: Report) -> None:
    published = next(one for one in rows(found) if one["model"] == "XLM-R large")
    assert published["cells"]["bucc2018"] == "71.5†"
    assert published["caution"] == "† published on dev: bucc2018."
    (line,) = (line for line in found.table.lines if line.arm == "none")
    on_dev = replace(line, cells={**line.cells, "bucc2018": replace(line.cells["bucc2018"], split="dev")})
    lines = tuple(on_dev if one is line else one for one in found.table.lines)
    one = ours(rows(replace(found, table=replace(found.table, lines=lines))), "XLM-R large")
    value = line.cells["bucc2018"].value
    assert one["cells"]["bucc2018"] == f"{value:.1f}† ({value - 71.5:+.1f})"
    assert "between two splits" not in one["caution"]


def test_the_best_english_arm_of_each_target_answers_stilts_and_is_called_optimistic(found: Report) -> None:
    one = ours(rows(found), "X-STILTs")
    english = [line for line in found.table.lines if line.arm in ("mnli", "mnli-null")]
    for task in ("xnli", "xquad"):
        best = max(english, key=lambda line: line.cells[task].value)
        assert f"{task} {best.arm}" in one["caution"]
    assert "chosen on the very scores that are shown, so optimistic" in one["caution"]
    assert SEVERAL not in one["caution"], "an intermediate in other languages is no English one"
    assert one["cells"]["tatoeba"] == "-", "no figure of theirs to set it beside"


def test_every_row_names_its_source_and_what_is_not_published_is_a_dash(found: Report) -> None:
    published = [one for one in rows(found) if not one["ours"]]
    assert [one["model"] for one in published] == ["mBERT", "XLM-R large", "X-STILTs", "RemBERT"]
    assert all(one["source"].startswith("Chung et al. 2021 (RemBERT), tables 7 and 16") for one in published)
    assert published[0]["cells"] == {"xnli": "65.4", "xquad": "-/64.5", "bucc2018": "-", "tatoeba": "-"}
    shown = table(found, "phang2020")
    assert shown.head == ("task", "XLM-R large", "ours, no intermediate", "X-STILTs", "ours, best English arm")
    assert [row[0] for row in shown.rows] == list(TASKS)


@pytest.mark.parametrize(
    ("model", "answered"),
    [
        (MODEL, {"XLM-R large", "X-STILTs"}),
        ("google-bert/bert-base-multilingual-cased", {"mBERT"}),
        ("tiny", {"XLM-R large", "X-STILTs"}),
    ],
)
def test_another_model_is_set_beside_its_own_row_or_warned_of(model: str, answered: set[str]) -> None:
    one = report(seeds=(1,), tasks=("xnli",), contrasts=(), models=(model,), holes=frozenset())
    found = rows(one)
    assert {found[at - 1]["model"] for at, row in enumerate(found) if row["ours"]} == answered
    warned = [f"The model differs: ours is {model}" in row["caution"] for row in found if row["ours"]]
    assert warned == [model == "tiny"] * len(answered)


def test_what_differs_in_the_settings_is_a_caution(found: Report) -> None:
    said = ours(rows(found), "X-STILTs")["caution"]
    assert "Fine-tuned otherwise than Phang et al.'s code: xquad: batch 32, length 256" in said
    said = ours(rows(found), "XLM-R large")["caution"]
    assert "Fine-tuned otherwise than XTREME's scripts for XLM-R large: xnli xquad: lr 1e-05" in said
    other = replace(found, setting="translate-train")
    assert "Ours is translate-train, the published row zero-shot." in ours(rows(other), "X-STILTs")["caution"]


def test_part_of_the_languages_or_seeds_is_told() -> None:
    one = report(seeds=(1, 2), tasks=("xnli",), contrasts=(), holes=frozenset({("none", 2, "xnli")}))
    assert "Fewer seeds: xnli 1 of 2." in ours(rows(one), "XLM-R large")["caution"]
    line = next(line for line in one.table.lines if line.arm == "none")
    cell = line.cells["xnli"]
    three = {seed: dict(list(scores.items())[:3]) for seed, scores in cell.scores.items()}
    part = replace(cell, scores=three, split="dev")
    lines = tuple(replace(x, cells={"xnli": part}) if x is line else x for x in one.table.lines)
    told = ours(rows(replace(one, table=replace(one.table, lines=lines))), "XLM-R large")
    assert "* languages scored: xnli 3 of 15." in told["caution"]
    assert "† scored on dev: xnli." in told["caution"]
    assert "*†" in told["cells"]["xnli"]


def test_without_an_arm_that_answers_the_published_row_stands_alone() -> None:
    arms = tuple(arm for arm in ARMS if arm["name"] == SEVERAL)
    one = report(seeds=(1,), tasks=("xnli",), arms=arms, contrasts=(), holes=frozenset())
    assert not any(row["ours"] for row in rows(one))


def test_an_unknown_study_is_refused_with_those_there_are(found: Report) -> None:
    with pytest.raises(UserError, match="no published study 'phang' is known; there are: phang2020"):
        rows(found, "phang")


def test_the_published_figures_are_those_of_the_facts() -> None:
    """Against the table in the folder beside the checkout, where it is."""
    path = samples.DATA.parent / "FACTS.md"
    if not path.is_file():
        pytest.skip(f"no facts at {path}")
    lines = [line.split("|")[1:-1] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    facts = {line[0].strip().split(" (")[0]: [cell.strip() for cell in line[1:]] for line in lines if len(line) == 8}
    for row in ROWS:
        for task, cell in zip([key for key in targets() if key not in TASKS[2:]], facts[row.model], strict=True):
            value = row.scores.get(task)
            theirs = [float(figure) for figure in re.findall(r"\d+\.\d", cell)]
            mine = [figure for figure in (value if isinstance(value, tuple) else (value,)) if figure is not None]
            assert mine == theirs, (row.model, task)
