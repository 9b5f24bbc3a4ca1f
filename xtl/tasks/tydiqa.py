"""TyDiQA-GoldP v1.1: span QA written by speakers of nine languages. Its official dev set is XTREME's test set.

The language is in each question's id and nowhere else: a file may mix languages, and file names are not trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from xtl.tasks import presets
from xtl.tasks.base import Example, HubSet, Listing, Task
from xtl.tasks.formats import hubrows, squad
from xtl.tasks.formats.counting import matches
from xtl.tasks.formats.files import Dropped, Row, Source
from xtl.tasks.formats.listing import listing, matching

NAMES = {
    "english": "en",
    "arabic": "ar",
    "bengali": "bn",
    "finnish": "fi",
    "indonesian": "id",
    "korean": "ko",
    "russian": "ru",
    "swahili": "sw",
    "telugu": "te",
}
LANGUAGES = tuple(NAMES.values())


def _language(key: str, bad: Callable[[str], NoReturn]) -> str:
    """The language that an id begins with."""
    name, hyphen, _ = key.partition("-")
    if name not in NAMES or not hyphen:
        bad(f"the id {key!r} begins with no language; there are: {' '.join(NAMES)}")
    return NAMES[name]


def _of_language(sources: Sequence[Source], _: Dropped, language: str) -> Iterator[Example]:
    for source in sources:
        for example in squad.questions(source):
            if _language(example["id"], partial(source.bad, example["id"])) == language:
                yield example


def _files(folder: Path, part: str) -> list[str]:
    whole = f"tydiqa/tydiqa-goldp-v1.1-{part}.json"
    return [whole] if (folder / whole).is_file() else matching(folder, f"tydiqa/tydiqa-goldp-v1.1-{part}/*.json")


def _listings(folder: Path) -> list[Listing]:
    found: list[Listing] = []
    for split, part in (("train", "train"), ("test", "dev")):
        names = _files(folder, part)
        for name, language in NAMES.items():
            found += listing(
                folder,
                language,
                split,
                "span",
                names,
                partial(_of_language, language=language),
                matches(b'"id"\\s*:\\s*"%s-' % name.encode()),
            )
    return found


_SPLITS = {"train": "train", "test": "validation"}


def _hub_rows(rows: Iterable[Row], dropped: Dropped, language: str) -> Iterator[Example]:
    return hubrows.spans((row for row in rows if _language(row.id("id"), row.bad) == language), dropped)


def _hub(language: str, split: str) -> list[HubSet]:
    if split not in _SPLITS:
        return []
    one = HubSet(
        id="google-research-datasets/tydiqa",
        config="secondary_task",
        split=_SPLITS[split],
        columns=("id", "context", "question", "answers"),
        read=partial(_hub_rows, language=language),
        revision="da78f23f9119363459acbaf46bf89426ff26c259",
    )
    return [one]


TASK = Task(
    key="tydiqa",
    title="TyDiQA-GoldP",
    form="span",
    languages=LANGUAGES,
    train_languages=LANGUAGES,
    listings=_listings,
    layout={
        "train": "tydiqa/tydiqa-goldp-v1.1-train.json or tydiqa/tydiqa-goldp-v1.1-train/*.json",
        "test": "tydiqa/tydiqa-goldp-v1.1-dev.json or tydiqa/tydiqa-goldp-v1.1-dev/*.json",
    },
    group="qa",
    settings=presets.for_span_target(),
    # Published: 3,696 English of 49,881, and 5,077 test questions in all; what is not English is spread evenly.
    train_sizes={language: 3_696 if language == "en" else (49_881 - 3_696) // 8 for language in LANGUAGES},
    test_sizes=dict.fromkeys(LANGUAGES, 5_077 // 9),
    tokens=160,
    hub=_hub,
)
