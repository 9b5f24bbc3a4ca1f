"""SQuAD v1.1: span QA in which every question has an answer. XQuAD and MLQA borrow it as English training data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import HubSet, Listing, Task
from xtl.tasks.formats import hubrows, squad
from xtl.tasks.formats.listing import english_and_translated, listing


def _within(folder: Path, language: str, bases: Sequence[str]) -> list[Listing]:
    found: list[Listing] = []
    for split in ("train", "dev"):
        found += listing(folder, language, split, "span", [f"{bases[0]}/{split}-v1.1.json"], squad.read)
    return found


def _listings(folder: Path) -> list[Listing]:
    return english_and_translated(folder, "squad_v1", ["squad_v1.1"], _within)


_SPLITS = {"train": "train", "dev": "validation"}


def _hub(language: str, split: str) -> list[HubSet]:
    if language != "en" or split not in _SPLITS:
        return []
    one = HubSet(
        id="rajpurkar/squad",
        config="plain_text",
        split=_SPLITS[split],
        columns=("id", "context", "question", "answers"),
        read=hubrows.spans,
    )
    return [one]


TASK = Task(
    key="squad_v1",
    title="SQuAD v1.1",
    form="span",
    languages=("en",),
    train_languages=("en",),
    listings=_listings,
    layout={
        "train": "squad_v1.1/train-v1.1.json",
        "dev": "squad_v1.1/dev-v1.1.json",
    },
    settings=presets.for_intermediate(384),
    train_sizes={"en": 87_599},
    dev_sizes={"en": 10_570},
    tokens=210,
    hub=_hub,
)
