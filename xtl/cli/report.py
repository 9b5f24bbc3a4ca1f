"""`xtl report`: the answer of a study, from the store."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xtl.cli.common import GridFile, StoreUrl, plain

if TYPE_CHECKING:
    from xtl.report.model import Report
    from xtl.report.tables import Table
    from xtl.store.base import Store


class Output(StrEnum):
    text = "text"
    json = "json"


To = Annotated[
    Path | None, typer.Option("--to", metavar="DIR", help="Write the page, tables and figures into this folder, too.")
]


def report(
    grid_file: GridFile,
    store: StoreUrl = None,
    to: To = None,
    against: Annotated[
        str, typer.Option("--against", metavar="STUDY", help="Set a published study beside it: phang2020.")
    ] = "",
    output: Annotated[Output, typer.Option("-o", "--output", help="The answer to read, or all as JSON.")] = Output.text,
) -> None:
    """Answer the grid's question: its contrasts and how sure they are, over the results that are there.

    The whole report lies in the store beside the scores, under grids/NAME/: report.html, and the same for papers
    (Markdown, LaTeX, CSV, SVG). The reduce stage writes it; this command brings it up to date.

    Example: xtl report my-study.yaml --to my-report --against phang2020
    """
    from xtl.cli.common import console, load_grid, open_grid_store
    from xtl.report import published
    from xtl.report.model import to_json
    from xtl.report.text import text
    from xtl.report.write import from_store, to_folder

    grid = load_grid(grid_file, None, store)
    opened = open_grid_store(grid)
    found, stored = current(opened, grid.name)
    beside = published.table(found, against) if against else None
    if to is not None and stored and not against:
        from_store(opened, grid.name, to)
    elif to is not None:
        to_folder(found, to, against)
    if output == Output.json:
        sys.stdout.write(to_json(found).decode())
        return
    out = console()
    print(text(found, out.width, max(24, out.height)))
    if beside is not None:
        print_table(beside)
    print(plain(f"Report: {to if to is not None else f'{opened.url}/grids/{grid.name}'}/report.html"))


def current(store: Store, name: str) -> tuple[Report, bool]:
    """The grid's report over all that is there, and whether the store has its files: what the reduce stage wrote where
    that is whole, else made now. Raises UserError where it takes more to make one than is installed."""
    from xtl.errors import MissingPackage, StoreError, UserError
    from xtl.report.model import from_json
    from xtl.store import commit, grids, layout

    known = grids.read(store, name)
    written = f"{layout.grid_prefix(name)}report.json"
    before = from_json(store.get(written)[0]) if store.head(written) else None
    if before is not None and before.key == known["reduce"] and not before.missing:
        return before, True
    spec = (commit.get_json(store, layout.spec_name(known["reduce"])) or {}).get("spec")
    if spec is None:
        raise UserError(f"{store.url} has no spec of the reduce stage of {name!r}: run or submit the grid again")
    try:
        from xtl.report.evidence import collect, make
    except ImportError as error:
        raise MissingPackage(error.name or "scipy", "report") from error
    from xtl.report.write import to_store

    found = make(store, spec, known["reduce"], collect(store, spec))
    try:
        if before is None or (before.key, before.missing) != (found.key, found.missing):
            to_store(found, store)
    except StoreError as error:  # who may only read reads it all the same
        print(plain(f"the report is not in the store: {error}"), file=sys.stderr)
        return found, False
    return found, True


def print_table(one: Table) -> None:
    """A report's table with its notes."""
    from rich.table import Table as Rich
    from rich.text import Text

    from xtl.cli.common import console

    out = console()
    shown = Rich(title=Text(one.title), title_justify="left")
    for at, name in enumerate(one.head):
        shown.add_column(Text(name), justify="left" if at < one.text else "right")
    for row in one.rows:
        shown.add_row(*map(Text, row))
    out.print(shown)
    for note in one.notes:
        out.print(Text(note), soft_wrap=not out.is_terminal)
