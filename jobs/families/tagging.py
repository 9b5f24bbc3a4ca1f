"""A tag for each word: parts of speech, names, supertags.

A word is read and labelled at its first piece; at its last where a model has not seen the rest at the first. Sentences
longer than `length` are split between words and their tags stitched, as XTREME does: every word gets exactly one
prediction. Two things follow XTREME's reading too: words are tokenised one by one (each as if a space stood before
it), and a word without any piece stands as `<unk>`. A single word longer than a whole input is cut, and counted.

With `train`, a tag outside the label set is an error; in evaluation it is a word that no prediction can get right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from jobs.families.base import Family, Feature, PreTrainedModel, Tensor, nn, torch
from jobs.families.heads import PieceHead, places
from jobs.families.tokens import Frame
from xtl.architectures import Reads
from xtl.errors import DataError

_UNKNOWN = -100  # torch's own mark for "no loss here"


class Tagging(Family):
    """labels: the tags, in the order of the head's outputs. settings: `length`.

    A feature's `labels` holds a number for each of its words, `extra["read"]` the place of the piece at which each
    word is read."""

    def __init__(
        self, key: str, tokenizer: Any, settings: Mapping[str, Any], *, labels: Sequence[str], reads: Reads = "first"
    ) -> None:
        self.key = key
        self.frame = Frame(tokenizer, int(settings["length"]), reads)
        self.labels = tuple(labels)
        self.cut = 0
        self._number = {label: number for number, label in enumerate(self.labels)}

    def head(self, encoder: PreTrainedModel) -> nn.Module:
        return PieceHead(encoder.config.hidden_size, len(self.labels))

    def features(self, examples: Sequence[dict[str, Any]], *, train: bool) -> list[Feature]:
        spaced = self.frame.encode(" " + word for word in chain.from_iterable(e["tokens"] for e in examples))
        ids = {text[1:]: found or [self.frame.blank] for text, found in spaced.items()}
        return [
            feature
            for place, example in enumerate(examples)
            for feature in self._windows(place, example["tokens"], self._gold(example, train), ids)
        ]

    def _gold(self, example: dict[str, Any], train: bool) -> list[int]:
        tags, words = example["tags"], example["tokens"]
        if len(tags) != len(words):
            raise DataError(self.key, f"sentence {example['id']}", f"{len(words)} words but {len(tags)} tags")
        gold = [self._number.get(tag, _UNKNOWN) for tag in tags]
        if train and _UNKNOWN in gold:
            tag = tags[gold.index(_UNKNOWN)]
            some = ", ".join(self.labels[:20]) + (" ..." if len(self.labels) > 20 else "")
            raise DataError(self.key, f"sentence {example['id']}", f"tag {tag!r} is none of {some}")
        return gold

    def _windows(
        self, place: int, words: Sequence[str], gold: Sequence[int], ids: Mapping[str, list[int]]
    ) -> Iterator[Feature]:
        """Consecutive words in windows, as many as fit in each."""
        room, start = self.frame.room_one, 0
        pieces: list[int] = []
        read: list[int] = []
        for index, word in enumerate(words):
            found = ids[word]
            if len(found) > room:
                self.cut += len(found) - room
                found = found[:room]
            if len(pieces) + len(found) > room:
                yield self._window(place, pieces, read, gold[start:index])
                pieces, read, start = [], [], index
            inside = 0 if self.frame.reads == "first" else len(found) - 1
            read.append(self.frame.before_first + len(pieces) + inside)
            pieces += found
        if read:
            yield self._window(place, pieces, read, gold[start:])

    def _window(self, place: int, pieces: list[int], read: list[int], gold: Sequence[int]) -> Feature:
        framed, segments = self.frame.one(pieces)
        units = len(gold) - gold.count(_UNKNOWN)
        return Feature(
            example=place,
            pieces=framed,
            segments=segments,
            labels=list(gold),
            units=float(units),
            extra={"read": read},
        )

    def tensors(self, batch: Sequence[Feature]) -> dict[str, np.ndarray]:
        """Of every word of the batch: the place at which it is read, and its tag."""
        return {
            "read": places(batch, [f.extra["read"] for f in batch]),
            "gold": np.concatenate([np.asarray(f.labels, dtype=np.int64) for f in batch]),
        }

    def loss(self, head: nn.Module, hidden: Tensor, given: Mapping[str, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(head(hidden[given["read"]]), given["gold"], reduction="sum")

    def outputs(
        self, head: nn.Module, hidden: Tensor, given: Mapping[str, Tensor], batch: Sequence[Feature]
    ) -> list[np.ndarray]:
        """The best tag's number of each word of each feature, (words,) int16; of equal ones, the first."""
        best = head(hidden[given["read"]]).argmax(-1).to(torch.int16).cpu().numpy()
        return np.split(best, np.cumsum([len(f.extra["read"]) for f in batch])[:-1])

    def decode(
        self, examples: Sequence[dict[str, Any]], features: Sequence[Feature], outputs: Sequence[np.ndarray]
    ) -> list[list[str]]:
        """A tag for each word of each example, windows stitched."""
        tags: list[list[str]] = [[] for _ in examples]
        for feature, best in zip(features, outputs, strict=True):
            tags[feature.example].extend(self.labels[number] for number in best)
        return tags
