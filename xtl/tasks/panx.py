"""PAN-X (WikiANN in Rahimi's splits): names of persons, organisations and places, IOB2, forty languages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Example, HubSet, Listing, Task
from xtl.tasks.formats import hubrows
from xtl.tasks.formats.counting import blocks
from xtl.tasks.formats.files import Dropped, Source, lines
from xtl.tasks.formats.listing import XTREME, listing

LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")

# (train, dev and test) sentences, from the hub's configurations.
_SIZES = {
    **dict.fromkeys(XTREME, (20_000, 10_000)),
    **dict.fromkeys(("et",), (15_000, 10_000)),
    **dict.fromkeys(("eu", "ka"), (10_000, 10_000)),
    **dict.fromkeys(("bn", "ml", "tl"), (10_000, 1_000)),
    **dict.fromkeys(("ms", "ur"), (20_000, 1_000)),
    **dict.fromkeys(("ta",), (15_000, 1_000)),
    **dict.fromkeys(("af", "hi", "mr"), (5_000, 1_000)),
    **dict.fromkeys(("kk", "sw", "te"), (1_000, 1_000)),
    **dict.fromkeys(("jv", "my", "yo"), (100, 100)),
}


def _sentences(sources: Sequence[Source], _: Dropped) -> Iterator[Example]:
    source = sources[0]
    index = 0
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in lines(source, empty=True):
        if line:
            token, tag = _token(source, number, line)
            tokens.append(token)
            tags.append(tag)
        elif tokens:
            yield {"id": str(index), "tokens": tokens, "tags": tags}
            index, tokens, tags = index + 1, [], []
    if tokens:
        yield {"id": str(index), "tokens": tokens, "tags": tags}


def _token(source: Source, number: int, line: str) -> tuple[str, str]:
    cells = line.split("\t")
    if len(cells) != 2:
        source.bad(number, f"{len(cells) - 1} tabs where `xx:token<TAB>tag` has one")
    _, colon, token = cells[0].partition(":")
    if not colon:
        source.bad(number, f"no colon after the language in {cells[0]!r}")
    if cells[1] not in LABELS:
        source.bad(number, f"the tag is {cells[1]!r}, not one of: {' '.join(LABELS)}")
    return token, cells[1]


def _listings(folder: Path) -> list[Listing]:
    found: list[Listing] = []
    for language in XTREME:
        for split in ("train", "dev", "test"):
            name = f"panx/{language}/{split}"
            found += listing(folder, language, split, "tagging", [name], _sentences, blocks)
    return found


_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def _hub(language: str, split: str) -> list[HubSet]:
    one = HubSet(
        id="google/xtreme",
        config=f"PAN-X.{language}",
        split=_SPLITS[split],
        columns=("tokens", "ner_tags"),
        read=hubrows.tagging("tokens", "ner_tags", LABELS),
    )
    return [one]


TASK = Task(
    key="panx",
    title="NER",
    form="tagging",
    languages=XTREME,
    train_languages=XTREME,
    listings=_listings,
    layout={
        "train": "panx/LANG/train",
        "dev": "panx/LANG/dev",
        "test": "panx/LANG/test",
    },
    group="structured",
    labels=LABELS,
    settings=presets.for_target(epochs=10, xtreme_lr=2e-5, script="panx"),
    train_sizes={language: train for language, (train, _) in _SIZES.items()},
    dev_sizes={language: test for language, (_, test) in _SIZES.items()},
    test_sizes={language: test for language, (_, test) in _SIZES.items()},
    tokens=13,
    hub=_hub,
)
