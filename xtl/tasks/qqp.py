"""Quora question pairs in GLUE's form. Rows broken by a line end inside a question are dropped and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Example, HubSet, Listing, Task
from xtl.tasks.formats import hubrows
from xtl.tasks.formats.files import Dropped, Source, tsv
from xtl.tasks.formats.listing import english_and_translated, listing

LABELS = ("0", "1")
_WORDS = {word: word for word in LABELS}


def _pairs(sources: Sequence[Source], dropped: Dropped) -> Iterator[Example]:
    for row in tsv(sources[0], ("id", "question1", "question2"), label="is_duplicate", ragged=dropped):
        yield {
            "id": row.id("id"),
            "text_a": row.text("question1"),
            "text_b": row.text("question2"),
            "label": row.label("is_duplicate", _WORDS),
        }


def _within(folder: Path, language: str, bases: Sequence[str]) -> list[Listing]:
    found: list[Listing] = []
    for split in ("train", "dev", "test"):
        found += listing(folder, language, split, "pair", [f"{bases[0]}/{split}.tsv"], _pairs)
    return found


def _listings(folder: Path) -> list[Listing]:
    return english_and_translated(folder, "qqp", ["glue/QQP"], _within)


_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
_HUB_WORDS = {"not_duplicate": "0", "duplicate": "1"}


def _hub(language: str, split: str) -> list[HubSet]:
    """Without the published ids."""
    one = HubSet(
        id="nyu-mll/glue",
        config="qqp",
        split=_SPLITS[split],
        columns=("question1", "question2", "label"),
        read=hubrows.pairs("question1", "question2", "label", _HUB_WORDS),
    )
    return [one] if language == "en" else []


TASK = Task(
    key="qqp",
    title="QQP",
    form="pair",
    languages=("en",),
    train_languages=("en",),
    listings=_listings,
    layout={
        "train": "glue/QQP/train.tsv",
        "dev": "glue/QQP/dev.tsv",
        "test": "glue/QQP/test.tsv",
    },
    labels=LABELS,
    settings=presets.for_intermediate(),
    train_sizes={"en": 363_846},
    dev_sizes={"en": 40_430},
    test_sizes={"en": 390_965},
    tokens=31,
    hub=_hub,
)
