"""BUCC 2018: find the translations hidden in two large monolingual corpora. Nothing is trained.

XTREME's test set is the shared task's training set, its dev set the shared task's sample. A listing is one side, or the
gold pairs. The hub's `bucc18` sets hold gold pairs only, which makes mining far easier: they are not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from xtl.tasks.base import Example, HubSet, Listing, Task
from xtl.tasks.formats.files import Dropped, Row, Source, lines
from xtl.tasks.formats.listing import listing

LANGUAGES = ("de", "fr", "ru", "zh")


def _halves(source: Source) -> Iterator[tuple[str, str]]:
    for number, line in lines(source):
        first, tab, rest = line.partition("\t")
        if not tab:
            source.bad(number, "no tab between an id and what belongs to it")
        yield first, rest


def _side(source: Source) -> Iterator[Example]:
    return ({"id": key, "text": text} for key, text in _halves(source))


def _gold(source: Source) -> Iterator[Example]:
    return ({"source": foreign, "target": english} for foreign, english in _halves(source))


def _listings(folder: Path) -> list[Listing]:
    found: list[Listing] = []
    for language in LANGUAGES:
        for split in ("dev", "test"):
            stem = f"bucc2018/{language}-en.{split}"
            for side in (language, "en"):
                found += listing(
                    folder, language, f"{split}.{side}", "sentence", [f"{stem}.{side}"], lambda one, _: _side(one[0])
                )
            found += listing(folder, language, f"{split}.gold", "gold", [f"{stem}.gold"], lambda one, _: _gold(one[0]))
    return found


def _hub_read(rows: Iterable[Row], _: Dropped, side: str) -> Iterator[Example]:
    """mteb/BUCC keeps whole corpora in one row; its gold pairs count sentences from 1, ids here from 0."""
    for row in rows:
        if side == "gold":
            sizes = (len(row.cells["sentence1"]), len(row.cells["sentence2"]))
            for pair in row.cells["gold"]:
                if len(pair) != 2 or not all(1 <= at <= size for at, size in zip(pair, sizes, strict=True)):
                    row.bad(f"the gold pair {pair} is not two positions from 1 to {sizes}")
                yield {"source": str(pair[0] - 1), "target": str(pair[1] - 1)}
        else:
            for index, text in enumerate(row.cells["sentence2" if side == "en" else "sentence1"]):
                yield {"id": str(index), "text": text}


def _hub(language: str, split: str) -> list[HubSet]:
    """The test set, which is the shared task's training set."""
    stem, _, side = split.partition(".")
    if stem != "test":
        return []
    one = HubSet(
        id="mteb/BUCC",
        config=f"{language}-en",
        split="test",
        columns=("sentence1", "sentence2", "gold"),
        read=partial(_hub_read, side=side),
        revision="414572247440f0ccacf7eb0bb70a31533a0e5443",
    )
    return [one]


TASK = Task(
    key="bucc2018",
    title="BUCC",
    form="sentence",
    languages=LANGUAGES,
    train_languages=(),
    listings=_listings,
    layout={
        "dev": "bucc2018/LANG-en.dev.LANG, .en and .gold",
        "test": "bucc2018/LANG-en.test.LANG, .en and .gold",
    },
    group="retrieval",
    intermediate=False,
    # Sentences of a side: the English ones as mteb/BUCC has them; the foreign sides are about as large.
    test_sizes={"de": 399_337, "fr": 369_810, "ru": 558_401, "zh": 88_860},
    manual=(
        "BUCC 2018 shared task (https://comparable.limsi.fr/bucc2018/bucc2018-task.html): put its sample set as "
        "bucc2018/LANG-en.dev.{LANG,en,gold} and its training set as bucc2018/LANG-en.test.{LANG,en,gold}. No hub has "
        "the sample set, which the mining threshold is chosen on"
    ),
    tokens=24,
    hub=_hub,
)
