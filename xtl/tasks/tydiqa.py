"""TyDiQA-GoldP v1.1: span QA written by speakers of nine languages. Its official dev set is XTREME's test set.

The language is in each question's id and nowhere else: a file may mix languages, and file names are not trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Example, Listing, Task
from xtl.tasks.formats import squad
from xtl.tasks.formats.counting import matches
from xtl.tasks.formats.files import Dropped, Source
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


def _of_language(sources: Sequence[Source], _: Dropped, language: str) -> Iterator[Example]:
    for source in sources:
        for example in squad.questions(source):
            name = example["id"].partition("-")[0]
            if name not in NAMES or "-" not in example["id"]:
                source.bad(example["id"], f"the id begins with no language; there are: {' '.join(NAMES)}")
            if NAMES[name] == language:
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
)
