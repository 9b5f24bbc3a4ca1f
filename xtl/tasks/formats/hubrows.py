"""Rows of hub sets to canonical examples: one function a shape that hub sets have.

Class labels arrive as words; where a set has lost its label names they are integers, and stand for the words in order.
Unlabelled is None, -1 or an empty string. Hub sets made with `context.strip()` and the published offsets (TyDiQA, XQuAD
and MLQA are) have answers that stand some characters further left: the shift is undone if exactly one shift makes all
of a question's answers fit, else the row is an error, as a shifted answer in a published file is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from xtl.tasks.base import Example
from xtl.tasks.formats.files import Dropped, Row

Read = Callable[[Iterable[Row], Dropped], Iterator[Example]]
_UNLABELLED = (None, -1, "")
_MOST_STRIPPED = 64  # white-space characters at a context's start


def pairs(
    text_a: str, text_b: str, label: str, words: Mapping[str, str], *, id: str | None = None, drop: bool = False
) -> Read:
    """Sentence pairs. words: the hub's label words, in the order of their integers, to canonical ones. drop: leave out
    what is unlabelled (else its label is None). id: the column with the published id, if there is one."""

    def read(rows: Iterable[Row], dropped: Dropped) -> Iterator[Example]:
        for row in rows:
            value = row.cells[label]
            if value in _UNLABELLED and drop:
                dropped["unlabelled"] += 1
                continue
            yield {
                "id": row.id(id) if id else str(row.index),
                "text_a": row.text(text_a),
                "text_b": row.text(text_b),
                "label": None if value in _UNLABELLED else _word(row, label, value, words),
            }

    return read


def tagging(tokens: str, tags: str, labels: Sequence[str]) -> Read:
    """Sentences of tokens with tags."""
    words = {label: label for label in labels}

    def read(rows: Iterable[Row], _: Dropped) -> Iterator[Example]:
        for row in rows:
            if len(row.cells[tokens]) != len(row.cells[tags]):
                row.bad(f"{len(row.cells[tokens])} tokens and {len(row.cells[tags])} tags")
            found = [_word(row, tags, tag, words) for tag in row.cells[tags]]
            yield {"id": str(row.index), "tokens": list(row.cells[tokens]), "tags": found}

    return read


def spans(rows: Iterable[Row], _: Dropped) -> Iterator[Example]:
    """SQuAD's columns: `id context question answers`."""
    for row in rows:
        context = row.text("context")
        answers = _answers(row, row.cells["answers"], context)
        yield {"id": row.id("id"), "question": row.text("question"), "context": context, "answers": answers}


def sentences(column: str) -> Read:
    """One side of parallel sentences, stripped; the id is the row's index."""

    def read(rows: Iterable[Row], _: Dropped) -> Iterator[Example]:
        return ({"id": str(row.index), "text": row.text(column).strip()} for row in rows)

    return read


def labelled(rows: Iterable[Row], label: str) -> Iterator[Row]:
    """Rows as a published file has them: without the label's key where a row is unlabelled."""
    for row in rows:
        if row.cells[label] in _UNLABELLED:
            yield replace(row, cells={name: cell for name, cell in row.cells.items() if name != label})
        else:
            yield row


def _word(row: Row, name: str, value: Any, words: Mapping[str, str]) -> str:
    if type(value) is int and 0 <= value < len(words):
        return list(words.values())[value]
    if value not in words:
        row.bad(f"{name} is {value!r}, not one of: {' '.join(words)}")
    return words[value]


def _answers(row: Row, answers: Any, context: str) -> list[dict[str, Any]]:
    """`Sequence` of a dict loads as a dict of lists, a list of dicts as itself."""
    if isinstance(answers, Mapping):
        pairs = list(zip(answers["text"], answers["answer_start"], strict=True))
    else:
        pairs = [(one["text"], one["answer_start"]) for one in answers]
    if not all(text for text, _ in pairs):
        row.bad(f"question {row.cells['id']}: an answer with empty text")

    def fits(shift: int) -> bool:
        return all(start >= shift and context.startswith(text, start - shift) for text, start in pairs)

    if fits(0):
        return [{"text": text, "start": int(start)} for text, start in pairs]
    shifts = [shift for shift in range(1, _MOST_STRIPPED + 1) if fits(shift)]
    if len(shifts) != 1:
        row.bad(f"question {row.cells['id']}: its answers are not at their answer_start: {pairs!r}")
    return [{"text": text, "start": int(start) - shifts[0]} for text, start in pairs]
