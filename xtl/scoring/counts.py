"""Precision, recall and F1 from three counts, and means whose order does not matter.

Every metric of this package is a ratio of counts over items, or a mean over items. Means use `math.fsum`, correctly
rounded, so that neither the order of languages nor Python's version changes the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable


def precision_recall_f1(correct: int, predicted: int, gold: int) -> dict[str, float]:
    """Micro precision, recall and F1 in percent; all 0 where nothing is correct (as seqeval and BUCC have it)."""
    if not correct:
        return {"f1": 0.0, "precision": 0.0, "recall": 0.0}
    precision, recall = correct / predicted, correct / gold
    return {
        "f1": 2 * precision * recall / (precision + recall) * 100,
        "precision": precision * 100,
        "recall": recall * 100,
    }


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean. Raises ValueError for no values."""
    numbers = list(values)
    if not numbers:
        raise ValueError("the mean of nothing")
    return math.fsum(numbers) / len(numbers)
