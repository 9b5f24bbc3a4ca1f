"""What is known of the micro-world by construction: the rule behind a label, what carries over, and what cannot."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from pathlib import Path
from random import Random

import pytest

from tests.microworlds import SMALL, Read, everything
from xtl import microworld
from xtl.microworld import Size, choices
from xtl.microworld.grammar import Language, text
from xtl.microworld.languages import LANGUAGES
from xtl.microworld.world import CITIES, GAINING, HAVING, LOSING, PROPERTIES, THINGS


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    made = tmp_path_factory.mktemp("microworld")
    microworld.write(made, size=SMALL)
    return everything(made)


def test_the_kind_of_deed_decides_what_follows(read: Read) -> None:
    """The rule that the docstring states, applied to the published rows of all languages."""
    for code, language in LANGUAGES.items():
        spelled = {
            sign: [text(language.verb(deed, False)) for deed in deeds] for sign, deeds in ((1, GAINING), (-1, LOSING))
        }
        has = text(language.verb(HAVING, False))
        for example in read["xnli"][code]["test"]:
            premise = f" {example['text_a']} "
            sign = next((s for s, verbs in spelled.items() if any(f" {verb} " in premise for verb in verbs)), 0)
            denied = _denies(language, has, example["text_b"])
            expected = ("neutral", "entailment", "contradiction")[sign * (-1 if denied else 1)]
            assert example["label"] == expected, example


def _denies(language: Language, has: str, hypothesis: str) -> bool:
    kept = f" {has} " in hypothesis
    refused = {"en": " no ", "de": " kein", "fr": " n'a ", "es": " no ", "ru": " не ", "sw": " hana "}[language.code]
    return refused in hypothesis or not kept


def test_the_null_arm_answers_by_chance(tmp_path: Path) -> None:
    """Its labels cannot depend on the text: they are the same when every question and choice is another."""
    assert "csqa@" + "+".join(sorted(set(LANGUAGES) - {"en"})) == microworld.NULL
    rows = choices.csqa(Random(1), 60, LANGUAGES["de"])
    others = choices.csqa(Random(2), 60, LANGUAGES["de"])
    keys = [row["answerKey"] for row in choices.by_chance(Random("x"), rows)]
    assert keys == [row["answerKey"] for row in choices.by_chance(Random("x"), others)]
    assert Counter(keys) == dict.fromkeys("ABCDE", 12)
    big = tmp_path / "big"
    choices.write(big, 1, Size(train=1200, dev=60))
    for code in set(LANGUAGES) - {"en"}:
        rows = _rows(big / f"translated/csqa/{code}/train_rand_split.jsonl")
        kept = [_is_of_the_sort_asked_for(row, LANGUAGES[code]) for row in rows]
        assert 0.15 < sum(kept) / len(kept) < 0.25, "right answers as often as by chance, one in five"
    english = _rows(big / "commonsense_qa/train_rand_split.jsonl")
    assert all(_is_of_the_sort_asked_for(row, LANGUAGES["en"]) for row in english)


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _is_of_the_sort_asked_for(row: dict, language: Language) -> bool:
    chosen = next(c["text"] for c in row["question"]["choices"] if c["label"] == row["answerKey"])
    names = {"who": language.people, "where": language.cities, "when": language.days}.get(
        row["question"]["question_concept"]
    )
    if names:
        return chosen in names.values()
    things = {text(language.thing(t, q, False)) for t, q in product(THINGS, PROPERTIES)}
    return chosen in things


def test_a_dictionary_line_names_one_concept_in_every_language(read: Read) -> None:
    assert "mlm@" + "+".join(sorted(LANGUAGES)) == microworld.CARRIES
    cities = {" ".join(language.cities[city] for language in LANGUAGES.values()) for city in CITIES}
    assert cities <= {example["text"] for code in read["mlm"] for example in read["mlm"][code]["train"]}
