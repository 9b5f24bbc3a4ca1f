"""A small micro-world, and all that the readers make of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from xtl.microworld import Size
from xtl.tasks import TASKS
from xtl.tasks.base import Example

SMALL = Size(train=60, sentences=48, dev=24, test=36, passages=100, mined=12)

#: Examples by task, language and split.
Read = dict[str, dict[str, dict[str, list[Example]]]]


def everything(folder: Path) -> Read:
    """All examples of all listings that have any; a dropped row fails."""
    found: Read = {}
    for key, task in TASKS.items():
        for listing in task.listings(folder):
            if examples := list(listing.read()):
                assert not listing.dropped, f"{key} {listing.language} {listing.split}: rows dropped"
                found.setdefault(key, {}).setdefault(listing.language, {})[listing.split] = examples
    return found


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
