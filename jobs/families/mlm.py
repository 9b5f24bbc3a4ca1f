"""Masked language modelling on plain text, as co-training beside an intermediate task.

A passage is read whole: where it is longer than `length`, in several blocks of about equal size. Of each block 15 % of
the pieces (at least one) are to be guessed, drawn anew every step (`prepare`, from a generator that the trainer
seeds by step): of those, 80 % are replaced by the mask, 10 % by a random piece, 10 % left as they are (Devlin et al.
2019, section 3.1 and appendix A.1). The head is XLM-R's: a layer, GELU, LayerNorm, and a decoder that shares the
encoder's input embeddings. Its layer starts anew, since checkpoints of encoders come without it.

There is nothing to predict for a user: outputs are the loss and the share of masked pieces that are guessed right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from jobs.families.base import Family, Feature, PreTrainedModel, Tensor, nn, torch
from jobs.families.heads import linear, places
from jobs.families.tokens import Frame
from xtl.errors import ModelError

SHARE = 0.15
_MASK, _RANDOM = 0.8, 0.1


class MaskedHead(nn.Module):
    """XLM-R's masked-LM head. size: of what the encoder gives; `tied` is the encoder's embedding layer, held without
    owning it: it is the encoder that trains it and saves it."""

    def __init__(self, size: int, tied: nn.Module) -> None:
        super().__init__()
        self._tied = (tied,)  # in a tuple, so that it does not become a part of this module
        width = self.decoder.shape[1]  # RemBERT's embeddings are narrower than what it gives
        self.dense = linear(size, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(len(self.decoder)))

    @property
    def decoder(self) -> Tensor:
        """(vocabulary, width of the embeddings)."""
        return self._tied[0].weight  # type: ignore[return-value]

    def forward(self, vectors: Tensor) -> Tensor:
        """(n, size) to (n, vocabulary), float32."""
        inner = self.norm(nn.functional.gelu(self.dense(vectors.to(self.dense.weight.dtype))))
        return nn.functional.linear(inner, self.decoder, self.bias.to(inner.dtype)).float()


class MaskedLM(Family):
    """settings: `length`, and `mask`, the share of pieces to guess. After `prepare`, a feature's `labels` holds the
    hidden pieces and `extra["places"]` where they were; its units are their number."""

    def __init__(self, key: str, tokenizer: Any, settings: Mapping[str, Any]) -> None:
        self.key = key
        self.frame = Frame(tokenizer, int(settings["length"]))
        self.share = float(settings.get("mask", SHARE))
        self.cut = 0
        if tokenizer.mask_token_id is None:
            raise ModelError(f"{tokenizer.name_or_path}: its tokenizer has no mask, so masked LM cannot train on it")
        self.mask = int(tokenizer.mask_token_id)
        marks = set(tokenizer.all_special_ids)
        self.vocabulary = np.asarray([piece for piece in range(len(tokenizer)) if piece not in marks])

    def head(self, encoder: PreTrainedModel) -> nn.Module:
        return MaskedHead(encoder.config.hidden_size, encoder.get_input_embeddings())

    def features(self, examples: Sequence[dict[str, Any]], *, train: bool) -> list[Feature]:
        """Blocks of all passages, nothing masked yet; a passage without pieces gives none."""
        ids = self.frame.encode(e["text"] for e in examples)
        return [
            self._block(place, block)
            for place, example in enumerate(examples)
            for block in _blocks(ids[example["text"]], self.frame.room_one)
        ]

    def _block(self, place: int, block: list[int]) -> Feature:
        pieces, segments = self.frame.one(block)
        size = max(1, round(self.share * len(block)))
        return Feature(example=place, pieces=pieces, segments=segments, units=float(size), extra={"text": len(block)})

    def prepare(self, batch: Sequence[Feature], random: np.random.Generator) -> list[Feature]:
        return [self._masked(feature, random) for feature in batch]

    def _masked(self, feature: Feature, random: np.random.Generator) -> Feature:
        size = int(feature.units)
        places = self.frame.before_first + np.sort(random.choice(feature.extra["text"], size, replace=False))
        pieces = np.array(feature.pieces)  # a copy: the feature is drawn again
        hidden = pieces[places]
        kind = random.random(size)
        drawn = np.where(kind < _MASK + _RANDOM, random.choice(self.vocabulary, size), hidden)
        pieces[places] = np.where(kind < _MASK, self.mask, drawn)
        extra = {**feature.extra, "places": places.tolist()}
        return replace(feature, pieces=pieces.tolist(), labels=hidden.tolist(), extra=extra)

    def tensors(self, batch: Sequence[Feature]) -> dict[str, np.ndarray]:
        """The hidden pieces of the whole batch, and where they were."""
        if any(f.labels is None for f in batch):
            raise ValueError("masked LM: features have to go through prepare() first")
        return {
            "places": places(batch, [f.extra["places"] for f in batch]),
            "gold": np.concatenate([np.asarray(f.labels, dtype=np.int64) for f in batch]),
        }

    def loss(self, head: nn.Module, hidden: Tensor, given: Mapping[str, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(head(hidden[given["places"]]), given["gold"], reduction="sum")

    def outputs(
        self, head: nn.Module, hidden: Tensor, given: Mapping[str, Tensor], batch: Sequence[Feature]
    ) -> list[np.ndarray]:
        """Of each feature: summed loss, pieces guessed right, pieces masked, (3,) float64."""
        logits, gold = head(hidden[given["places"]]), given["gold"]
        losses = nn.functional.cross_entropy(logits, gold, reduction="none")
        figures = torch.stack([losses.double(), (logits.argmax(-1) == gold).double(), torch.ones_like(losses).double()])
        ends = np.cumsum([len(f.labels) for f in batch])
        return [part.sum(axis=1) for part in np.split(figures.cpu().numpy(), ends[:-1], axis=1)]

    def decode(
        self, examples: Sequence[dict[str, Any]], features: Sequence[Feature], outputs: Sequence[np.ndarray]
    ) -> list[dict[str, float]]:
        """Of each passage: mean loss and share of masked pieces guessed right, and their number."""
        sums = np.zeros((len(examples), 3))
        for feature, figures in zip(features, outputs, strict=True):
            sums[feature.example] += figures
        return [
            {"loss": loss / max(masked, 1), "accuracy": right / max(masked, 1), "masked": masked}
            for loss, right, masked in sums.tolist()
        ]


def _blocks(ids: list[int], room: int) -> list[list[int]]:
    """As few blocks as fit, of nearly equal size."""
    count = -(-len(ids) // room)
    edges = [len(ids) * number // count for number in range(count + 1)] if count else []
    return [ids[start:end] for start, end in pairwise(edges)]
