"""Tatoeba and BUCC: sentence vectors, nearest neighbours and mined pairs, and what they score. Nothing is trained.

The headline is at a layer fixed beforehand (FACTS: 14 of 24, 8 of 12), since scores hang on the layer more than on
most intermediates. Beside it stands the whole sweep over layers and one chosen layer: on BUCC the one that is best on
dev; on Tatoeba, which has no dev set, the best on test, an upper bound and marked so ("oracle"). Of models that are
read at the end of an input, the sweep is made twice: over means of all pieces, as the headline, and over last pieces.

BUCC's test corpora are a hundred times its dev set, so the sweep is made on dev, and test is encoded at the fixed and
the chosen layer alone. The threshold is always dev's. A language is left out (`missing` says why) where a side is not
there; where no language has a test set, dev itself is scored and `split` says so.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from jobs import bitext
from jobs import stop as signals
from jobs.neighbours import nearest
from jobs.pooling import Autocast, View, encode
from xtl.architectures import Reads
from xtl.errors import UserError
from xtl.scoring.counts import mean
from xtl.scoring.items import aggregate, headline, score_items
from xtl.scoring.retrieval import extract
from xtl.settings import layer_for

Listing = Sequence[Mapping[str, Any]]
Splits = Mapping[str, Listing]  # "test.de", "test.en", "test.gold", "dev.de", ...
Metrics = dict[str, dict[str, float]]  # language -> METRIC -> percent


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Scores at the layer that does best. rule "dev": chosen on dev, scored on test. "oracle": chosen where it is
    scored, an upper bound and never a headline."""

    layer: int
    rule: Literal["dev", "oracle"]
    scores: Metrics


@dataclass(frozen=True, kw_only=True)
class RetrievalResult:
    """predictions, items, scores: at the fixed `layer`, on `split`. sweep: the headline metric by language, a figure a
    layer, 0 being the embeddings (on BUCC: on dev); sweep_last and chosen_last: the same of last pieces,
    where those are asked. threshold: BUCC's, by language. sizes: sentences (Tatoeba) or gold pairs (BUCC). missing: why
    a language is not scored. cut: word pieces dropped by the length limit."""

    predictions: dict[str, list[Any]]
    items: list[dict[str, Any]]
    scores: Metrics
    sweep: dict[str, list[float]]
    sweep_last: dict[str, list[float]]
    layer: int
    chosen: Chosen
    chosen_last: Chosen | None
    split: Literal["test", "dev"]
    threshold: dict[str, float]
    sizes: dict[str, int]
    missing: dict[str, str]
    cut: int


def evaluate_retrieval(
    task_key: str,
    data: Mapping[str, Splits],
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: Mapping[str, Any],
    *,
    reads: Reads = "first",
    device: torch.device | str = "cpu",
    autocast: Autocast = contextlib.nullcontext,
    progress: Callable[[dict[str, Any]], None] = lambda figures: None,
    stop: Callable[[], None] = signals.check,
) -> RetrievalResult:
    """Score `tatoeba` or `bucc2018` in every language of `data` that has what it takes.

    settings: length, micro_tokens, layer (a number, or "published" for the fixed one of the encoder's depth), and for
    BUCC neighbours. progress gets step and steps (sentences) and tokens_per_second. stop is called between batches and
    tiles and may raise. Raises UserError where no language can be scored, or for a layer that the encoder has not.
    """
    layer = _fixed_layer(encoder, settings.get("layer", "published"))
    poolings: tuple[Literal["mean", "last"], ...] = ("mean", "last") if reads == "last" else ("mean",)
    reader = _Reader(
        encoder=encoder,
        tokenizer=tokenizer,
        settings=settings,
        device=torch.device(device),
        autocast=autocast,
        progress=progress,
        stop=stop,
        reads=reads,
        views=[View(i, how) for how in poolings for i in range(encoder.config.num_hidden_layers + 1)],
    )
    return (_tatoeba if task_key == "tatoeba" else _bucc)(reader, data, layer)


