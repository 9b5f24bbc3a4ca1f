"""A BUCC corpus as XTREME mines it: two monolingual listings in, scored pairs of sentence ids out, view by view.

Equal texts are one candidate; since no one can tell which of their ids is meant, a pair with a text that occurs twice
is dropped after mining (its gold pair, if there is one, is lost).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from jobs.mining import mine
from jobs.pooling import View
from xtl.scoring.items import aggregate, headline, score_items
from xtl.scoring.retrieval import best_threshold, extract

Listing = Sequence[Mapping[str, Any]]
Pair = tuple[str, ...]
Scored = dict[Pair, float]
Encode = Callable[[Sequence[str], Sequence[View]], NDArray[np.float32]]


def mined(
    foreign: Listing,
    english: Listing,
    views: Sequence[View],
    encode: Encode,
    *,
    k: int,
    device: torch.device | str = "cpu",
    check: Callable[[], None] = lambda: None,
) -> list[Scored]:
    """Pairs (foreign id, English id) and their margin scores in each of the views, by falling score.

    encode: texts and views to vectors (views, texts, size). k: neighbours of the margin.
    """
    (texts_x, ids_x), (texts_y, ids_y) = candidates(foreign), candidates(english)
    found: list[Scored] = []
    for x, y in zip(encode(texts_x, views), encode(texts_y, views), strict=True):
        named = ((ids_x[i], ids_y[j], score) for i, j, score in mine(x, y, k=k, device=device, check=check))
        found.append({(a, b): score for a, b, score in named if a is not None and b is not None})
    return found


def candidates(listing: Listing) -> tuple[list[str], list[str | None]]:
    """The distinct texts, and the id of each; None where another sentence has the same text but for outer white
    space."""
    times = Counter(sentence["text"].strip() for sentence in listing)
    first: dict[str, str] = {}
    for sentence in listing:
        first.setdefault(sentence["text"], sentence["id"])
    return list(first), [name if times[text.strip()] == 1 else None for text, name in first.items()]


class DevSweep:
    """What a dev set says of every view: its candidates, the threshold with the best F1, and that F1 in percent."""

    def __init__(self, language: str, gold: Listing, candidates: list[Scored]) -> None:
        self.candidates = candidates
        pairs = [(pair["source"], pair["target"]) for pair in gold]
        self.thresholds = [best_threshold(scored, pairs) for scored in candidates]
        self.f1: list[float] = []
        for scored, threshold in zip(candidates, self.thresholds, strict=True):
            items = score_items("bucc2018", language, gold, extract(scored, threshold))
            self.f1.append(headline(aggregate("bucc2018", items)))
