"""`xtl status`: every stage of a grid, what it does or why it does not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtl.cli.common import GridFile, Output, OutputFormat, StoreUrl

if TYPE_CHECKING:
    from xtl.states import StageState
    from xtl.store.base import Store


def status(
    grid_file: GridFile,
    store: StoreUrl = None,
    all_: Annotated[bool, typer.Option("--all", "-a", help="List stages that are done, too.")] = False,
    output: OutputFormat = Output.table,
) -> None:
    """Show what every stage of a grid is doing, or why it is not.

    Example: xtl status my-study.yaml --all
    """
    from dataclasses import asdict

    from xtl.cli.common import load_grid, open_grid_store, print_json

    grid = load_grid(grid_file, None, store)
    found = look(open_grid_store(grid), grid.name)
    if output == Output.json:
        print_json({"grid": grid.name, "stages": [asdict(stage) for stage in found]})
    else:
        _show(grid.name, found, all_)


def look(store: Store, name: str) -> list[StageState]:
    """The states of a grid as it was last run: four flat listings, and the documents of what is not done."""
    import time

    from xtl.states import states
    from xtl.store import commit, grids, layout

    stages = grids.read(store, name)["stages"]
    done = commit.manifests(store)
    open_ = set(stages) - done
    return states(
        stages,
        done=done,
        failed=_documents(store, layout.FAILED, open_),
        progress=_documents(store, layout.PROGRESS, open_),
        now=time.time(),
    )


def _documents(store: Store, prefix: str, keys: set[str]) -> dict[str, dict[str, Any]]:
    from xtl.store import commit, layout
    from xtl.store.parallel import each

    there = {key: entry.name for entry in store.list(prefix) if (key := layout.key_of(entry.name)) in keys}
    bodies = each(lambda name: commit.get_json(store, name), list(there.values()))
    return {key: body for key, body in zip(there, bodies, strict=True) if key and body}


def _show(name: str, found: list[StageState], all_: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from xtl.cli.common import console, duration, plain

    count = Counter(stage.state for stage in found)
    out = console()
    out.print(Text(plain(f"{name}: " + ", ".join(f"{n} {state}" for state, n in count.items()))))
    listed = [stage for stage in found if all_ or stage.state != "done"]
    if listed:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for column in ("stage", "key", "state", "step", "loss", "left", "why"):
            table.add_column(column, no_wrap=column in ("key", "state", "step", "left"))
        for stage in listed:
            beat = stage.progress
            steps = f"{beat['step']}/{beat['steps']}" if "steps" in beat else ""
            left = duration(beat["seconds_left"]) if "seconds_left" in beat and stage.state == "running" else ""
            loss = "" if beat.get("loss") is None else str(beat["loss"])
            cells = (stage.title, stage.key[:12], stage.state, steps, loss, left, stage.reason)
            table.add_row(*(Text(plain(cell)) for cell in cells))
        out.print(table)
    if count["done"] and not all_:
        out.print("What is done is not listed: --all lists it.")
