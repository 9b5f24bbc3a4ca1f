"""ANLI and what it was trained with: MNLI, SNLI, then ANLI's three rounds, joined in that order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xtl.tasks import mnli, presets
from xtl.tasks.base import Example, HubSet, Listing, Task
from xtl.tasks.formats import hubrows
from xtl.tasks.formats.files import Dropped, Source, jsonl
from xtl.tasks.formats.listing import english_and_translated, listing

_WORDS = {"e": "entailment", "n": "neutral", "c": "contradiction"}


def _round(source: Source) -> Iterator[Example]:
    for row in jsonl(source, label="label"):
        yield {
            "id": row.id("uid"),
            "text_a": row.text("context"),
            "text_b": row.text("hypothesis"),
            "label": row.label("label", _WORDS),
        }


def _joined(sources: Sequence[Source], dropped: Dropped) -> Iterator[Example]:
    multi, stanford, *rounds = sources
    yield from mnli.pairs(multi, dropped)
    yield from mnli.agreed(jsonl(stanford, label="gold_label"), dropped)
    for source in rounds:
        yield from _round(source)


def _within(folder: Path, language: str, bases: Sequence[str]) -> list[Listing]:
    *multi, stanford, adversarial = bases
    found: list[Listing] = []
    for split in ("train", "dev"):
        names = [mnli.files(folder, multi)[split], f"{stanford}/snli_1.0_{split}.jsonl"]
        names += [f"{adversarial}/R{number}/{split}.jsonl" for number in (1, 2, 3)]
        found += listing(folder, language, split, "pair", names, _joined)
    return found


def _listings(folder: Path) -> list[Listing]:
    return english_and_translated(folder, "anli_plus", [*mnli.BASES, "snli_1.0", "anli/anli_v1.0"], _within)


def _hub(language: str, split: str) -> list[HubSet]:
    """SNLI's hub set has no pair ids."""
    if language != "en" or split == "test":
        return []
    columns = ("premise", "hypothesis", "label")
    stanford = HubSet(
        id="stanfordnlp/snli",
        config="plain_text",
        split={"train": "train", "dev": "validation"}[split],
        columns=columns,
        read=hubrows.pairs(*columns, mnli.WORDS, drop=True),
        revision="cdb5c3d5eed6ead6e5a341c8e56e669bb666725b",
    )
    rounds = [
        HubSet(
            id="facebook/anli",
            config="plain_text",
            split=f"{split}_r{number}",
            columns=("uid", *columns),
            read=hubrows.pairs(*columns, mnli.WORDS, id="uid"),
            revision="8e4813d81f46d313dac7892e1c28076917cfcdf9",
        )
        for number in (1, 2, 3)
    ]
    return [*mnli.hub(language, split), stanford, *rounds]


TASK = Task(
    key="anli_plus",
    title="ANLI+",
    form="pair",
    languages=("en",),
    train_languages=("en",),
    listings=_listings,
    layout={
        "train": "MNLI's files, snli_1.0/snli_1.0_train.jsonl and anli/anli_v1.0/R1/train.jsonl, R2 and R3",
        "dev": "MNLI's files, snli_1.0/snli_1.0_dev.jsonl and anli/anli_v1.0/R1/dev.jsonl, R2 and R3",
    },
    labels=mnli.LABELS,
    contains=("mnli",),
    settings=presets.for_intermediate(),
    train_sizes={"en": 1_104_934},
    dev_sizes={"en": 9_815 + 10_000 + 3_200},
    tokens=41,
    hub=_hub,
)
