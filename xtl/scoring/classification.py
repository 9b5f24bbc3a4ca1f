"""Accuracy: XNLI, PAWS-X, Tatoeba, and the intermediates that choose one of several.

Labels are compared as strings, as XTREME compares lines of files: `1` and `"1"` are equal, `01` is another answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def matches(gold: Sequence[object], predicted: Sequence[object]) -> list[bool]:
    """Right or wrong, an item each. Raises ValueError where the two differ in length."""
    return [str(right) == str(answer) for right, answer in zip(gold, predicted, strict=True)]


def accuracy(correct: Iterable[bool]) -> float:
    """The share of right answers in percent. Raises ValueError for no items."""
    outcomes = [bool(one) for one in correct]
    if not outcomes:
        raise ValueError("accuracy of no items")
    return sum(outcomes) / len(outcomes) * 100
