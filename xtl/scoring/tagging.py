"""Span counts of tagging, by the rules of seqeval 0.0.12, which XTREME's evaluator uses for PAN-X and for UD-POS.

seqeval reads a tag's first letter as a chunk prefix (B I E S O and `.` are special) and what follows its last hyphen as
the type. On the unprefixed tags of UD-POS that means: runs of equal tags are one span, but SYM and SCONJ begin with
`S`, so each such token is a span of its own, and INTJ begins with `I`. Later seqeval versions give other figures.

All sentences of a file are one sequence, with `O` after each sentence, and spans are compared by their place in it:
where a predicted sentence is longer or shorter than the gold one, everything after it is shifted. That is XTREME's
behaviour; who reads files warns about it. A span belongs to the sentence it ends in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

Span = tuple[str, int, int]  # type, first and last position in the whole sequence
Sentences = Sequence[Sequence[str]]


@lru_cache(maxsize=1 << 16)
def _boundary(before: str | None, tag: str) -> tuple[str | None, bool]:
    """The type of the span that ends before `tag` (None: none does), and whether one starts with it. `before` is None
    at the very start."""
    last, kind = (before[0], _type(before)) if before is not None else ("O", "")
    first, changed = tag[0], kind != _type(tag)
    ends = last in "ES" or (last in "BI" and first in "BSO") or (changed and last not in "O.")
    starts = first in "BS" or (last in "ESO" and first in "EI") or (changed and first not in "O.")
    return kind if ends else None, starts


def _type(tag: str) -> str:
    return tag.rpartition("-")[2]


def spans(sentences: Sentences) -> Iterator[tuple[Span, int]]:
    """Every span and the number of the sentence it ends in. Tags are not empty strings."""
    before: str | None = None
    begin = position = 0
    for number, sentence in enumerate(sentences):
        for tag in (*sentence, "O"):
            ended, starts = _boundary(before, tag)
            if ended is not None:
                yield (ended, begin, position - 1), number
            if starts:
                begin = position
            before = tag
            position += 1


def span_counts(gold: Sentences, predicted: Sentences) -> list[tuple[int, int, int]]:
    """(correct, predicted, gold) spans, a sentence each; their sums are the file's. Raises ValueError where the number
    of sentences differs."""
    if len(gold) != len(predicted):
        raise ValueError(f"{len(predicted)} predicted sentences for {len(gold)} gold ones")
    counts = [[0, 0, 0] for _ in gold]
    found: set[Span] = set()
    for span, number in spans(predicted):
        found.add(span)
        counts[number][1] += 1
    for span, number in spans(gold):
        counts[number][0] += span in found
        counts[number][2] += 1
    return [(correct, n_predicted, n_gold) for correct, n_predicted, n_gold in counts]


def token_counts(gold: Sentences, predicted: Sentences) -> list[tuple[int, int, int]]:
    """(correct, predicted, gold) tokens, a sentence each: CCG supertags are reported as token accuracy. Raises
    ValueError where a length differs."""
    counts = []
    for right, tags in zip(gold, predicted, strict=True):
        counts.append((sum(a == b for a, b in zip(right, tags, strict=True)), len(tags), len(right)))
    return counts
