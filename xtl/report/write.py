"""A report's files, as they lie in the store under `grids/NAME/` or in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from xtl.report.model import Report, to_json
from xtl.store import layout
from xtl.store.base import Store

#: Each file and what makes it. Links from the page are relative to its place in the store.
_MAKERS: dict[str, Callable[[Report], bytes]] = {
    "report.json": to_json,
}


def files(report: Report) -> dict[str, bytes]:
    """Every view by file name."""
    return {name: make(report) for name, make in _MAKERS.items()}


def to_store(report: Report, store: Store) -> str:
    """Into the grid's folder of the store; its URL. A reader sees an old file or a new one, whole."""
    prefix = layout.grid_prefix(report.grid)
    for name, data in files(report).items():
        store.put(f"{prefix}{name}", data)
    return f"{store.url}/{prefix}"


def to_folder(report: Report, folder: Path) -> None:
    for name, data in files(report).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
