"""seqeval 0.0.12's spans: against rules written out for well-formed tags, and its oddities as written cases."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtl.scoring.tagging import span_counts, spans, token_counts

UPOS = ["ADJ", "ADP", "AUX", "CCONJ", "INTJ", "NOUN", "NUM", "PRON", "PUNCT", "SCONJ", "SYM", "VERB", "X", "_"]
IOB = ["O", *(f"{prefix}-{kind}" for prefix in "BI" for kind in ("PER", "ORG", "LOC"))]


def sentences(tags: list[str]) -> st.SearchStrategy[list[list[str]]]:
    # Few tags at a time make long runs, where spans are interesting.
    few = st.lists(st.sampled_from(tags), min_size=1, max_size=3)
    return few.flatmap(lambda some: st.lists(st.lists(st.sampled_from(some), max_size=8), max_size=6))


def pos_spans(tags: list[str]) -> set[tuple[str, int, int]]:
    """FACTS' rule: runs of equal tags are one span, SYM and SCONJ one a token."""
    found, at = set(), 0
    for tag, run in groupby(tags):
        length = len(list(run))
        cuts = range(at, at + length) if tag in ("SYM", "SCONJ") else [at]
        found |= {(tag, cut, cut if tag in ("SYM", "SCONJ") else at + length - 1) for cut in cuts}
        at += length
    return found


def iob_spans(tags: list[str]) -> set[tuple[str, int, int]]:
    """A span starts at B, and at I after O or after another type; it ends before the next start or O."""
    found = set()
    for begin, tag in enumerate(tags):
        before = tags[begin - 1] if begin else "O"
        if tag == "O" or (tag[0] == "I" and before != "O" and before[2:] == tag[2:]):
            continue
        end = begin
        while end + 1 < len(tags) and tags[end + 1] == f"I-{tag[2:]}":
            end += 1
        found.add((tag[2:], begin, end))
    return found


def by_sentence(tagged: list[list[str]]) -> list[set[tuple[str, int, int]]]:
    found: list[set[tuple[str, int, int]]] = [set() for _ in tagged]
    starts = [sum(len(sentence) + 1 for sentence in tagged[:number]) for number in range(len(tagged))]
    for (kind, begin, end), number in spans(tagged):
        found[number].add((kind, begin - starts[number], end - starts[number]))
    return found


@settings(deadline=None)
@given(sentences(UPOS))
def test_part_of_speech_spans(tagged: list[list[str]]) -> None:
    assert by_sentence(tagged) == [pos_spans(sentence) for sentence in tagged]


@settings(deadline=None)
@given(sentences(IOB))
def test_name_spans(tagged: list[list[str]]) -> None:
    assert by_sentence(tagged) == [iob_spans(sentence) for sentence in tagged]


@settings(deadline=None)
@given(st.data())
def test_counts_a_sentence(data: st.DataObject) -> None:
    gold = data.draw(sentences(IOB))
    predicted = [[data.draw(st.sampled_from(IOB)) for _ in sentence] for sentence in gold]
    expected = [
        (len(iob_spans(right) & iob_spans(tags)), len(iob_spans(tags)), len(iob_spans(right)))
        for right, tags in zip(gold, predicted, strict=True)
    ]
    assert span_counts(gold, predicted) == expected
    assert [(c, p, g) for c, p, g in span_counts(gold, gold)] == [(g, g, g) for _, _, g in expected]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["E-PER", "I-PER"], [("PER", 0, 0), ("PER", 1, 1)]),
        (["S-PER", "E-PER"], [("PER", 0, 0), ("PER", 1, 1)]),
        (["B-PER", "E-PER", "O"], [("PER", 0, 1)]),
        (["B-A-PER", "I-PER"], [("PER", 0, 1)]),  # the type is what follows the last hyphen
        (["ORG", "ORG"], []),  # begins with O: outside
        (["B-PER", ".", "I-PER"], [("PER", 0, 0), ("PER", 2, 2)]),
        ([".", "NOUN"], [("NOUN", 1, 1)]),
        (["INTJ", "INTJ", "SYM", "INTJ"], [("INTJ", 0, 1), ("SYM", 2, 2), ("INTJ", 3, 3)]),
    ],
)
def test_odd_tags(tags: list[str], expected: list[tuple[str, int, int]]) -> None:
    assert [span for span, _ in spans([tags])] == expected


def test_a_sentence_out_of_step_shifts_what_follows() -> None:
    gold = [["NOUN", "VERB"], ["NOUN"]]
    assert span_counts(gold, [["NOUN"], ["NOUN"]]) == [(1, 1, 2), (0, 1, 1)]
    with pytest.raises(ValueError, match="1 predicted sentences for 2"):
        span_counts(gold, [["NOUN", "VERB"]])


def test_supertags_count_tokens() -> None:
    assert token_counts([["N/N", "N"], ["NP"]], [["N/N", "NP"], ["NP"]]) == [(1, 2, 2), (1, 1, 1)]
    with pytest.raises(ValueError, match="zip"):
        token_counts([["N"]], [["N", "N"]])
