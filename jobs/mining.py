"""Mining of sentence pairs by margin (Artetxe and Schwenk 2019, section 3), greedily, as XTREME's script does.

Pure: vectors in, pairs of indices out. What a pair's sentences are called, and from which score on pairs are kept, is
the caller's business.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from jobs.neighbours import Check, Neighbours, both_ways


def mine(
    src: NDArray[Any], tgt: NDArray[Any], *, k: int = 4, device: torch.device | str = "cpu", check: Check = lambda: None
) -> list[tuple[int, int, float]]:
    """Pairs (src index, tgt index, score) by falling score, each sentence in one pair at most.

    The score is the ratio margin: the cosine over the mean of the two sentences' mean cosine to their k nearest. Every
    sentence of either side proposes the best-scored of its k nearest; proposals are taken greedily from the best, as
    XTREME does. Pairs without a positive score are left out.
    """
    if not len(src) or not len(tgt):
        return []
    forward, backward = both_ways(src, tgt, k, device=device, check=check)
    here, there = forward.cosines.mean(axis=1), backward.cosines.mean(axis=1)
    src_choice, src_score = _proposals(forward, here, there)
    tgt_choice, tgt_score = _proposals(backward, there, here)
    i = np.concatenate([np.arange(len(src)), tgt_choice])
    j = np.concatenate([src_choice, np.arange(len(tgt))])
    return _greedy(i, j, np.concatenate([src_score, tgt_score]))


def _proposals(
    found: Neighbours, own: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    with np.errstate(divide="ignore", invalid="ignore"):  # vectors of zeros: dropped with the scores below zero
        scores = found.cosines / ((own[:, None] + other[found.indices]) / 2)
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    best = scores.argmax(axis=1)
    rows = np.arange(len(scores))
    return found.indices[rows, best], scores[rows, best]


def _greedy(i: NDArray[np.int64], j: NDArray[np.int64], scores: NDArray[np.float64]) -> list[tuple[int, int, float]]:
    order = np.lexsort((j, i, -scores))
    order = order[scores[order] > 0]
    seen_i, seen_j, pairs = set(), set(), []
    for a, b, score in zip(i[order].tolist(), j[order].tolist(), scores[order].tolist(), strict=True):
        if a not in seen_i and b not in seen_j:
            seen_i.add(a)
            seen_j.add(b)
            pairs.append((a, b, score))
    return pairs
