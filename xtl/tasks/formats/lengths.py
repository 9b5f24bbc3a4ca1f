"""How long a listing's examples are, from a seeded sample: for estimates of hours, never for keys or scores.

A shape is what a task family makes inputs of, text by text: of a pair its two texts, of tagging all words (each with
the space before it), of a span the question and the context, of a choice what all choices share and then each choice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import islice

from xtl.tasks.base import Example, Form

#: Of the first examples alone, so that a large file is not parsed to its end.
WITHIN, SAMPLE = 4096, 128
Shape = list[int]


def sample(examples: Iterable[Example]) -> list[Example]:
    """At most SAMPLE of the first WITHIN examples, drawn by a fixed seed."""
    drawn = random.Random(0)
    kept: list[Example] = []
    for index, example in enumerate(islice(examples, WITHIN)):
        if len(kept) < SAMPLE:
            kept.append(example)
        elif (place := drawn.randrange(index + 1)) < SAMPLE:
            kept[place] = example
    return kept


def shape(example: Example, form: Form, measure: Callable[[str], int] = len) -> Shape:
    """The example's texts in what `measure` counts; [] for gold pairs, which no encoder reads."""
    if form == "pair":
        return [measure(text) for text in (example["text_a"], example.get("text_b")) if text is not None]
    if form == "tagging":
        return [sum(measure(" " + word) for word in example["tokens"])]
    if form == "span":
        return [measure(example["question"]), measure(example["context"])]
    if form == "choice":
        shared = f"{example['context']} {example['question']}".strip()
        return [measure(shared), *(measure(choice) for choice in example["choices"])]
    return [] if form == "gold" else [measure(example["text"])]


class Mean:
    """The mean shape of examples, one at a time; of choices, those that there are."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._sums: list[list[int]] = []

    def add(self, example: Example) -> None:
        for place, count in enumerate(shape(example, self._form)):
            if place == len(self._sums):
                self._sums.append([0, 0])
            self._sums[place][0] += count
            self._sums[place][1] += 1

    def texts(self) -> Shape:
        return [round(total / count) for total, count in self._sums]
