"""BUCC: pairs as sets, and the threshold chosen on dev as XTREME's script chooses it.

Mining (nearest neighbours, margins, greedy pairs) belongs to `jobs/families`; this module sees scored pairs of sentence
ids only. Tatoeba is plain accuracy: see `classification.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from xtl.scoring.counts import precision_recall_f1

Pair = tuple[str, ...]  # (source id, English id); a malformed line of a file keeps its own number of cells
Candidate = TypeVar("Candidate", bound=Pair)


def pair_counts(gold: Iterable[Pair], predicted: Iterable[Pair]) -> list[tuple[str, int, int, int]]:
    """(source id, correct, predicted, gold) a source sentence, over the *sets* of pairs: gold's order, then those
    only predicted."""
    golds, found = dict.fromkeys(gold), dict.fromkeys(predicted)
    counts: dict[str, list[int]] = {}
    for pair in (*golds, *found):
        counts.setdefault(pair[0], [0, 0, 0])
    for pair in golds:
        counts[pair[0]][0] += pair in found
        counts[pair[0]][2] += 1
    for pair in found:
        counts[pair[0]][1] += 1
    return [(source, correct, n_predicted, n_gold) for source, (correct, n_predicted, n_gold) in counts.items()]


def best_threshold(candidates: Mapping[Candidate, float], gold: Collection[Candidate]) -> float:
    """The score from which taking candidates gives the best F1 on dev; 0.0 if no candidate is right.

    Candidates are taken from the highest score down (ties in their order); the first cut with the best F1 counts, and
    the threshold is half way to the next score. XTREME's script fails where the best cut is the last candidate: here
    that candidate's own score is the threshold.
    """
    golds = set(gold)
    ranked = sorted(candidates.items(), key=lambda item: -item[1])
    best, threshold, correct = 0.0, 0.0, 0
    for taken, (pair, score) in enumerate(ranked, start=1):
        correct += pair in golds
        # In percent through precision and recall, as the script has it: equal cuts then round alike.
        f1 = precision_recall_f1(correct, taken, len(golds))["f1"]
        if f1 > best:
            following = ranked[taken][1] if taken < len(ranked) else score
            best, threshold = f1, (score + following) / 2
    return threshold


def extract(candidates: Mapping[Candidate, float], threshold: float) -> list[Candidate]:
    """The candidates that score at least `threshold`, in their order."""
    return [pair for pair, score in candidates.items() if score >= threshold]
