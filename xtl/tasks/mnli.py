"""MultiNLI: as GLUE's tab files if that folder is there, else as the authors' JSON lines. Matched sets only.

Rows that annotators did not agree on (label `-`) are dropped. XTREME's own English training file for XNLI is this text
tokenised; xtl trains on the text as published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Example, HubSet, Listing, Task
from xtl.tasks.formats import hubrows
from xtl.tasks.formats.files import Dropped, Row, Source, jsonl, tsv
from xtl.tasks.formats.listing import english_and_translated, listing

LABELS = ("entailment", "neutral", "contradiction")
WORDS = {word: word for word in LABELS}

_GLUE = {"train": "train.tsv", "dev": "dev_matched.tsv", "test": "test_matched.tsv"}
_AUTHORS = {"train": "multinli_1.0_train.jsonl", "dev": "multinli_1.0_dev_matched.jsonl"}
BASES = ("glue/MNLI", "multinli_1.0")


def files(folder: Path, bases: Sequence[str] = BASES) -> dict[str, str]:
    """The file of each split. bases: where GLUE's files lie and where the authors' do; for a translated copy the two
    are one folder, and then GLUE's names decide."""
    glue, authors = bases
    names = {split: f"{glue}/{name}" for split, name in _GLUE.items()}
    there = (folder / glue).is_dir() if glue != authors else any((folder / name).is_file() for name in names.values())
    return names if there else {split: f"{authors}/{name}" for split, name in _AUTHORS.items()}


def agreed(rows: Iterable[Row], dropped: Dropped) -> Iterator[Example]:
    """Pairs with `pairID sentence1 sentence2 gold_label`, less those labelled `-`. SNLI has the same form."""
    for row in rows:
        pair = {"id": row.id("pairID"), "text_a": row.text("sentence1"), "text_b": row.text("sentence2")}
        if row.cells.get("gold_label") == "-":
            dropped["label -"] += 1
        else:
            yield {**pair, "label": row.label("gold_label", WORDS)}


def pairs(source: Source, dropped: Dropped) -> Iterator[Example]:
    if source.name.endswith(".tsv"):
        return agreed(tsv(source, ("pairID", "sentence1", "sentence2"), label="gold_label"), dropped)
    return agreed(jsonl(source, label="gold_label"), dropped)


def _within(folder: Path, language: str, bases: Sequence[str]) -> list[Listing]:
    found: list[Listing] = []
    for split, name in files(folder, bases).items():
        found += listing(folder, language, split, "pair", [name], lambda sources, dropped: pairs(sources[0], dropped))
    return found


def _listings(folder: Path) -> list[Listing]:
    return english_and_translated(folder, "mnli", BASES, _within)


_HUB_SPLITS = {"train": "train", "dev": "validation_matched"}


def hub(language: str, split: str) -> list[HubSet]:
    """The authors' set, which keeps the pair ids; it has no test set, GLUE's has (without labels)."""
    if language != "en":
        return []
    if split == "test":
        test = HubSet(
            id="nyu-mll/glue",
            config="mnli",
            split="test_matched",
            columns=("premise", "hypothesis", "label"),
            read=hubrows.pairs("premise", "hypothesis", "label", WORDS),
        )
        return [test]
    one = HubSet(
        id="nyu-mll/multi_nli",
        config="default",
        split=_HUB_SPLITS[split],
        columns=("pairID", "premise", "hypothesis", "label"),
        read=hubrows.pairs("premise", "hypothesis", "label", WORDS, id="pairID", drop=True),
    )
    return [one]


TASK = Task(
    key="mnli",
    title="MNLI",
    form="pair",
    languages=("en",),
    train_languages=("en",),
    listings=_listings,
    layout={
        "train": "glue/MNLI/train.tsv, or without that folder multinli_1.0/multinli_1.0_train.jsonl",
        "dev": "glue/MNLI/dev_matched.tsv, or without that folder multinli_1.0/multinli_1.0_dev_matched.jsonl",
        "test": "glue/MNLI/test_matched.tsv",
    },
    labels=LABELS,
    settings=presets.for_intermediate(),
    train_sizes={"en": 392_702},
    dev_sizes={"en": 9_815},
    test_sizes={"en": 9_796},
    tokens=41,
    hub=hub,
)
