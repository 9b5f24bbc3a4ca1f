"""SQuAD's JSON: articles, paragraphs, questions. XQuAD, MLQA and TyDiQA-GoldP are published in it too.

Offsets count Unicode code points, as Python strings do. Every answer is checked against its context: files with blanked
or shifted answers exist (XTREME's own download script makes the first, a hub's stripped contexts the second).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from xtl.tasks.base import Example
from xtl.tasks.formats.files import HALF_A_PAIR, Dropped, Source, document, encodable


def questions(source: Source) -> Iterator[Example]:
    """All questions of one file in file order. Raises DataError, which names file and question id."""
    whole = document(source)
    articles = _items(source, whole, "data", "the file")
    for a, article in enumerate(articles):
        for p, paragraph in enumerate(_items(source, article, "paragraphs", f"article {a}")):
            where = f"article {a}, paragraph {p}"
            asked = _items(source, paragraph, "qas", where)
            context = paragraph.get("context")
            if not isinstance(context, str):
                source.bad(where, "context is missing or not text")
            for q, question in enumerate(asked):
                yield _question(source, question, context, f"{where}, question {q}")


def read(sources: Sequence[Source], _: Dropped) -> Iterator[Example]:
    for source in sources:
        yield from questions(source)


def _items(source: Source, holder: Any, key: str, where: str) -> list[Any]:
    items = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(items, list):
        source.bad(where, f"{key} is missing or not a list")
    return items


def _question(source: Source, asked: Any, context: str, where: str) -> Example:
    if not isinstance(asked, dict):
        source.bad(where, "not a JSON object")
    key = asked.get("id")
    if isinstance(key, bool) or not isinstance(key, str | int | float):
        source.bad(where, "id is missing, or neither text nor a number")
    key = str(key)
    if not isinstance(asked.get("question"), str):
        source.bad(key, "question is missing or not text")
    if not encodable([key, asked["question"], context]):
        source.bad(key, HALF_A_PAIR)
    impossible = asked.get("is_impossible", False)
    if not isinstance(impossible, bool):
        source.bad(key, f"is_impossible is {impossible!r}, neither true nor false")
    answers = [] if impossible else [check(source, key, one, context) for one in _items(source, asked, "answers", key)]
    return {"id": key, "question": asked["question"], "context": context, "answers": answers}


def check(source: Source, key: str, answer: Any, context: str) -> dict[str, Any]:
    """One answer in canonical form, if it stands in the context where it says."""
    text = answer.get("text") if isinstance(answer, dict) else None
    start = answer.get("answer_start") if isinstance(answer, dict) else None
    if not isinstance(text, str) or type(start) is not int:
        source.bad(key, "an answer needs a text and an integer answer_start")
    if not text:
        source.bad(
            key, "an answer with empty text: XTREME's download script blanks test answers; get the published file"
        )
    if start < 0 or context[start : start + len(text)] != text:
        source.bad(key, f"the answer {text!r} is not at its answer_start {start}")
    return {"text": text, "start": start}
