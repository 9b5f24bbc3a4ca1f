"""`xtl logs`: a stage's log, from the store, while it runs and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xtl.cli.common import GridFile, StoreUrl

if TYPE_CHECKING:
    from xtl.store.base import Store


def logs(
    grid_file: GridFile,
    stage: Annotated[str, typer.Argument(help="The beginning of a stage's key, or a part of its title.")],
    store: StoreUrl = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the stage ends.")] = False,
) -> None:
    """Print the log of a stage's latest attempt.

    Example: xtl logs grids/demo.yaml "xnli after none" --store runs/demo
    """
    from xtl.cli.common import load_grid, open_grid_store

    grid = load_grid(grid_file, None, store)
    opened = open_grid_store(grid)
    _print(opened, _find(opened, grid.name, stage), follow)


def _find(store: Store, grid: str, wanted: str) -> str:
    """The one stage whose key starts so or whose title holds it. Raises UserError with the choices."""
    from xtl.errors import UserError
    from xtl.store import grids

    stages = grids.read(store, grid)["stages"]
    found = [key for key, stage in stages.items() if key.startswith(wanted) or wanted in stage["title"]]
    exact = [key for key in found if stages[key]["title"] == wanted]
    found = exact or found
    if len(found) != 1:
        shown = "\n".join(f"  {key[:12]} {stages[key]['title']}" for key in (found or stages))
        raise UserError(f"{len(found) or 'no'} stages match {wanted!r}; choose one of\n{shown}")
    return found[0]


def _print(store: Store, key: str, follow: bool) -> None:
    import time

    from xtl.cli.common import plain
    from xtl.errors import UserError
    from xtl.store import commit, layout

    shown = 0
    while True:
        name = _newest(store, key)
        ended = not follow or commit.read_manifest(store, key) or commit.get_json(store, layout.failed_name(key))
        if name is None and ended:
            raise UserError(f"stage {key[:12]} has no log yet: it has not started")
        text = store.get(name)[0].decode("utf-8", "replace") if name else ""
        typer.echo(plain(text[shown:]), nl=False)
        shown = len(text)
        if ended:
            return
        time.sleep(2.0)


def _newest(store: Store, key: str) -> str | None:
    from xtl.store import layout

    entries = [entry for entry in store.list(layout.attempts_prefix(key)) if entry.name.endswith("/log.txt")]
    return max(entries, key=lambda entry: entry.modified).name if entries else None
