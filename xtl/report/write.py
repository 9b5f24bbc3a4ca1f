"""A report's files, as they lie in the store under `grids/NAME/` or in a folder.

report.html     the page: everything, and its figures
report.md       the same for a reader of text; report.tex, its tables for a paper
contrasts.csv   every difference in long form
figures/        each figure by itself: heat-map.svg, CONTRAST.svg (its forest plot; .MODEL.svg where there are
                several models), layers-TASK.svg
report.json     the data that all of it is made from
"""

from __future__ import annotations

from pathlib import Path

from xtl.arms import label
from xtl.report.model import Report, to_json
from xtl.store import layout
from xtl.store.base import Store
from xtl.store.parallel import each


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
    # Last, so that who sees it sees the others as new as it is.
    return {**found, "contrasts.csv": csvs.contrasts_csv(report), "report.json": to_json(report)}


def _figures(report: Report) -> dict[str, str]:
    from xtl.report import figures, heat, svg

    base = heat.baseline(report)
    found = {"heat-map": figures.heat_map(heat.heat(report), report.tasks, base, "heat-map")}
    several = len(report.models) > 1
    for one in report.contrasts:
        of = f".{label(one.model.lower())}" if several else ""
        found[f"{one.name}{of}"] = figures.forest(one, "forest")
    for model, task in dict.fromkeys((curve.model, curve.task) for curve in report.layers):
        of = f".{label(model.lower())}" if several else ""
        curves = [curve for curve in report.layers if (curve.model, curve.task) == (model, task)]
        found[f"layers-{task}{of}"] = figures.layer_curves(curves, base, "layers")
    return {f"figures/{name}.svg": svg.alone(drawn) for name, drawn in found.items()}


def to_store(report: Report, store: Store) -> None:
    """Into the grid's folder of the store. A reader sees an old file or a new one, whole."""
    prefix, found = layout.grid_prefix(report.grid), files(report)
    last = "report.json"
    each(lambda name: store.put(f"{prefix}{name}", found[name]), [name for name in found if name != last])
    store.put(f"{prefix}{last}", found[last])


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
