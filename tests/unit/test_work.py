"""How many word pieces stages put through their encoders: inputs as families make them, and what is seen how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.grids import GRID, grid, inventory
from tests.tiny import tiny_tokenizer
from xtl.inventory import Inventory
from xtl.plan import Plan, build
from xtl.tasks import TASKS
from xtl.tasks.base import Example, Form
from xtl.tasks.formats.lengths import SAMPLE, WITHIN, sample, shape
from xtl.work import CHARACTERS, Work, inputs, works

SPAN = {"length": 64, "stride": 16, "question_length": 8, "answer_length": 30, "n_best": 20}
WORDS = "the old mill stands by the river and the river runs past the old mill " * 6


@cache
def tokenizer() -> Any:
    return tiny_tokenizer([WORDS])


def the_families_make(form: Form, example: Example, settings: Mapping[str, Any]) -> tuple[int, int]:
    """What the real thing makes of the example: inputs (an example's choices are one) and word pieces."""
    from jobs import families

    key = {"pair": "mnli", "choice": "csqa", "span": "squad_v1", "tagging": "panx", "text": "mlm"}[form]
    made = families.make(TASKS[key], tokenizer(), settings, labels=TASKS[key].labels).features([example], train=False)
    return (1 if form == "choice" else len(made)), sum(map(len, made))


@pytest.mark.parametrize(
    ("form", "example", "settings"),
    [
        ("pair", {"id": "1", "text_a": WORDS, "text_b": "the mill", "label": None}, {"length": 512}),
        ("pair", {"id": "1", "text_a": WORDS, "text_b": "the mill", "label": None}, {"length": 32}),
        (
            "choice",
            {"id": "1", "context": WORDS, "question": "the mill", "choices": ["the river", WORDS], "label": None},
            {"length": 128},
        ),
        ("span", {"id": "1", "question": WORDS, "context": WORDS, "answers": []}, SPAN),
        ("span", {"id": "1", "question": "the mill", "context": "the river", "answers": []}, SPAN),
        ("tagging", {"id": "1", "tokens": WORDS.split(), "tags": ["O"] * len(WORDS.split())}, {"length": 32}),
        ("text", {"id": "1", "text": WORDS}, {"length": 32}),
    ],
)
def test_inputs_are_counted_as_the_families_make_them(form: Form, example: Example, settings: dict[str, Any]) -> None:
    read = tokenizer()
    pieces = shape(example, form, lambda text: len(read(text, add_special_tokens=False)["input_ids"]))
    count, total = inputs(form, pieces, 1.0, settings)
    made, real = the_families_make(form, example, settings)
    assert count == made
    assert total == pytest.approx(real, rel=0.1)


def test_the_sample_is_seeded_and_reads_no_further_than_it_must() -> None:
    read: list[int] = []
    rows = ({"id": str(read.append(n) or n), "text": "x" * n} for n in range(10 * WITHIN))
    drawn = sample(rows)
    assert len(drawn) == SAMPLE
    assert len(read) == WITHIN
    assert drawn == sample({"id": str(n), "text": "x" * n} for n in range(WITHIN))
    mean = sum(len(one["text"]) for one in drawn) / SAMPLE
    assert mean == pytest.approx(WITHIN / 2, rel=0.2), "from all of it, not its beginning"


def counted(plan: Plan, have: Inventory, title: str, densities: Any = ()) -> Work:
    found = works(plan, have, dict(densities))
    return next(found[key] for key, stage in plan.stages.items() if stage.title == title)


def with_shapes(have: Inventory, length: int) -> Inventory:
    """Every example has texts that long, in characters."""
    units = {}
    for place, unit in have.units.items():
        form = TASKS[unit.task].form
        texts = [length] * {"pair": 2, "span": 2, "sentence": 1}[form]
        units[place] = replace(unit, shapes={listing: [texts, texts] for listing in unit.listings})
    return replace(have, units=units)


def test_training_is_what_epochs_see_and_evaluation_every_language_once(tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    have = inventory(of)
    plan = build(of, have)
    mnli = TASKS["mnli"].tokens
    assert counted(plan, have, "intermediate mnli seed 1") == Work(training=1000 * 2 * mnli, evaluating=100 * mnli)
    xnli = counted(plan, have, "target xnli after none seed 1")
    assert xnli.evaluating == 3 * 100 * TASKS["xnli"].tokens
    assert counted(plan, have, "fetch mnli") == Work()
    real = with_shapes(have, 43)
    assert counted(plan, real, "intermediate mnli seed 1").training == pytest.approx(
        1000 * 2 * (2 * 43 / CHARACTERS + 4)
    )


def test_a_tokenizer_at_hand_is_believed(tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    have = with_shapes(inventory(of), 43)
    plan = build(of, have)
    one, half = (
        counted(plan, have, "target xnli after none seed 1", {"tiny": {"en": density, "": density}}.items())
        for density in (1.0, 0.5)
    )
    assert one.training == 1000 * 2 * (86 + 4)
    assert half.training == 1000 * 2 * (43 + 4)


def test_steps_count_inputs_and_a_mixture_shares_them(tmp_path: Path) -> None:
    text = GRID.replace("intermediate: {default: {epochs: 2}}", "intermediate: {default: {steps: 10, batch: 8}}")
    of = grid(text, tmp_path)
    have = inventory(of)
    plan = build(of, have)
    assert counted(plan, have, "intermediate mnli seed 1").training == 10 * 8 * TASKS["mnli"].tokens
    mixed = counted(plan, have, "intermediate multi seed 1").training  # 1000 of squad_v2, 50 of xnli
    by_size = (1000 * TASKS["squad_v2"].tokens + 50 * TASKS["xnli"].tokens) / 1050
    assert mixed == pytest.approx(10 * 8 * by_size)


def test_both_sides_of_retrieval_are_read(tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    have = with_shapes(inventory(of), 43)
    plan = build(of, have)
    languages = len(TASKS["tatoeba"].languages)
    found = counted(plan, have, "target tatoeba after none", {"tiny": {"": 1.0}}.items())
    assert found == Work(evaluating=languages * 2 * 100 * 45)


def test_choosing_a_checkpoint_costs_looks_at_dev(tmp_path: Path) -> None:
    of = grid(GRID + "checkpoints: [last, english-dev, target-dev]\n", tmp_path)
    have = inventory(of)
    tests = 3 * 100 * TASKS["xnli"].tokens
    found = counted(build(of, have), have, "target xnli after none seed 1")
    english, dev, again = 2 * 100 * TASKS["xnli"].tokens + tests, 2 * tests, tests
    assert found.evaluating == tests + english + dev + again
