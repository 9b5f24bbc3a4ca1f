"""HellaSwag: which of four endings follows. The context is `ctx` as it stands, bracket marks and all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Example, Listing, Task
from xtl.tasks.formats.files import Dropped, Source, jsonl
from xtl.tasks.formats.listing import english_and_translated, listing

_FILES = {"train": "hellaswag_train.jsonl", "dev": "hellaswag_val.jsonl", "test": "hellaswag_test.jsonl"}


def _choices(sources: Sequence[Source], _: Dropped) -> Iterator[Example]:
    for row in jsonl(sources[0], label="label"):
        endings = row.cells.get("endings")
        if not isinstance(endings, list) or not endings or not all(isinstance(one, str) for one in endings):
            row.bad("endings is missing or not a list of texts")
        yield {
            "id": row.id("ind"),
            "context": row.text("ctx"),
            "question": "",
            "choices": endings,
            "label": row.position("label", len(endings)),
        }


def _within(folder: Path, language: str, bases: Sequence[str]) -> list[Listing]:
    found: list[Listing] = []
    for split, name in _FILES.items():
        found += listing(folder, language, split, "choice", [f"{bases[0]}/{name}"], _choices)
    return found


def _listings(folder: Path) -> list[Listing]:
    return english_and_translated(folder, "hellaswag", ["hellaswag"], _within)


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
)