def _fixed_layer(encoder: PreTrainedModel, wanted: Any) -> int:
    depth = encoder.config.num_hidden_layers
    layer = layer_for(depth) if wanted in (None, "published") else int(wanted)
    if not 0 <= layer <= depth:
        raise UserError(f"layer {layer}: this encoder has hidden states 0 to {depth}; set `layer` to one of them")
    return layer


@dataclass(kw_only=True)
class _Reader:
    """The encoder and what all calls of it share; counts what it does."""

    encoder: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    settings: Mapping[str, Any]
    device: torch.device
    autocast: Autocast
    progress: Callable[[dict[str, Any]], None]
    stop: Callable[[], None]
    reads: Reads
    views: Sequence[View]  # the means of all layers first: the place of a layer's mean is the layer's number
    total: int = 0  # sentences to come
    cut: int = 0
    done: int = 0
    pieces: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def layers(self) -> int:
        """Hidden states, the embeddings included."""
        return int(self.encoder.config.num_hidden_layers) + 1

    def encode(self, texts: Sequence[str], views: Sequence[View]) -> NDArray[np.float32]:
        found = encode(
            self.encoder,
            self.tokenizer,
            texts,
            length=int(self.settings["length"]),
            micro_tokens=int(self.settings["micro_tokens"]),
            device=self.device,
            views=views,
            reads=self.reads,
            autocast=self.autocast,
            stop=self.stop,
            progress=self._tell,
        )
        self.cut += found.cut
        return found.vectors

    def _tell(self, sentences: int, pieces: int) -> None:
        self.done += sentences
        self.pieces += pieces
        speed = round(self.pieces / max(time.monotonic() - self.began, 1e-9))
        self.progress({"step": self.done, "steps": max(self.total, self.done), "tokens_per_second": speed})


def _complete(data: Mapping[str, Splits], need: Callable[[str], list[str]]) -> tuple[list[str], dict[str, str]]:
    """Languages whose listings are all there and hold something, and what the others lack."""
    lacks = {language: [name for name in need(language) if not data[language].get(name)] for language in data}
    missing = {language: f"no {', '.join(names)}" for language, names in lacks.items() if names}
    return [language for language in data if language not in missing], missing


def _best(sweep: Mapping[str, Sequence[float]], reader: _Reader) -> tuple[int, int | None]:
    """The places of the views with the best mean over languages, the first of equals: among means of pieces, and among
    last pieces, where those are asked."""
    means = [mean(scores) for scores in zip(*sweep.values(), strict=True)]
    last = means[reader.layers :]
    return int(np.argmax(means[: reader.layers])), reader.layers + int(np.argmax(last)) if last else None


# ------------------------------------------------------------------------------------------------------- Tatoeba


def _tatoeba(reader: _Reader, data: Mapping[str, Splits], layer: int) -> RetrievalResult:
    languages, missing = _complete(data, lambda language: [f"test.{language}", "test.en"])
    if not languages:
        what = "; ".join(f"{x}: {why}" for x, why in missing.items()) or "no language has any data"
        raise UserError(f"tatoeba: nothing to score ({what})")
    reader.total = sum(len(data[x][name]) for x in languages for name in (f"test.{x}", "test.en"))
    predictions: dict[str, list[Any]] = {}
    items: dict[str, list[dict[str, Any]]] = {}
    sweep: dict[str, list[float]] = {}
    for x in languages:
        english, foreign = data[x]["test.en"], data[x][f"test.{x}"]
        vectors = reader.encode([e["text"] for side in (english, foreign) for e in side], reader.views)
        by_view = [nearest(at[: len(english)], at[len(english) :], device=reader.device).tolist() for at in vectors]
        rows = [score_items("tatoeba", x, english, found) for found in by_view]
        sweep[x] = [headline(aggregate("tatoeba", one)) for one in rows]
        predictions[x], items[x] = by_view[layer], rows[layer]
    best, best_last = _best(sweep, reader)

    def chosen(place: int) -> Chosen:
        scores = {x: {"accuracy": sweep[x][place]} for x in languages}
        return Chosen(layer=reader.views[place].layer, rule="oracle", scores=scores)

    return RetrievalResult(
        predictions=predictions,
        items=[row for rows in items.values() for row in rows],
        scores={x: aggregate("tatoeba", rows) for x, rows in items.items()},
        sweep={x: scores[: reader.layers] for x, scores in sweep.items()},
        sweep_last={x: scores[reader.layers :] for x, scores in sweep.items() if reader.reads == "last"},
        layer=layer,
        chosen=chosen(best),
        chosen_last=chosen(best_last) if best_last is not None else None,
        split="test",
        threshold={},
        sizes={x: len(data[x]["test.en"]) for x in languages},
        missing=missing,
        cut=reader.cut,
    )


