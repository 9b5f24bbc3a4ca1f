"""A report's files, as they lie in the store under `grids/NAME/` or in a folder.

report.html     the page: everything, and its figures
report.md       the same for a reader of text; report.tex, its tables for a paper
contrasts.csv   every difference in long form
figures/        each figure by itself: heat-map.svg, contrast-NAME.svg (its forest plot; .MODEL.svg where there are
                several models), layers-TASK.svg
report.json     the data that all of it is made from
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xtl.arms import label
from xtl.errors import Conflict, NotFound, StoreError, UserError
from xtl.report.model import Report, from_json, to_json
from xtl.store import layout
from xtl.store.base import Store
from xtl.store.parallel import each

#: Written last, so that who sees it sees the others as new as it is.
_LAST = "report.json"
_ROUNDS = 5  # of losing to another writer
_PATIENCE_SECONDS, _PAUSE_SECONDS = 60.0, 0.2


def files(report: Report, against: str = "") -> dict[str, bytes]:
    """Every view by file name. against: a published study to set beside this one (`published.py`)."""
    from xtl.report import csvs, latex, markdown, page, published

    texts = {
        "report.html": page.page(report, published.rows(report, against)),
        "report.md": markdown.markdown(report, against),
        "report.tex": latex.latex(report, against),
        **_figures(report),
    }
    found = {name: text.encode() for name, text in texts.items()}
    return {**found, "contrasts.csv": csvs.contrasts_csv(report), _LAST: to_json(report)}


def _figures(report: Report) -> dict[str, str]:
    from xtl.report import figures, heat, panels, svg

    base = heat.baseline(report)
    found = {"heat-map": panels.heat_map(heat.heat(report), report.tasks, base, "heat-map", report.setting)}
    several = len(report.models) > 1
    for one in report.contrasts:
        of = f".{label(one.model.lower())}" if several else ""
        found[f"contrast-{one.name}{of}"] = figures.forest(one, "forest", report.setting)
    for curves in report.sweeps:
        of = f".{label(curves[0].model.lower())}" if several else ""
        pieces = "-last-pieces" if curves[0].pooling == "last" else ""
        found[f"layers-{curves[0].task}{pieces}{of}"] = panels.layer_curves(curves, base, "layers", report.setting)
    return {f"figures/{name}.svg": svg.alone(drawn) for name, drawn in found.items()}


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What lies in the store. report: None where there is none, or none that can be read: a writer was killed, or is
    still at it, or was of another version. etag: of `report.json`, None where there is none."""

    report: Report | None
    etag: str | None


def stored(store: Store, grid: str) -> Stored:
    try:
        data, etag = store.get(f"{layout.grid_prefix(grid)}{_LAST}")
    except NotFound:
        return Stored(report=None, etag=None)
    try:
        return Stored(report=from_json(data), etag=etag)
    except UserError:
        return Stored(report=None, etag=etag)


def _settled(store: Store, grid: str) -> Stored:
    """What lies there once whoever writes it has ended, or has not for so long that he must have been killed."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while (there := stored(store, grid)).report is None and there.etag is not None and time.monotonic() < end:
        time.sleep(_PAUSE_SECONDS)
    return there


def to_store(report: Report, store: Store) -> None:
    """Into the grid's folder of the store. A report with holes never takes the place of a whole one of the same study.

    While the files are written, `report.json` is no report, so that a writer who is killed half way leaves nothing that
    looks done. Each step is conditional on the last: of two writers one finds out, waits for the other and writes it
    all anew, or, where the other's is whole and its own is not, puts the other's files back.
    Raises MissingPackage before anything is written, StoreError.
    """
    found, mixed = files(report), False
    for turn in range(_ROUNDS):
        there = _settled(store, report.grid) if turn else stored(store, report.grid)
        if there.report and report.missing and not there.report.missing and there.report.key == report.key:
            if mixed:  # ours came between its files
                _put_all(store, report.grid, files(there.report))
            return
        mark = b'{"format": "being written"}\n'
        name = f"{layout.grid_prefix(report.grid)}{_LAST}"
        try:
            etag = store.put(name, mark, create=there.etag is None, replace=there.etag)
            mixed = True
            _put_all(store, report.grid, found)
            store.put(name, found[_LAST], replace=etag)
            return
        except Conflict:
            continue
    raise StoreError(f"{store.url}: the report of {report.grid!r} kept changing: others write it at the same time")


def _put_all(store: Store, grid: str, found: Mapping[str, bytes]) -> None:
    """All but the last; figures of contrasts that are named otherwise now go."""
    prefix = layout.grid_prefix(grid)
    each(lambda name: store.put(f"{prefix}{name}", found[name]), [name for name in found if name != _LAST])
    for entry in list(store.list(f"{prefix}figures/")):
        if entry.name.removeprefix(prefix) not in found:
            store.delete(entry.name)


def from_store(store: Store, grid: str, folder: Path) -> None:
    """The files as they lie in the store, into a folder."""
    prefix = layout.grid_prefix(grid)
    for entry in store.list(prefix):
        name = entry.name.removeprefix(prefix)
        if name.startswith(("report.", "figures/")) or name == "contrasts.csv":
            _put(folder / name, store.get(entry.name)[0])


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def to_folder(report: Report, folder: Path, against: str = "") -> None:
    """Into a folder, made where it is not there. Links from the page to manifests and logs hold in the store alone."""
    for name, data in files(report, against).items():
        _put(folder / name, data)
