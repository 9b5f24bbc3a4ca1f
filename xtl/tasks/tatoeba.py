"""Tatoeba (LASER's v1): a thousand sentences a language and their English translations. Nothing is trained.

Both sides are stripped and the English one is sorted, as XTREME's files are; ids are line numbers of the published
file, so that translations have equal ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from xtl.tasks.base import Example, HubSet, Listing, Task
from xtl.tasks.formats import hubrows
from xtl.tasks.formats.counting import all_lines
from xtl.tasks.formats.files import Dropped, Row, Source, lines
from xtl.tasks.formats.listing import listing

CODES = {
    "ar": "ara", "he": "heb", "vi": "vie", "id": "ind", "jv": "jav", "tl": "tgl", "eu": "eus", "ml": "mal",
    "ta": "tam", "te": "tel", "af": "afr", "nl": "nld", "de": "deu", "el": "ell", "bn": "ben", "hi": "hin",
    "mr": "mar", "ur": "urd", "fa": "pes", "fr": "fra", "it": "ita", "pt": "por", "es": "spa", "bg": "bul",
    "ru": "rus", "ja": "jpn", "ka": "kat", "ko": "kor", "th": "tha", "sw": "swh", "zh": "cmn", "kk": "kaz",
    "tr": "tur", "et": "est", "fi": "fin", "hu": "hun",
}  # fmt: skip
LANGUAGES = tuple(CODES)
_FEWER = {"jv": 205, "te": 234, "ta": 307, "sw": 390, "th": 548, "kk": 575, "ml": 687, "ka": 746}


def _side(sources: Sequence[Source]) -> Iterator[Example]:
    """The first source's sentences; the second, if there is one, must be as long."""
    own, *others = sources
    other = lines(others[0], empty=True) if others else None
    sides = zip_longest(lines(own, empty=True), other) if other else ((line, line) for line in lines(own, empty=True))
    for index, (mine, theirs) in enumerate(sides):
        if mine is None or theirs is None:
            longer = others[0] if mine is None else own
            longer.bad(index + 1, f"no partner: the other side has {index} lines")
        yield {"id": str(index), "text": mine[1].strip()}


def _sorted(sources: Sequence[Source]) -> Iterator[Example]:
    return iter(sorted(_side(sources), key=lambda example: example["text"]))


def _listings(folder: Path) -> list[Listing]:
    found: list[Listing] = []
    for language, code in CODES.items():
        names = [f"tatoeba/v1/tatoeba.{code}-eng.{side}" for side in (code, "eng")]
        foreign, english = (
            [one] + [other for other in names if other != one and (folder / other).is_file()] for one in names
        )
        found += listing(
            folder, language, f"test.{language}", "sentence", foreign, lambda sources, _: _side(sources), all_lines
        )
        found += listing(
            folder, language, "test.en", "sentence", english, lambda sources, _: _sorted(sources), all_lines
        )
    return found


def _hub_sorted(rows: Iterable[Row], dropped: Dropped) -> Iterator[Example]:
    english = hubrows.sentences("target_sentence")(rows, dropped)
    return iter(sorted(english, key=lambda example: example["text"]))


def _hub(language: str, split: str) -> list[HubSet]:
    """Sentence `source` is foreign, `target` English; the columns called languages hold no languages."""
    if split not in (f"test.{language}", "test.en"):
        return []
    side = "target_sentence" if split == "test.en" else "source_sentence"
    one = HubSet(
        id="google/xtreme",
        config=f"tatoeba.{CODES[language]}",
        split="validation",
        columns=(side,),
        read=_hub_sorted if split == "test.en" else hubrows.sentences(side),
    )
    return [one]


TASK = Task(
    key="tatoeba",
    title="Tatoeba",
    form="sentence",
    languages=LANGUAGES,
    train_languages=(),
    listings=_listings,
    layout={
        "test": "tatoeba/v1/tatoeba.CODE-eng.CODE and .eng, CODE being the language's three letters (deu)",
    },
    group="retrieval",
    intermediate=False,
    test_sizes={language: _FEWER.get(language, 1_000) for language in LANGUAGES},
    tokens=10,
    hub=_hub,
)
