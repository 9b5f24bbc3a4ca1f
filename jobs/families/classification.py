"""Sentence pairs, or single sentences, to a label: NLI and paraphrases.

The head is RoBERTa's: the first piece's vector, dropout, a tanh layer, dropout, a projection. A pair too long for
`length` is cut longest first, as both published settings do, and what is cut is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jobs.families.base import Family, Feature, PreTrainedModel, Tensor, nn
from jobs.families.heads import SentenceHead, summaries
from jobs.families.tokens import Frame, longest_first
from xtl.architectures import Reads
from xtl.errors import DataError


class Classification(Family):
    """labels: the label words, in the order of the head's outputs. settings: `length`."""

    def __init__(
        self, key: str, tokenizer: Any, settings: Mapping[str, Any], *, labels: Sequence[str], reads: Reads = "first"
    ) -> None:
        self.key = key
        self.frame = Frame(tokenizer, int(settings["length"]), reads)
        self.labels = tuple(labels)
        self.cut = 0
        self._number = {label: number for number, label in enumerate(self.labels)}

    def head(self, encoder: PreTrainedModel) -> nn.Module:
        return SentenceHead(encoder.config.hidden_size, len(self.labels))

    def features(self, examples: Sequence[dict[str, Any]], *, train: bool) -> list[Feature]:
        texts = (text for e in examples for text in (e["text_a"], e.get("text_b")) if text is not None)
        ids = self.frame.encode(texts)
        return [self._feature(place, example, ids, train) for place, example in enumerate(examples)]

    def _feature(self, place: int, example: dict[str, Any], ids: dict[str, list[int]], train: bool) -> Feature:
        label = self._label(example)
        if label is None and train:
            raise DataError(self.key, f"example {example['id']}", "no label, so nothing can be learned from it")
        pieces, segments = self._framed(ids[example["text_a"]], example.get("text_b"), ids)
        return Feature(example=place, pieces=pieces, segments=segments, labels=label, units=float(label is not None))

    def _framed(self, a: list[int], text_b: str | None, ids: dict[str, list[int]]) -> tuple[list[int], Any]:
        if text_b is None:
            self.cut += max(0, len(a) - self.frame.room_one)
            return self.frame.one(a[: self.frame.room_one])
        b = ids[text_b]
        keep_a, keep_b = longest_first(len(a), len(b), self.frame.room_two)
        self.cut += len(a) - keep_a + len(b) - keep_b
        return self.frame.two(a[:keep_a], b[:keep_b])

    def _label(self, example: dict[str, Any]) -> int | None:
        label = example.get("label")
        if label is not None and label not in self._number:
            words = ", ".join(self.labels)
            raise DataError(self.key, f"example {example['id']}", f"label {label!r} is none of {words}")
        return None if label is None else self._number[label]

    def tensors(self, batch: Sequence[Feature]) -> dict[str, np.ndarray]:
        return {
            "read": summaries(batch, self.frame.reads),
            "gold": np.array([-100 if f.labels is None else f.labels for f in batch]),
        }

    def loss(self, head: nn.Module, hidden: Tensor, given: Mapping[str, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(head(hidden[given["read"]]), given["gold"], reduction="sum")

    def outputs(
        self, head: nn.Module, hidden: Tensor, given: Mapping[str, Tensor], batch: Sequence[Feature]
    ) -> list[np.ndarray]:
        """Each feature's logits, (labels,) float32."""
        return list(head(hidden[given["read"]]).cpu().numpy())

    def decode(
        self, examples: Sequence[dict[str, Any]], features: Sequence[Feature], outputs: Sequence[np.ndarray]
    ) -> list[str]:
        """A label word an example; of equal logits, the first label's."""
        return [self.labels[int(logits.argmax())] for logits in outputs]
