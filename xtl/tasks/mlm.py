"""Plain text for masked-language-model co-training: the user's own, a passage a line, at `mlm/LANG.txt`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Example, Listing, Task
from xtl.tasks.formats.files import Dropped, Source, lines
from xtl.tasks.formats.listing import XTREME, listing


def _passages(sources: Sequence[Source], _: Dropped) -> Iterator[Example]:
    for index, (_number, line) in enumerate(lines(sources[0])):
        yield {"id": str(index), "text": line}


def _listings(folder: Path) -> list[Listing]:
    found: list[Listing] = []
    for language in XTREME:
        found += listing(folder, language, "train", "text", [f"mlm/{language}.txt"], _passages)
    return found


TASK = Task(
    key="mlm",
    title="masked LM",
    form="text",
    languages=XTREME,
    train_languages=XTREME,
    listings=_listings,
    layout={
        "train": "mlm/LANG.txt",
    },
    settings=presets.for_intermediate(),
    tokens=100,
    manual="Text of your own, in UTF-8, a passage a line: put it at mlm/LANG.txt (Wikipedia extracts, for one)",
)
