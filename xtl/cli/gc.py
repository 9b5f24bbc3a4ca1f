"""`xtl gc`: what a store holds that nothing needs, and which committed stages are damaged."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from xtl.cli.common import Output, OutputFormat

if TYPE_CHECKING:
    from xtl.store.gc import Damage, Litter


def gc(
    store: Annotated[str, typer.Option("--store", help="A folder or s3://bucket/prefix.", show_default=False)],
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every committed stage and check its bytes, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    output: OutputFormat = Output.table,
) -> None:
    """List what nothing in a store needs any more (a day old at least), and remove it once you agree.

    That is: stages that no grid in the store asks for (it was replaced, its data mended, or its grids/NAME removed),
    attempts that came to nothing, states of stages that are done, notes out of date, and uploads that no stage reads.

    Without a terminal and without --yes nothing is removed. With --verify the exit status is 1 if a stage is damaged.

    Example: xtl gc --store runs --verify
    """
    from dataclasses import asdict

    from xtl.cli.common import plain, print_json
    from xtl.store import gc as store_gc
    from xtl.store import open_store

    opened = open_store(store)
    damaged = store_gc.damaged(opened, _progress(output)) if verify else []
    litter = store_gc.find(opened)
    if output == Output.table:
        _show(damaged, litter, verify)
        if not litter and not any(True for _ in opened.list("stages/")):
            typer.echo(f"There are no stages in {plain(opened.url)}: is this the store that you mean?")
    removed = bool(litter) and (yes or _agreed(output))
    if removed:
        store_gc.remove(opened, litter)
    if output == Output.json:
        found = [{"name": x.name, "why": x.why, "bytes": x.size, "age_seconds": x.age_seconds} for x in litter]
        print_json({"damaged": [asdict(stage) for stage in damaged], "litter": found, "removed": removed})
    elif litter:
        typer.echo("Removed." if removed else "Nothing was removed (a dry run: use --yes).")
    if damaged:
        raise typer.Exit(1)


def _agreed(output: Output) -> bool:
    """Asked on a terminal alone; a program that reads JSON is not asked."""
    if output == Output.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return typer.confirm("Remove all of this?")


def _progress(output: Output) -> Callable[[int, int], None]:
    def show(done: int, of: int) -> None:
        if output == Output.table and sys.stderr.isatty():
            end = "\n" if done == of else "\r"
            print(f"verified {done} of {of} stages", end=end, file=sys.stderr, flush=True)

    return show


def _show(damaged: list[Damage], litter: list[Litter], verify: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from xtl.cli.common import console, duration, plain

    for stage in damaged:
        typer.echo(plain(f"damaged: {stage.title} ({stage.key[:12]}): {'; '.join(stage.problems)}"))
    if damaged:
        typer.echo("A damaged stage counts as not done: `xtl run` with its grid runs it again.")
    elif verify:
        typer.echo("Every committed stage is whole.")
    if not litter:
        typer.echo("Nothing to remove.")
        return
    table = Table(title=f"{len(litter)} to remove, {_size(sum(x.size for x in litter))}", title_justify="left")
    for column in ("what", "why", "size", "age"):
        table.add_column(column, overflow="fold")
    for one in litter:
        table.add_row(Text(plain(one.name)), one.why, _size(one.size), duration(one.age_seconds))
    console().print(table)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