# ---------------------------------------------------------------------------------------------------------- BUCC


def _bucc(reader: _Reader, data: Mapping[str, Splits], layer: int) -> RetrievalResult:
    split, languages, missing = _bucc_split(data)
    sides = {split, "dev"}
    reader.total = sum(len(data[x][f"{s}.{side}"]) for x in languages for s in sides for side in (x, "en"))
    k = int(reader.settings.get("neighbours", 4))

    def mined(split: str, language: str, views: Sequence[View]) -> list[bitext.Scored]:
        listings = (data[language][f"{split}.{language}"], data[language][f"{split}.en"])
        return bitext.mined(*listings, views, reader.encode, k=k, device=reader.device, check=reader.stop)

    on_dev = {x: bitext.DevSweep(x, data[x]["dev.gold"], mined("dev", x, reader.views)) for x in languages}
    best, best_last = _best({x: dev.f1 for x, dev in on_dev.items()}, reader)
    found: dict[str, dict[int, list[bitext.Pair]]] = {}
    for x, dev in on_dev.items():
        at = sorted({layer, best, *(() if best_last is None else (best_last,))})
        candidates = (
            mined("test", x, [reader.views[i] for i in at]) if split == "test" else [dev.candidates[i] for i in at]
        )
        found[x] = {i: extract(pairs, dev.thresholds[i]) for i, pairs in zip(at, candidates, strict=True)}
    golds = {x: data[x][f"{split}.gold"] for x in languages}
    rows = {x: score_items("bucc2018", x, golds[x], pairs[layer]) for x, pairs in found.items()}
    rule: Literal["dev", "oracle"] = "dev" if split == "test" else "oracle"

    def chosen(place: int) -> Chosen:
        scored = {x: score_items("bucc2018", x, golds[x], pairs[place]) for x, pairs in found.items()}
        scores = {x: aggregate("bucc2018", one) for x, one in scored.items()}
        return Chosen(layer=reader.views[place].layer, rule=rule, scores=scores)

    return RetrievalResult(
        predictions={x: list(pairs[layer]) for x, pairs in found.items()},
        items=[row for one in rows.values() for row in one],
        scores={x: aggregate("bucc2018", one) for x, one in rows.items()},
        sweep={x: dev.f1[: reader.layers] for x, dev in on_dev.items()},
        sweep_last={x: dev.f1[reader.layers :] for x, dev in on_dev.items() if reader.reads == "last"},
        layer=layer,
        chosen=chosen(best),
        chosen_last=chosen(best_last) if best_last is not None else None,
        split=split,
        threshold={x: dev.thresholds[layer] for x, dev in on_dev.items()},
        sizes={x: len(gold) for x, gold in golds.items()},
        missing=missing,
        cut=reader.cut,
    )


def _bucc_split(data: Mapping[str, Splits]) -> tuple[Literal["test", "dev"], list[str], dict[str, str]]:
    """What is scored, in which languages, and what the others lack."""

    def sides(language: str, *splits: str) -> list[str]:
        return [f"{split}.{side}" for split in splits for side in (language, "en", "gold")]

    languages, missing = _complete(data, lambda x: sides(x, "test", "dev"))
    if languages:
        return "test", languages, missing
    languages, missing = _complete(data, lambda x: sides(x, "dev"))
    if not languages:
        what = "; ".join(f"{x}: {why}" for x, why in missing.items()) or "no language has any data"
        raise UserError(f"bucc2018: nothing to score ({what}); the mining threshold is chosen on the dev set")
    return "dev", languages, missing
