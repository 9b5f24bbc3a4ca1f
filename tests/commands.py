"""xtl's command line as data: every command, and whether a written one parses, without running anything."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from xtl.cli.app import app


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, by the words that call it: ("data", "ls")."""

    def walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
        children = getattr(command, "commands", None)
        if children is None:
            yield words, command
        else:
            for name, child in children.items():
                yield from walk((*words, name), child)

    yield from walk((), get_command(app))


def parse(line: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The command that a line such as `xtl data ls --from DIR` calls, and its parameters. Raises typer's usage error
    for an option, argument or value that the command does not take, LookupError for a command that is not there."""
    name, *rest = shlex.split(line, comments=True)
    if name != "xtl":
        raise LookupError(f"{line!r} calls {name}, not xtl")
    for words, command in commands():
        if tuple(rest[: len(words)]) == words:
            context = command.make_context(" ".join(("xtl", *words)), rest[len(words) :])
            return words, context.params
    raise LookupError(f"xtl has no command for {line!r}")
