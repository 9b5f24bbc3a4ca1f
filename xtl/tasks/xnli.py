"""XNLI: fifteen languages in one file a split, English training data borrowed from MNLI, the rest machine-translated.

`multinli.train.en.tsv` is MNLI's text tokenised and is not read. The translated files spell a label `contradictory`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from xtl.tasks import mnli, presets
from xtl.tasks.base import Example, HubSet, Listing, Task
from xtl.tasks.formats import hubrows
from xtl.tasks.formats.counting import matches
from xtl.tasks.formats.files import Dropped, Source, tsv
from xtl.tasks.formats.listing import lent, listing, words

LANGUAGES = words("ar bg de el en es fr hi ru sw th tr ur vi zh")
_TRAIN_WORDS = {**mnli.WORDS, "contradictory": "contradiction"}


def _of_language(sources: Sequence[Source], _: Dropped, language: str) -> Iterator[Example]:
    for row in tsv(sources[0], ("language", "pairID", "sentence1", "sentence2"), label="gold_label"):
        if row.cells["language"] not in LANGUAGES:
            row.bad(f"language is {row.cells['language']!r}, not one of: {' '.join(LANGUAGES)}")
        label = row.label("gold_label", mnli.WORDS)
        if row.cells["language"] == language:
            yield {
                "id": row.id("pairID"),
                "text_a": row.text("sentence1"),
                "text_b": row.text("sentence2"),
                "label": label,
            }


def _rows(sources: Sequence[Source], language: str) -> int:
    """Rows that hold the language as a cell: its column may stand anywhere, its codes are no text."""
    return matches(rb"(?:^|\t)%s(?:\t|\r?$)" % language.encode())(sources)


def _translated(sources: Sequence[Source], _: Dropped) -> Iterator[Example]:
    for row in tsv(sources[0], ("premise", "hypo"), label="label"):
        yield {
            "id": str(row.index),
            "text_a": row.text("premise"),
            "text_b": row.text("hypo"),
            "label": row.label("label", _TRAIN_WORDS),
        }


def _listings(folder: Path) -> list[Listing]:
    found = lent(mnli.TASK, folder, "train")
    for language in LANGUAGES:
        if language != "en":
            name = f"xnli/XNLI-MT-1.0/multinli/multinli.train.{language}.tsv"
            found += listing(folder, language, "train", "pair", [name], _translated)
        for split in ("dev", "test"):
            name = f"xnli/XNLI-1.0/xnli.{split}.tsv"
            found += listing(
                folder,
                language,
                split,
                "pair",
                [name],
                partial(_of_language, language=language),
                partial(_rows, language=language),
            )
    return found


_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def _hub(language: str, split: str) -> list[HubSet]:
    """Without the published pair ids; the English training data are MNLI's."""
    if (language, split) == ("en", "train"):
        return []
    one = HubSet(
        id="facebook/xnli",
        config=language,
        split=_SPLITS[split],
        columns=("premise", "hypothesis", "label"),
        read=hubrows.pairs("premise", "hypothesis", "label", mnli.WORDS),
        revision="b8dd5d7af51114dbda02c0e3f6133f332186418e",
    )
    return [one]


TASK = Task(
    key="xnli",
    title="XNLI",
    form="pair",
    languages=LANGUAGES,
    train_languages=LANGUAGES,
    listings=_listings,
    layout={
        "train": "xnli/XNLI-MT-1.0/multinli/multinli.train.LANG.tsv",
        "dev": "xnli/XNLI-1.0/xnli.dev.tsv",
        "test": "xnli/XNLI-1.0/xnli.test.tsv",
    },
    group="classification",
    labels=mnli.LABELS,
    train_from="mnli",
    settings=presets.for_target(epochs=2, xtreme_lr=3e-5, script="xnli"),
    train_sizes=dict.fromkeys(LANGUAGES, 392_702),
    dev_sizes=dict.fromkeys(LANGUAGES, 2_490),
    test_sizes=dict.fromkeys(LANGUAGES, 5_010),
    tokens=41,
    hub=_hub,
)
