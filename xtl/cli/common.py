"""What the commands that take a grid share: its plan and store, with the command line's `--data` and `--store` put in,
and output that a person or a program reads. Heavy imports stay inside functions."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtl.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from xtl.grid import Grid
    from xtl.plan import Plan
    from xtl.store.base import Store


class Output(StrEnum):
    table = "table"
    json = "json"


GridFile = Annotated[Path, typer.Argument(help="The grid file.", metavar="GRID", show_default=False)]
StoreUrl = Annotated[str | None, typer.Option("--store", help="A folder or s3://bucket/prefix; default: the grid's.")]
DataPlace = Annotated[
    str | None, typer.Option("--data", help="A folder or s3:// prefix, or `hub`; default: the grid's.")
]
OutputFormat = Annotated[Output, typer.Option("-o", "--output", help="A table to read, or JSON.")]


def load_grid(path: Path, data: str | None, store: str | None) -> Grid:
    """The grid with the command line's places put in; those are relative to the current folder."""
    from dataclasses import replace

    from xtl.grid import load

    grid = load(path)
    if data is not None:
        grid = replace(grid, data=data if data == "hub" else place(data))
    if store is not None:
        grid = replace(grid, store=place(store))
    return grid


def place(text: str) -> str:
    """A folder made absolute, an s3:// prefix as it is."""
    if "://" in text:
        bare = text.rstrip("/")
        return bare if "://" in bare else text
    return str(Path(text).expanduser().resolve())


def make_plan(grid: Grid) -> Plan:
    """Look at the data and models, and plan."""
    from xtl.inventory import look
    from xtl.plan import build

    return build(grid, look(grid))


def open_grid_store(grid: Grid) -> Store:
    """The grid's store. Raises UserError where neither the grid nor the command line names one."""
    from xtl.store import open_store

    if grid.store is None:
        raise UserError("no store: give the grid a `store:` (a folder or s3://bucket/prefix), or use --store")
    return open_store(grid.store)


def console() -> Console:
    """Standard output, as wide as the terminal, or 200 columns where there is none so that no table is cut."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


def plain(text: str) -> str:
    """Text safe for a terminal: control characters of a log or a name shown, not obeyed."""
    return "".join(ch if ch.isprintable() or ch == "\n" else ascii(ch)[1:-1] for ch in text)


def duration(seconds: float) -> str:
    """`42s`, `3m10s`, `2h05m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
