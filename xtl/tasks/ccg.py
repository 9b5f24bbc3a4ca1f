"""CCG supertags. CCGbank is licensed, so the user brings it, in the `.stagged` form of the C&C and EasyCCG tools.

The tag set is open: some 1,300 categories in CCGbank, learned from the training file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Example, Listing, Task
from xtl.tasks.formats.files import Dropped, Source, lines
from xtl.tasks.formats.listing import english_and_translated, listing, matching


def _sentences(sources: Sequence[Source], _: Dropped) -> Iterator[Example]:
    for source in sources:
        for index, (number, line) in enumerate(lines(source)):
            tokens: list[str] = []
            tags: list[str] = []
            for item in filter(None, line.split(" ")):
                parts = item.rsplit("|", 2)
                if len(parts) != 3:
                    source.bad(number, f"{item!r} is not word|POS|category")
                tokens.append(parts[0])
                tags.append(parts[2])
            yield {"id": str(index), "tokens": tokens, "tags": tags}


def _within(folder: Path, language: str, bases: Sequence[str]) -> list[Listing]:
    found: list[Listing] = []
    for split in ("train", "dev", "test"):
        names = matching(folder, f"{bases[0]}/*.{split}.stagged")
        found += listing(folder, language, split, "tagging", names, _sentences)
    return found


def _listings(folder: Path) -> list[Listing]:
    return english_and_translated(folder, "ccg", ["ccg"], _within)


TASK = Task(
    key="ccg",
    title="CCG",
    form="tagging",
    languages=("en",),
    train_languages=("en",),
    listings=_listings,
    layout={
        "train": "ccg/*.train.stagged",
        "dev": "ccg/*.dev.stagged",
        "test": "ccg/*.test.stagged",
    },
    settings=presets.for_intermediate(),
    train_sizes={"en": 38_015},  # sections 02-21, as remembered in FACTS: an estimate, not a figure to print
    tokens=30,
    manual=(
        "CCGbank (LDC2005T13, https://catalog.ldc.upenn.edu/LDC2005T13, licensed): put its sections as files with a "
        "sentence a line, tokens word|POS|category, at ccg/NAME.train.stagged and ccg/NAME.dev.stagged"
    ),
)
