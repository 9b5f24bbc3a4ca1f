"""How much of the micro-world to write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Size:
    """Examples a language. `train` and the rest are multiples of 12, so that labels come out in equal numbers.

    sentences: tagging's train (a sentence teaches as many labels as it has words). passages: masked LM's lines.
    mined: pairs of a retrieval set; as many sentences again on each side have no translation (BUCC only).
    """

    train: int = 1200
    sentences: int = 480
    dev: int = 96
    test: int = 240
    passages: int = 1000
    mined: int = 120

    def of(self, split: str) -> int:
        return {"train": self.train, "dev": self.dev, "test": self.test}[split]


def shuffled(random: Random, items: Sequence[T]) -> list[T]:
    return random.sample(items, len(items))
