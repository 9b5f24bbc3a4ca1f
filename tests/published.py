"""Small published files, written where a test wants them, and the examples that xtl reads from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from xtl.tasks import get
from xtl.tasks.base import Example, Listing


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """A file of these very bytes: no line end is translated."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def find(folder: Path, task: str, language: str, split: str) -> Listing:
    """The listing, which must be there."""
    found = [one for one in get(task).listings(folder) if (one.language, one.split) == (language, split)]
    assert len(found) == 1, [(one.language, one.split) for one in get(task).listings(folder)]
    return found[0]


def read(folder: Path, task: str, language: str = "en", split: str = "train") -> list[Example]:
    return list(find(folder, task, language, split).read())


def squad(*questions: dict[str, Any], context: str) -> str:
    """SQuAD's JSON with one paragraph."""
    return json.dumps({"data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(questions)}]}]})


def question(key: str, start: int | None, text: str = "", **more: Any) -> dict[str, Any]:
    answers = [] if start is None else [{"answer_start": start, "text": text}]
    return {"id": key, "question": "Q?", "answers": answers, **more}
