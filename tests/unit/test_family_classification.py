"""Sentence pairs: what is read, cut, labelled and decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jobs.families.classification import Classification
from tests.tiny import Run, assert_cut_changes_nothing, tiny_encoder, tiny_tokenizer
from xtl.errors import DataError

LABELS = ("entailment", "neutral", "contradiction")
EXAMPLES: list[dict[str, Any]] = [
    {"id": "a", "text_a": "The cat sleeps on the mat.", "text_b": "The cat is awake.", "label": "contradiction"},
    {"id": "b", "text_a": "Die Katze schläft.", "text_b": "Sie träumt.", "label": "neutral"},
    {"id": "c", "text_a": "猫在睡觉。", "text_b": "猫睡了。", "label": "entailment"},
    {"id": "d", "text_a": "The cat sleeps.", "text_b": "", "label": None},
]
TOKENIZER = tiny_tokenizer((e[k] for e in EXAMPLES for k in ("text_a", "text_b")), 200)


def family(length: int = 64) -> Classification:
    return Classification("mnli", TOKENIZER, {"length": length}, labels=LABELS)


def test_a_pair_is_read_as_the_model_reads_pairs() -> None:
    made = family()
    features = made.features(EXAMPLES, train=False)
    for feature, example in zip(features[:3], EXAMPLES[:3], strict=True):
        assert feature.pieces == TOKENIZER(example["text_a"], example["text_b"])["input_ids"]
        assert feature.segments is None
    assert [f.example for f in features] == [0, 1, 2, 3]
    assert [f.labels for f in features] == [2, 1, 0, None]
    assert [f.units for f in features] == [1, 1, 1, 0]
    assert features[3].pieces == [*TOKENIZER("The cat sleeps.")["input_ids"], 2, 2]  # an empty second text is one
    assert made.cut == 0


def test_single_sentences_have_no_second_part() -> None:
    for single in ({"text_b": None}, {}):
        [feature] = family().features(
            [{"id": "1", "text_a": "The cat sleeps.", "label": "neutral", **single}], train=True
        )
        assert feature.pieces == TOKENIZER("The cat sleeps.")["input_ids"]


def test_what_is_too_long_is_cut_longest_first_and_counted() -> None:
    long, short = "cat " * 50, "The cat."
    made = family(length=20)
    examples = [{"id": "1", "text_a": long, "text_b": short, "label": "neutral"}]
    [feature] = made.features(examples, train=True)
    a, b = (TOKENIZER(text, add_special_tokens=False)["input_ids"] for text in (long, short))
    assert feature.pieces == [0, *a[: 16 - len(b)], 2, 2, *b, 2]
    assert made.cut == len(a) + len(b) - 16
    expected = TOKENIZER(long, short, truncation="longest_first", max_length=20)["input_ids"]
    assert feature.pieces == expected


def test_a_single_sentence_too_long_is_counted() -> None:
    made = family(length=20)
    [feature] = made.features([{"id": "1", "text_a": "cat " * 50, "label": None}], train=False)
    assert (len(feature), made.cut) == (20, 32)


def test_nothing_is_learned_without_a_label() -> None:
    with pytest.raises(DataError, match="mnli:example d: no label"):
        family().features(EXAMPLES, train=True)


def test_an_unknown_label_is_named() -> None:
    with pytest.raises(DataError, match="example a: label 'maybe' is none of entailment, neutral, contradiction"):
        family().features([{**EXAMPLES[0], "label": "maybe"}], train=False)


def test_decoding_gives_label_words_and_the_first_of_equals() -> None:
    logits = [np.array(row, dtype=np.float32) for row in ([0, 1, 2], [3, 1, 2], [1, 1, 0], [0, 2, 2])]
    assert family().decode(EXAMPLES, family().features(EXAMPLES, train=False), logits) == [
        "contradiction",
        "entailment",
        "entailment",
        "neutral",
    ]


def test_a_cut_batch_has_the_same_loss() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    features = run.family.features(EXAMPLES, train=False)
    assert_cut_changes_nothing(run, features, [features[2:], features[:2]])


def test_an_unlabelled_example_adds_no_loss() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    features = run.family.features(EXAMPLES, train=False)
    assert run.loss(features[3:]).item() == 0
    assert run.loss(features).item() == pytest.approx(run.loss(features[:3]).item(), rel=1e-5)


def test_predictions_do_not_hang_on_batches() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    assert run.decode(EXAMPLES, budget=1) == run.decode(EXAMPLES, budget=4096)
    assert set(run.decode(EXAMPLES)) <= set(LABELS)
