"""`xtl report`: the answer of a study, from the store."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xtl.cli.common import GridFile, StoreUrl

if TYPE_CHECKING:
    from xtl.report.model import Report
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
    output: Annotated[Output, typer.Option("-o", "--output", help="The answer to read, or all as JSON.")] = Output.text,
) -> None:
    """Answer the grid's question: its contrasts and how sure they are, over the results that are there.

    The whole report lies in the store beside the scores, under grids/NAME/: report.html, and the same for papers
    (Markdown, LaTeX, CSV, SVG). The reduce stage writes it; this command brings it up to date.

    Example: xtl report my-study.yaml --to my-report
    """
    from xtl.cli.common import load_grid, open_grid_store, plain
    from xtl.report.model import to_json
    from xtl.report.write import to_folder

    grid = load_grid(grid_file, None, store)
    opened = open_grid_store(grid)
    found = current(opened, grid.name)
    if to is not None:
        to_folder(found, to)
    if output == Output.json:
        sys.stdout.write(to_json(found).decode())
        return
    print_answer(found)
    print(plain(f"Report: {to if to is not None else f'{opened.url}/grids/{grid.name}'}/report.html"))


def current(store: Store, name: str) -> Report:
    """The grid's report over all that is there: what the reduce stage wrote where that is whole, else made now and put
    in the store. Raises UserError where there is neither a result nor what it takes to make a report."""
    from xtl.errors import MissingPackage, UserError
    from xtl.report.model import from_json
    from xtl.store import commit, grids, layout

    known = grids.read(store, name)
    written = f"{layout.grid_prefix(name)}report.json"
    before = from_json(store.get(written)[0]) if store.head(written) else None
    if before is not None and before.key == known["reduce"] and not before.missing:
        return before
    spec = (commit.get_json(store, layout.spec_name(known["reduce"])) or {}).get("spec")
    if spec is None:
        raise UserError(f"{store.url} has no spec of the reduce stage of {name!r}: run or submit the grid again")
    try:
        from xtl.report.evidence import collect, make
    except ImportError as error:
        raise MissingPackage(error.name or "scipy", "report") from error
    from xtl.report.write import to_store

    found = make(store, spec, known["reduce"], collect(store, spec))
    if before is None or before.key != found.key or before.missing != found.missing:
        to_store(found, store)
    return found


def print_answer(found: Report) -> None:
    """The answer in a screen."""
    from rich.text import Text

    from xtl.cli.common import console, plain

    out = console()
    for line in (*found.answer.sentences, *found.answer.cautions):
        out.print(Text(plain(line)), soft_wrap=not out.is_terminal)
