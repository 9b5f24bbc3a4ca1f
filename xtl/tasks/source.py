"""A task's data as fetch stages take it: in units, with the digest that enters the key.

A unit is (task, part). Part "" is every dev and test listing of the task's languages and its own English training data;
part `de` is German's training data (all of German for a translated copy of an English intermediate). Borrowed English
belongs to the lender's unit. A listing without examples is missing to a study, as a language of XNLI can be whose rows
are not in the file. Digests are over file bytes and names, cached by path, size and time; what cannot be cached (a home
that is read-only) is computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from xtl.errors import UserError, XtlError
from xtl.tasks import get
from xtl.tasks.base import Listing, Task
from xtl.tasks.formats import lengths

#: A file changed this recently may change again within its time stamp's resolution: its digest is not cached.
_SETTLED_SECONDS = 2.0


def part_of(task: Task, language: str, split: str) -> str | None:
    """The part of the unit that holds a listing; None if it is borrowed and in the lender's."""
    if language == "en":
        borrowed = task.train_from if split == "train" else task.dev_from if split == "dev" else None
        return None if borrowed else ""
    return language if split == "train" or language not in task.languages else ""


def unit_listings(task: str, part: str, folder: Path) -> list[Listing]:
    """The unit's listings that hold examples, in the task's order."""
    one = get(task)
    own = [x for x in one.listings(folder) if part_of(one, x.language, x.split) == part and _count(x)]
    flush()
    return own


def unit_digest(listings: Sequence[Listing], folder: Path) -> str:
    """sha256 over the files that the listings read."""
    return digest({path for one in listings for path in one.files}, folder)


def digest(files: Iterable[Path], root: Path) -> str:
    """sha256, in hex, over (path relative to root, size, sha256) of each file, sorted by path."""
    whole = hashlib.sha256()
    for path in sorted(files, key=lambda path: path.relative_to(root).as_posix()):
        sha256 = _cached([path], "sha256", partial(_sha256, path))
        row = [path.relative_to(root).as_posix(), path.stat().st_size, sha256]
        whole.update(json.dumps(row, ensure_ascii=True).encode() + b"\n")
    flush()
    return whole.hexdigest()


def count(listing: Listing) -> int:
    """About how many examples a listing holds, cached; 0 if there are none."""
    found = _count(listing)
    flush()
    return found


def _count(listing: Listing) -> int:
    return int(_cached(listing.files, f"{listing.language}/{listing.split}/{listing.form}", listing.count))


def shapes(listing: Listing) -> list[lengths.Shape]:
    """How long a sample of its examples are, in characters, cached; none of what cannot be read: the fetch says why."""

    def measure() -> list[lengths.Shape]:
        try:
            return [lengths.shape(example, listing.form) for example in lengths.sample(listing.read())]
        except XtlError:
            return []

    found: list[lengths.Shape] = _cached(listing.files, _named(listing, "shapes"), measure)
    return found


def pieces(listing: Listing, tokenizer: str, measure: Callable[[str], int]) -> tuple[int, int]:
    """Characters of the sample, and the word pieces that `measure` finds in them, cached by the tokenizer's name."""

    def both() -> list[int]:
        try:
            examples = lengths.sample(listing.read())
        except XtlError:
            return [0, 0]
        found = [[sum(lengths.shape(example, listing.form, by)) for by in (len, measure)] for example in examples]
        return [sum(column) for column in zip(*found, strict=True)] or [0, 0]

    characters, counted = _cached(listing.files, _named(listing, f"pieces/{tokenizer}"), both)
    return int(characters), int(counted)


def _named(listing: Listing, what: str) -> str:
    return f"{listing.language}/{listing.split}/{listing.form}/{what}"


def published(task: str, part: str) -> dict[tuple[str, str], int]:
    """(language, split) to the published number of examples, for what the hub holds of a unit."""
    one = get(task)
    sizes = {"train": one.train_sizes, "dev": one.dev_sizes, "test": one.test_sizes}
    found: dict[tuple[str, str], int] = {}
    for language, split in hub_listings(task, part):
        # A retrieval set's number is that of a side; its gold pairs are fewer.
        found[(language, split)] = sizes[split.partition(".")[0]].get(language, 0)
    return found


def hub_listings(task: str, part: str) -> list[tuple[str, str]]:
    """(language, split) of the unit's listings that a hub has."""
    one = get(task)
    languages = list(dict.fromkeys((*one.languages, *one.train_languages)))
    found: list[tuple[str, str]] = []
    for language in languages:
        for split in _splits(one, language):
            if part_of(one, language, split) == part and one.hub(language, split):
                found.append((language, split))
    return found


def _splits(task: Task, language: str) -> list[str]:
    if task.form != "sentence":
        return ["train", "dev", "test"]
    return [f"{split}.{side}" for split in ("dev", "test") for side in (language, "en", "gold")]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _cached(files: Sequence[Path], what: str, compute: Callable[[], Any]) -> Any:
    """`compute()`, or what it gave when the files' sizes and times were these."""
    key = json.dumps([what, *(os.path.abspath(path) for path in files)])
    try:
        stats = [path.stat() for path in files]
    except OSError as error:
        raise UserError(f"cannot read {error.filename}: {error.strerror}") from error
    state = [[one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino] for one in stats]
    known = _fresh.get(key) or _load().get(key)
    if known and known[0] == state:
        return known[1]
    value = compute()
    newest = max((max(one.st_mtime, one.st_ctime) for one in stats), default=0.0)
    if time.time() - newest > _SETTLED_SECONDS:
        _fresh[key] = [state, value]
    return value


_fresh: dict[str, Any] = {}
_memory: dict[tuple[str, int], dict[str, Any]] = {}


def _place() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "xtl" / "digests.json"


def _load() -> dict[str, Any]:
    """The cache file's content; {} where there is none or it is broken."""
    place = _place()
    try:
        version = (str(place), place.stat().st_mtime_ns)
        if version not in _memory:
            content = json.loads(place.read_text(encoding="utf-8"))
            _memory.clear()
            _memory[version] = content if isinstance(content, dict) else {}
        return _memory[version]
    except (OSError, ValueError):
        return {}


def flush() -> None:
    """Add what is new to the cache file, atomically. A lost race costs a computation; a home that cannot be written,
    nothing at all."""
    if not _fresh:
        return
    place = _place()
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        content = {**_load(), **_fresh}
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=".digests-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(json.dumps(content))  # `dump` does without the C encoder
            os.replace(name, place)
        except OSError:
            os.unlink(name)
            raise
    _fresh.clear()
