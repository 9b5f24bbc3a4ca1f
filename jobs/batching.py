"""Which examples make an optimiser step, and how a step is cut into micro-batches. Pure; no state to save.

Everything is a function of the seed and the step's number, so a resumed run needs no memory of what it has drawn. The
examples of a step are drawn uniformly at random; sorting by length happens only inside a step, where it cannot change
which examples are seen together. An item is what is drawn: one window, or all windows of an example that have to stay
together (choices).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from jobs.families.base import Feature
from jobs.features import Features

Item = list[Feature]


class Items(Sequence[Item]):
    """Features as items: one each, or with `together` one an example (neighbours with the same `example`).

    examples: (items,), each item's example.
    """

    def __init__(self, features: Sequence[Feature], *, together: bool) -> None:
        if isinstance(features, Features):
            examples = features.examples
        else:
            examples = np.array([feature.example for feature in features], dtype=np.int64)
        first = np.ones(len(examples), dtype=bool)
        if together:
            first[1:] = examples[1:] != examples[:-1]
        self._features, self._starts = features, np.flatnonzero(first)
        self.examples = examples[self._starts]

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> Item:  # type: ignore[override]
        end = self._starts[index + 1] if index + 1 < len(self) else len(self._features)
        return [self._features[place] for place in range(self._starts[index], end)]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Which part trains at each step, and which of its items.

    sizes: items of each part; batch: items a step; weights: the share of steps of each part (capped
    proportional sampling); steps: of all parts together.
    """

    sizes: tuple[int, ...]
    batch: int
    weights: tuple[int, ...]
    steps: int
    seed: int

    def parts(self) -> np.ndarray:
        """The part of each step, (steps,) int64: one task an optimiser step."""
        if len(self.sizes) == 1:
            return np.zeros(self.steps, dtype=np.int64)
        share = np.asarray(self.weights) / sum(self.weights)
        return np.random.default_rng([self.seed, 1]).choice(len(self.sizes), size=self.steps, p=share)

    def times(self, part: int) -> np.ndarray:
        """How often each item of a part is drawn in all the steps, (items,) int64."""
        size = self.sizes[part]
        epochs, more = divmod(int((self.parts() == part).sum()), steps_an_epoch(size, self.batch))
        found = np.full(size, epochs, dtype=np.int64)
        found[_order(self.seed, part, epochs, size)[: more * self.batch]] += 1
        return found

    def draw(self, part: int, turn: int) -> np.ndarray:
        """Positions of the items of a part's `turn`-th step: the next slice of this epoch's permutation; the last
        step of an epoch may be smaller."""
        epoch, place = divmod(turn, steps_an_epoch(self.sizes[part], self.batch))
        return _order(self.seed, part, epoch, self.sizes[part])[place * self.batch : (place + 1) * self.batch]


@lru_cache(
    maxsize=32
)  # as many as a mixture has tasks: permuting a million items at every step costs more than loading
def _order(seed: int, part: int, epoch: int, size: int) -> np.ndarray:
    """An epoch's permutation of a part's items."""
    order = np.random.default_rng([seed, 2, part, epoch]).permutation(size)
    order.setflags(write=False)
    return order


def steps_an_epoch(size: int, batch: int) -> int:
    return -(-size // batch)


def sample(size: int, cap: int | None, seed: int) -> np.ndarray:
    """Positions of a seeded sample of at most `cap`, in data order. Nested: a smaller cap's sample lies inside a larger
    one's of the same seed."""
    if cap is None or cap >= size:
        return np.arange(size)
    return np.sort(np.random.default_rng([seed, 3]).permutation(size)[:cap])


def micro_batches(batch: Sequence[Item], budget: int, *, packed: bool = False) -> list[list[Feature]]:
    """A step's features in micro-batches of at most `budget` word pieces, padding counted unless they run packed;
    longest first, so that what does not fit shows at once. An item larger than the budget has a micro-batch of its
    own."""
    cut: list[list[Feature]] = []
    current: list[Feature] = []
    width = total = 0
    for item in sorted(batch, key=lambda item: -max(map(len, item))):
        wide, own = max(width, max(map(len, item))), sum(map(len, item))
        size = total + own if packed else wide * (len(current) + len(item))
        if current and size > budget:
            cut.append(current)
            current, wide, total = [], max(map(len, item)), 0
        current = current + item
        width, total = wide, total + own
    return [*cut, current] if current else cut
