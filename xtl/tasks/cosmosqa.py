"""Cosmos QA: what a narrative leaves unsaid, four answers. Train and dev are CSV, test is JSON lines without labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Example, Listing, Task
from xtl.tasks.formats.files import Dropped, Source, csv_rows, jsonl
from xtl.tasks.formats.listing import english_and_translated, listing

_FILES = {"train": "train.csv", "dev": "valid.csv", "test": "test.jsonl"}
_ANSWERS = ("answer0", "answer1", "answer2", "answer3")
_NEEDED = ("id", "context", "question", *_ANSWERS)


def _choices(sources: Sequence[Source], _: Dropped) -> Iterator[Example]:
    source = sources[0]
    table = source.name.endswith(".csv")
    for row in csv_rows(source, _NEEDED, label="label") if table else jsonl(source, label="label"):
        yield {
            "id": row.id("id"),
            "context": row.text("context"),
            "question": row.text("question"),
            "choices": [row.text(answer) for answer in _ANSWERS],
            "label": row.position("label", len(_ANSWERS)),
        }


def _within(folder: Path, language: str, bases: Sequence[str]) -> list[Listing]:
    found: list[Listing] = []
    for split, name in _FILES.items():
        found += listing(folder, language, split, "choice", [f"{bases[0]}/{name}"], _choices)
    return found


def _listings(folder: Path) -> list[Listing]:
    return english_and_translated(folder, "cosmosqa", ["cosmos_qa"], _within)


TASK = Task(
    key="cosmosqa",
    title="Cosmos QA",
    form="choice",
    languages=("en",),
    train_languages=("en",),
    listings=_listings,
    layout={
        "train": "cosmos_qa/train.csv",
        "dev": "cosmos_qa/valid.csv",
        "test": "cosmos_qa/test.jsonl",
    },
    settings=presets.for_intermediate(),
    train_sizes={"en": 25_262},
    dev_sizes={"en": 2_985},
    test_sizes={"en": 6_963},
)
