"""Word pieces that are kept in the store: the same features, the same stage, and never worth a failure."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs import families, tokenised
from jobs.families.base import Family, Feature
from jobs.features import Features, write
from jobs.tiny import train_tokenizer
from jobs.tokenised import Listing
from tests import smallworld
from tests.jobs.test_stage import _not_stopping, key, result, run, store, study
from xtl.plan import Plan
from xtl.store import layout, open_store
from xtl.store.base import Store
from xtl.tasks import TASKS

__all__ = ["_not_stopping", "store", "study"]  # fixtures

TEXTS = smallworld.sentences("en")
TOKENIZER = train_tokenizer([*TEXTS, *smallworld.sentences("de")] * 2, vocab_size=200)
PAIRS = enumerate(smallworld.pairs("en"))
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "mnli": [{"id": str(n), "text_a": a, "text_b": b, "label": label} for n, (a, b, label) in PAIRS],
    "udpos": [{"id": str(n), "tokens": s.split(), "tags": ["NOUN"] * 5} for n, s in enumerate(TEXTS)],
    "squad_v2": [
        {"id": str(n), "question": "who ?", "context": s, "answers": [{"text": s[4:7], "start": 4}][: n % 2]}
        for n, s in enumerate(TEXTS)
    ],
    "csqa": [
        {"id": str(n), "context": "", "question": s, "choices": s.split(), "label": n % 5} for n, s in enumerate(TEXTS)
    ],
    "mlm": [{"id": str(n), "text": s} for n, s in enumerate(TEXTS)],
    "xnli": [{"id": "0", "text_a": "a", "text_b": "b", "label": None}],  # labels are hidden
}


def family(name: str, length: int = 9) -> Family:
    return families.make(TASKS[name], TOKENIZER, {"length": length, "question_length": 3})


def same(one: Feature, other: Feature) -> bool:
    assert one.extra.keys() == other.extra.keys()
    pairs = [(one.pieces, other.pieces), (one.labels, other.labels)]
    pairs += [(one.extra[name], other.extra[name]) for name in one.extra]
    assert (one.segments is None) == (other.segments is None)
    assert (one.example, one.units) == (other.example, other.units)
    return all((a is None) == (b is None) and np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", EXAMPLES)
def test_columns_give_back_every_feature(name: str, train: bool, tmp_path: Path) -> None:
    made = family(name).features(EXAMPLES[name], train=train and name != "xnli")
    write(made, tmp_path / "f.arrow")
    found = Features(tmp_path / "f.arrow")
    assert len(found) == len(made) > 0
    assert all(map(same, found, made))
    assert all(map(same, found[1:3], made[1:3]))
    assert same(found[-1], made[-1])
    with pytest.raises(IndexError):
        found[len(made)]


class Context:
    """What keeping takes from a stage's context."""

    def __init__(self, store: Store, work: Path) -> None:
        self.store, self.work = store, work
        self.download = store.download
        work.mkdir(exist_ok=True)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(tokenised, "LEAST", 10)
    return Context(open_store(str(tmp_path / "store")), tmp_path / "work")


def features(context: Any, made: Family, **other: Any) -> Any:
    examples = Listing(EXAMPLES["mnli"], "abc/en/train")
    options: dict[str, Any] = {"vocabulary": "v", "settings": {"length": 9}, "labels": None, "train": True, **other}
    return tokenised.features(context, made, options.pop("examples", examples), **options)


def unused(monkeypatch: pytest.MonkeyPatch, made: Family) -> Family:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("tokenised again")

    monkeypatch.setattr(made, "features", never)
    return made


def test_the_second_stage_maps_what_the_first_made(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = family("mnli", 6)
    made = features(context, first)
    assert first.cut > 0
    second = unused(monkeypatch, family("mnli", 6))
    found = features(context, second)
    assert second.cut == first.cut
    assert all(map(same, found, made))
    assert len(found) == len(EXAMPLES["mnli"])
    with pytest.raises(AssertionError, match="again"):
        features(context, second, settings={"length": 7})
    with pytest.raises(AssertionError, match="again"):
        features(context, second, vocabulary="w")
    with pytest.raises(AssertionError, match="again"):
        features(context, second, examples=Listing(EXAMPLES["mnli"], "abc/de/train"))
    features(context, second, settings={"length": 9, "lr": 1.0})  # which no word piece depends on


def test_few_examples_and_slices_are_not_kept(context: Any) -> None:
    features(context, family("mnli"), examples=Listing(EXAMPLES["mnli"][:9], "abc/en/train"))
    features(context, family("mnli"), examples=Listing(EXAMPLES["mnli"], "abc/en/train")[:12])
    assert not list(context.store.list(layout.TOKENS))


@pytest.mark.parametrize("ending", ["arrow", "json"])
def test_what_is_damaged_is_made_again(ending: str, context: Any, caplog: pytest.LogCaptureFixture) -> None:
    made = features(context, family("mnli"))
    name = next(entry.name for entry in context.store.list(layout.TOKENS) if entry.name.endswith(ending))
    context.store.put(name, b"{")
    with caplog.at_level(logging.WARNING):
        found = features(context, family("mnli"))
    assert "damaged, so they are made again" in caplog.text
    assert all(map(same, found, made))
    caplog.clear()
    features(context, family("mnli"))
    assert not caplog.records, "and kept again"


def test_a_store_that_takes_nothing_costs_a_line(context: Any, caplog: pytest.LogCaptureFixture) -> None:
    Path(context.store.url).write_text("no folder")
    with caplog.at_level(logging.WARNING):
        assert len(features(context, family("mnli"))) == len(EXAMPLES["mnli"])
    assert "could not be kept" in caplog.text


def test_a_stage_gives_the_same_bytes_from_what_is_kept(
    study: tuple[Plan, Path], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = key(study[0], "target xnli after mnli seed 1")
    assert run(store, key(study[0], "intermediate mnli seed 1")) == 0
    assert run(store, wanted) == 0
    expected = result(store, wanted)
    assert not list(store.list(layout.TOKENS))
    monkeypatch.setattr(tokenised, "LEAST", 10)
    for _ in "making", "mapping":
        store.delete(layout.manifest_name(wanted))
        assert run(store, wanted) == 0
        assert result(store, wanted) == expected
    # English training data and dev, and the test sets in two languages
    assert len([entry for entry in store.list(layout.TOKENS) if entry.name.endswith(".arrow")]) == 4


def test_stages_after_an_intermediate_map_what_stages_without_one_made(
    study: tuple[Plan, Path], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokenizer is the same, whichever stage saved it last."""
    monkeypatch.setattr(tokenised, "LEAST", 10)
    assert run(store, key(study[0], "target xnli after none seed 1")) == 0
    before = {entry.name for entry in store.list(layout.TOKENS)}
    assert run(store, key(study[0], "intermediate mnli seed 1")) == 0
    between = {entry.name for entry in store.list(layout.TOKENS)}
    assert run(store, key(study[0], "target xnli after mnli seed 1")) == 0
    assert {entry.name for entry in store.list(layout.TOKENS)} == between > before
