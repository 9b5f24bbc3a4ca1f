"""HellaSwag: which of four endings follows. The context is `ctx` as it stands, bracket marks and all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Example, HubSet, Listing, Task
from xtl.tasks.formats import hubrows
from xtl.tasks.formats.files import Dropped, Row, Source, jsonl
from xtl.tasks.formats.listing import english_and_translated, listing

_FILES = {"train": "hellaswag_train.jsonl", "dev": "hellaswag_val.jsonl", "test": "hellaswag_test.jsonl"}


def _example(row: Row) -> Example:
    endings = row.cells.get("endings")
    if not isinstance(endings, list) or not endings or not all(isinstance(one, str) for one in endings):
        row.bad("endings is missing or not a list of texts")
    return {
        "id": row.id("ind"),
        "context": row.text("ctx"),
        "question": "",
        "choices": endings,
        "label": row.position("label", len(endings)),
    }


def _choices(sources: Sequence[Source], _: Dropped) -> Iterator[Example]:
    return map(_example, jsonl(sources[0], label="label"))


def _within(folder: Path, language: str, bases: Sequence[str]) -> list[Listing]:
    found: list[Listing] = []
    for split, name in _FILES.items():
        found += listing(folder, language, split, "choice", [f"{bases[0]}/{name}"], _choices)
    return found


def _listings(folder: Path) -> list[Listing]:
    return english_and_translated(folder, "hellaswag", ["hellaswag"], _within)


_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def _hub(language: str, split: str) -> list[HubSet]:
    """Labels are digits in text there, empty where there is none."""
    one = HubSet(
        id="Rowan/hellaswag",
        config="default",
        split=_SPLITS[split],
        columns=("ind", "ctx", "endings", "label"),
        read=lambda rows, _: map(_example, hubrows.labelled(rows, "label")),
    )
    return [one] if language == "en" else []


TASK = Task(
    key="hellaswag",
    title="HellaSwag",
    form="choice",
    languages=("en",),
    train_languages=("en",),
    listings=_listings,
    layout={
        "train": "hellaswag/hellaswag_train.jsonl",
        "dev": "hellaswag/hellaswag_val.jsonl",
        "test": "hellaswag/hellaswag_test.jsonl",
    },
    settings=presets.for_intermediate(),
    train_sizes={"en": 39_905},
    dev_sizes={"en": 10_042},
    test_sizes={"en": 10_003},
    tokens=337,
    hub=_hub,
)
