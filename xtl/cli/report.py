"""`xtl report`: the answer of a study, from the store."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xtl.cli.common import GridFile, StoreUrl, plain
from xtl.errors import UserError

if TYPE_CHECKING:
    from xtl.grid import Grid
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
        str, typer.Option("--against", metavar="STUDY", help="Set one published study beside it: phang2020.")
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

    if against and output == Output.json:
        raise UserError("--against sets a published study beside the text and the page: leave it out with -o json")
    grid = load_grid(grid_file, None, store)
    opened = open_grid_store(grid)
    found, stored = current(opened, grid)
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
    if to is not None or stored:
        print(plain(f"Report: {to if to is not None else f'{opened.url}/grids/{grid.name}'}/report.html"))


def current(store: Store, grid: Grid) -> tuple[Report, bool]:
    """The grid's report over all that is there, and whether the store has its files: the one that lies there where that
    is of this study, version and state, else made now. Raises UserError where it takes more to make one than is
    installed."""
    from xtl import __version__
    from xtl.errors import MissingPackage, StoreError
    from xtl.report.write import stored, to_store
    from xtl.store import grids

    known = grids.read(store, grid.name)
    if known["grid"] != grid.text:
        again = "`xtl run` or `xtl submit`, with --replace if it asks something else, answers it as it is"
        print(f"the grid file is not as it was run, and this answers it as it was: {again}", file=sys.stderr)
    before = stored(store, grid.name).report
    if before is not None and (before.key, before.xtl) != (known["reduce"], __version__):
        before = None
    if before is not None and not before.missing:
        return before, True
    try:
        found = _brought_up(store, grid.name, known["reduce"], before)
    except ModuleNotFoundError as error:
        raise MissingPackage((error.name or "scipy").partition(".")[0], "report") from error
    if found is before:
        return found, True
    try:
        to_store(found, store)
    except (StoreError, MissingPackage) as error:  # who may only read, or has no jinja2, reads the text all the same
        print(plain(f"the report is not in the store: {error}"), file=sys.stderr)
        return found, False
    return found, True


def _brought_up(store: Store, name: str, key: str, before: Report | None) -> Report:
    """`before` where it says of every stage what the store says now, else a new one. key: of the reduce stage."""
    from xtl.report.build import rows_of
    from xtl.report.evidence import collect, make
    from xtl.report.runs import runs
    from xtl.store import commit, layout

    spec = (commit.get_json(store, layout.spec_name(key)) or {}).get("spec")
    if spec is None:
        raise UserError(f"{store.url} has no spec of the reduce stage of {name!r}: run or submit the grid again")
    evidence = collect(store, spec, key)
    if before is not None and before.runs == runs(rows_of(spec), evidence):
        return before
    return make(store, spec, key, evidence)


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
