"""Cosmos QA: what a narrative leaves unsaid, four answers. Train and dev are CSV, test is JSON lines without labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Example, HubSet, Listing, Task
from xtl.tasks.formats import hubrows
from xtl.tasks.formats.csvfile import csv_rows
from xtl.tasks.formats.files import Dropped, Row, Source, jsonl
from xtl.tasks.formats.listing import english_and_translated, listing

_FILES = {"train": "train.csv", "dev": "valid.csv", "test": "test.jsonl"}
_ANSWERS = ("answer0", "answer1", "answer2", "answer3")
_NEEDED = ("id", "context", "question", *_ANSWERS)


def _example(row: Row) -> Example:
    return {
        "id": row.id("id"),
        "context": row.text("context"),
        "question": row.text("question"),
        "choices": [row.text(answer) for answer in _ANSWERS],
        "label": row.position("label", len(_ANSWERS)),
    }


def _choices(sources: Sequence[Source], _: Dropped) -> Iterator[Example]:
    source = sources[0]
    table = source.name.endswith(".csv")
    return map(_example, csv_rows(source, _NEEDED, label="label") if table else jsonl(source, label="label"))


def _within(folder: Path, language: str, bases: Sequence[str]) -> list[Listing]:
    found: list[Listing] = []
    for split, name in _FILES.items():
        found += listing(folder, language, split, "choice", [f"{bases[0]}/{name}"], _choices)
    return found


def _listings(folder: Path) -> list[Listing]:
    return english_and_translated(folder, "cosmosqa", ["cosmos_qa"], _within)


_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def _hub(language: str, split: str) -> list[HubSet]:
    """The hub's own conversion to Parquet: the main branch is a loading script, which `datasets` no longer runs."""
    one = HubSet(
        id="allenai/cosmos_qa",
        config="default",
        split=_SPLITS[split],
        columns=(*_NEEDED, "label"),
        read=lambda rows, _: map(_example, hubrows.labelled(rows, "label")),
        revision="ed50fe83db62b355759053b1cd5eef344ee371e0",
        data_files=f"default/{_SPLITS[split]}/*.parquet",
    )
    return [one] if language == "en" else []


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
    tokens=408,
    hub=_hub,
)
