"""`xtl data`: what a folder of published files holds, and its examples in canonical form.

xtl data ls --from data -o json mnli
xtl data show xnli@de --split dev --from data -o jsonl --limit 3
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtl.errors import UserError, XtlError

if TYPE_CHECKING:
    from xtl.tasks.base import Example, Listing, Task

app = typer.Typer(no_args_is_help=True, help="Look at data sets: what a folder holds, and single examples.")


class _Rows(StrEnum):
    jsonl = "jsonl"
    table = "table"


class _Overview(StrEnum):
    json = "json"
    table = "table"


_From = Annotated[str, typer.Option("--from", metavar="DIR", help="Folder (or s3:// prefix) of the published files.")]


@app.command()
def show(
    task: Annotated[
        str, typer.Argument(metavar="TASK[@LANG]", help="A data set, as in `xnli@de`; English if no language is said.")
    ],
    source: _From,
    split: Annotated[
        str, typer.Option(help="train, dev or test; of retrieval sets test.de, test.en or dev.gold.")
    ] = "dev",
    output: Annotated[
        _Rows, typer.Option("-o", "--output", help="To read, or as jsonl: the canonical bytes.")
    ] = _Rows.table,
    limit: Annotated[int | None, typer.Option(min=0, help="Stop after so many examples.")] = None,
) -> None:
    """Print examples in canonical form.

    Example: xtl data show xnli@de --split dev --from data -o jsonl --limit 3
    """
    folder = _folder(source)
    listing = _find(task, split, folder)
    examples = islice(listing.read(), limit)
    if output is _Rows.jsonl:
        from xtl.tasks.canonical import line

        _write(line(example) for example in examples)
    else:
        _write(_sheet(example).encode() for example in examples)
    if limit is None:
        _say_dropped(task, listing)


@app.command()
def ls(
    source: _From,
    tasks: Annotated[list[str] | None, typer.Argument(metavar="[TASK]...", help="Data sets; all if none.")] = None,
    output: Annotated[_Overview, typer.Option("-o", "--output", help="A table to read, or JSON.")] = _Overview.table,
) -> None:
    """Count the examples and labels of every split that a folder holds, and hash them.

    Example: xtl data ls --from data -o json mnli qqp
    """
    from xtl.tasks import TASKS, get
    from xtl.tasks.canonical import summarise

    folder = _folder(source)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for task in [get(key) for key in dict.fromkeys(tasks)] if tasks else TASKS.values():
        if tasks and output is _Overview.table:
            found[task.key] = {}  # so that a task without data is told of where it was named
        for listing in task.listings(folder):
            summary = summarise(listing)
            _say_dropped(f"{task.key}@{listing.language} {listing.split}", listing)
            found.setdefault(task.key, {}).setdefault(listing.language, {})[listing.split] = summary
    if not found and not tasks:
        raise UserError(
            f"{source} holds nothing of what xtl reads; `xtl data ls --from {source} xnli` says where XNLI's files go, "
            "README.md where all do"
        )
    if output is _Overview.json:
        _write([json.dumps(found, ensure_ascii=False, indent=1).encode() + b"\n"])
    else:
        from xtl.cli.data_table import overview

        _write([overview(found, terminal=sys.stdout is not None and sys.stdout.isatty()).encode()])


def _folder(source: str) -> Path:
    if source.startswith("s3://"):
        from xtl.inventory import local_data

        return local_data(source)
    folder = Path(source)
    if not folder.is_dir():
        raise UserError(f"--from: {source} is not a folder; name the one that holds the published files")
    return folder


def _find(name: str, split: str, folder: Path) -> Listing:
    """The listing that TASK[@LANG] and a split mean. Raises UserError that says what there is instead."""
    from xtl.tasks import get

    key, at, language = name.partition("@")
    task = get(key)
    language = language if at else "en"
    listings = task.listings(folder)
    for listing in listings:
        if (listing.language, listing.split) == (language, split):
            return listing
    raise UserError(_missing(task, language, split, folder, listings))


def _missing(task: Task, language: str, split: str, folder: Path, listings: list[Listing]) -> str:
    """What was looked for, what there is, and where to get the rest."""
    there: dict[str, list[str]] = {}
    for listing in listings:
        there.setdefault(listing.language, []).append(listing.split)
    known = {*task.languages, *task.train_languages, *there}
    lines = [f"{folder} holds no {task.key}@{language} {split}"]
    if language not in known and task.target:
        lines.append(f"{task.title} has no {language!r}; its languages are: {' '.join(task.languages)}")
    elif language in there:
        lines.append(f"there are of {task.key}@{language}: {' '.join(there[language])}")
    elif there:
        lines.append(f"there are: {' '.join(f'{task.key}@{one}' for one in there)}")
    if language in known or not task.target:
        lines.append(_looked_for(task, language, split))
    if task.manual:
        lines.append(f"where to get it: {task.manual}")
    return "\n  ".join(lines)


def _looked_for(task: Task, language: str, split: str) -> str:
    """The files that would make the listing, or why none would."""
    from xtl.tasks import get

    stem = split.partition(".")[0]
    if language == "en" and stem == "train" and task.train_from:
        task = get(task.train_from)
    elif language == "en" and stem == "dev" and task.dev_from:
        task = get(task.dev_from)
    elif language not in (*task.languages, *task.train_languages):
        return f"looked for: translated/{task.key}/{language}/, which holds the published files' names"
    if stem not in task.layout:
        return f"{task.title} has no {stem} split, only {' '.join(task.layout)}"
    return f"looked for: {task.layout[stem].replace('LANG', language)}"


def _sheet(example: Example) -> str:
    """One example for reading: a field a line, what a terminal would act on spelled out."""
    rows = [f"{key}: {_plain(value)}" for key, value in example.items()]
    return "\n".join(rows) + "\n\n"


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _say_dropped(name: str, listing: Listing) -> None:
    for reason, number in listing.dropped.items():
        print(f"{name}: {number} rows dropped ({reason})", file=sys.stderr)


def _write(chunks: Iterable[bytes]) -> None:
    """To stdout as they are. A reader that has seen enough (`| head`) is no error; a disk that is full is one."""
    if sys.stdout is None:
        raise XtlError("standard output is closed: send it to a file or a pipe")
    stream = sys.stdout.buffer
    try:
        for chunk in chunks:
            stream.write(chunk)
        stream.flush()
    except OSError as error:
        # Python flushes stdout once more at exit: give it something that takes the bytes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            raise XtlError(f"cannot write to standard output: {error.strerror}; what is there is cut off") from error


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; files there are overwritten.")],
) -> None:
    """Write the data of `grids/demo.yaml`: a made-up world in six languages, in the published formats.

    Example: xtl data demo demo-study/data
    """
    from xtl.microworld import write

    try:
        write(folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    print(f"Demo data written to {folder}; `xtl data ls --from {folder}` lists them.")
