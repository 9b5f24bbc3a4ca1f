"""SQuAD v2.0: span QA in which a third of the questions has no answer; the others are SQuAD v1.1's.
`plausible_answers` are ignored."""

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
        found += listing(folder, language, split, "span", [f"{bases[0]}/{split}-v2.0.json"], squad.read)
    return found


def _listings(folder: Path) -> list[Listing]:
    return english_and_translated(folder, "squad_v2", ["squad_v2.0"], _within)


_SPLITS = {"train": "train", "dev": "validation"}


def _hub(language: str, split: str) -> list[HubSet]:
    if language != "en" or split not in _SPLITS:
        return []
    one = HubSet(
        id="rajpurkar/squad_v2",
        config="squad_v2",
        split=_SPLITS[split],
        columns=("id", "context", "question", "answers"),
        read=hubrows.spans,
    )
    return [one]


TASK = Task(
    key="squad_v2",
    title="SQuAD v2.0",
    form="span",
    languages=("en",),
    train_languages=("en",),
    listings=_listings,
    layout={
        "train": "squad_v2.0/train-v2.0.json",
        "dev": "squad_v2.0/dev-v2.0.json",
    },
    contains=("squad_v1",),
    settings=presets.for_intermediate(384),
    train_sizes={"en": 130_319},
    dev_sizes={"en": 11_873},
    tokens=200,
    hub=_hub,
)
