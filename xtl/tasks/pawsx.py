"""PAWS-X: paraphrases made by swapping words. Rows with the sentence `NS` (not translated) stay, as in XTREME."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Example, HubSet, Listing, Task
from xtl.tasks.formats import hubrows
from xtl.tasks.formats.files import Dropped, Source, tsv
from xtl.tasks.formats.listing import listing, words

LANGUAGES = words("de en es fr ja ko zh")
LABELS = ("0", "1")
WORDS = {word: word for word in LABELS}


def _pairs(sources: Sequence[Source], _: Dropped) -> Iterator[Example]:
    for row in tsv(sources[0], ("id", "sentence1", "sentence2"), label="label"):
        yield {
            "id": row.id("id"),
            "text_a": row.text("sentence1"),
            "text_b": row.text("sentence2"),
            "label": row.label("label", WORDS),
        }


def _listings(folder: Path) -> list[Listing]:
    found: list[Listing] = []
    for language in LANGUAGES:
        train = "train.tsv" if language == "en" else "translated_train.tsv"
        for split, name in (("train", train), ("dev", "dev_2k.tsv"), ("test", "test_2k.tsv")):
            path = f"paws-x/x-final/{language}/{name}"
            found += listing(folder, language, split, "pair", [path], _pairs)
    return found


_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def _hub(language: str, split: str) -> list[HubSet]:
    one = HubSet(
        id="google-research-datasets/paws-x",
        config=language,
        split=_SPLITS[split],
        columns=("id", "sentence1", "sentence2", "label"),
        read=hubrows.pairs("sentence1", "sentence2", "label", WORDS, id="id"),
        revision="4cd8187c404bda33cb1f62b49b001115862acf37",
    )
    return [one]


TASK = Task(
    key="pawsx",
    title="PAWS-X",
    form="pair",
    languages=LANGUAGES,
    train_languages=LANGUAGES,
    listings=_listings,
    layout={
        "train": "paws-x/x-final/LANG/translated_train.tsv (en: train.tsv)",
        "dev": "paws-x/x-final/LANG/dev_2k.tsv",
        "test": "paws-x/x-final/LANG/test_2k.tsv",
    },
    group="classification",
    labels=LABELS,
    settings=presets.for_target(epochs=5, xtreme_lr=2e-5, script="pawsx"),
    train_sizes=dict.fromkeys(LANGUAGES, 49_401),
    dev_sizes=dict.fromkeys(LANGUAGES, 2_000),
    test_sizes=dict.fromkeys(LANGUAGES, 2_000),
    tokens=50,
    hub=_hub,
)
