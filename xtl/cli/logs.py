"""`xtl logs`: a stage's log, from the store, while it runs and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xtl.cli.common import GridFile, StoreUrl

if TYPE_CHECKING:
    from xtl.store.base import Store

FOLLOW_SECONDS = 1.0


def logs(
    grid_file: GridFile,
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="The beginning of its key, or a part of its title.")],
    store: StoreUrl = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Keep printing until the stage ends.")] = False,
) -> None:
    """Print the log of a stage's latest attempt.

    Example: xtl logs my-study.yaml "xnli after none" --follow
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
    """The newest attempt's log; with `follow`, what is added to it and the logs of later attempts, until one commits,
    fails for good or is stopped."""
    import time

    from xtl.cli.common import plain
    from xtl.errors import UserError

    shown, last = 0, None
    while True:
        ended = not follow or _ended(store, key)  # asked before the log is read, so that its end is not missed
        name = _newest(store, key)
        if name is None and ended:
            raise UserError(f"stage {key[:12]} has no log yet: it has not started")
        if name is not None:
            shown, last = (shown if name == last else 0), name
            data = store.get(name)[0]
            whole = data.rfind(b"\n") + 1 if not ended else len(data)
            typer.echo(plain(data[shown:whole].decode("utf-8", "replace")), nl=False)
            shown = max(shown, whole)
        if ended:
            return
        time.sleep(FOLLOW_SECONDS)


def _ended(store: Store, key: str) -> bool:
    from xtl.store import commit, layout

    if commit.get_json(store, layout.failed_name(key)):
        return True
    beat = commit.get_json(store, layout.progress_name(key)) or {}
    return bool(beat.get("ended")) and beat.get("state") in ("committed", "stopped")


def _newest(store: Store, key: str) -> str | None:
    from xtl.store import layout

    entries = [entry for entry in store.list(layout.attempts_prefix(key)) if entry.name.endswith("/log.txt")]
    return max(entries, key=lambda entry: entry.modified).name if entries else None
