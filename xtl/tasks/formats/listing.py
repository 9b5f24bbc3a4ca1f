"""From names of published files to listings: what is there is listed, nothing is opened.

A data set's `listings` says for every (language, split) which files it needs, in reading order. `listing` gives the
Listing if all of them exist, `english_and_translated` adds the copies that a user brings under `translated/TASK/LANG/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from xtl.tasks.base import Example, Form, Listing, Task
from xtl.tasks.formats import counting
from xtl.tasks.formats.files import Dropped, Source


def words(text: str) -> tuple[str, ...]:
    """A list of words in code, readable and on one line."""
    return tuple(text.split())


#: XTREME's forty languages, in the order of its papers' tables.
XTREME = words(
    "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur "
    "fa fr it pt es bg ru ja ka ko th sw yo my zh kk tr et fi hu"
)

#: Reads sources in order; counts what it drops.
Reader = Callable[[Sequence[Source], Dropped], Iterator[Example]]


def listing(
    folder: Path,
    language: str,
    split: str,
    form: Form,
    names: Sequence[str],
    read: Reader,
    count: counting.Counter = counting.by_suffix,
) -> list[Listing]:
    """The one listing that these files make, or none if one of them is missing."""
    sources = [Source(folder, name) for name in names]
    if not sources or not all(source.path.is_file() for source in sources):
        return []
    dropped = Dropped()

    def start() -> Iterator[Example]:
        dropped.clear()
        return read(sources, dropped)

    files = tuple(source.path for source in sources)
    return [
        Listing(
            language=language,
            split=split,
            form=form,
            files=files,
            read=start,
            count=partial(count, sources),
            dropped=dropped,
        )
    ]


def matching(folder: Path, pattern: str) -> list[str]:
    """Names of the files that match, by code point of the file name (then of the path); hidden ones left out, as a
    shell's `*` leaves them out."""
    names = [path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_file()]
    seen = [name for name in names if not any(part.startswith(".") for part in name.split("/"))]
    return sorted(seen, key=lambda name: (name.rpartition("/")[2], name))


def english_and_translated(
    folder: Path, key: str, bases: Sequence[str], within: Callable[[Path, str, Sequence[str]], Iterable[Listing]]
) -> list[Listing]:
    """`within(folder, language, bases)` for the published English folders and for each translated copy's own."""
    found = list(within(folder, "en", bases))
    for language in XTREME:
        copy = f"translated/{key}/{language}"
        if language != "en" and (folder / copy).is_dir():
            found += within(folder, language, [copy] * len(bases))
    return found


def lent(lender: Task, folder: Path, split: str) -> list[Listing]:
    """The lender's English listing of this split: the same lines from the same files."""
    return [one for one in lender.listings(folder) if (one.language, one.split) == ("en", split)]
