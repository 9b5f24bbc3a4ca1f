"""A grid's name in a store, and what later commands know of it: its plan as submitted.

The name is taken by the first grid that uses it and refused to another without `--replace`: of two at once, one has it.
What counts as the same grid is what it asks for (its rows, stages and contrasts), not its comments or layout; and the
same file over data or models that were mended before the study ever came to its end.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from xtl.errors import Conflict, NotFound, StoreError, UserError
from xtl.store import commit, layout
from xtl.store.base import Store

if TYPE_CHECKING:
    from xtl.grid import Grid
    from xtl.plan import Plan

_ROUNDS = 20


def register(store: Store, grid: Grid, plan: Plan, *, replace: bool) -> None:
    """Write the grid as submitted, and its rows for later commands. Raises UserError with the difference where the name
    stands for another grid."""
    name = f"{layout.grid_prefix(grid.name)}plan.json"
    for _ in range(_ROUNDS):
        known, etag = commit.get_tagged_json(store, name)
        if known is not None and known["reduce"] != plan.reduce and not replace and not _mended(store, grid, known):
            raise UserError(_taken(store, grid, known))
        if known is not None and known["reduce"] == plan.reduce and known["grid"] == grid.text:
            break
        try:
            commit.put_json(store, name, _body(grid, plan), create=etag is None, replace=etag)
            break
        except Conflict:  # someone else has written it since: look again
            continue
    else:
        raise StoreError(f"{store.url}: {name} keeps changing: is someone else submitting a grid of this name?")
    _put_text(store, f"{layout.grid_prefix(grid.name)}grid.yaml", grid.text.encode())


def _taken(store: Store, grid: Grid, known: dict[str, Any]) -> str:
    before = known["grid"].splitlines()
    now = grid.text.splitlines()
    changed = list(difflib.unified_diff(before, now, "in the store", "now", lineterm="", n=0))
    what = "\n".join(changed) or "(the file is the same: its data or models changed, or xtl did)"
    return (
        f"{store.url} already holds another grid named {grid.name!r}:\n{what}\nGive this one another name, or use "
        "--replace (results that both share are kept either way)"
    )


def _body(grid: Grid, plan: Plan) -> dict[str, Any]:
    rows = [{"model": r.model, "arm": r.arm, "seed": r.seed, "task": r.task, "key": r.key} for r in plan.rows]
    stages = {
        key: {
            "title": x.title,
            "kind": x.kind,
            "parents": list(x.parents),
            "labels": dict(x.labels),
            "seconds": x.seconds,  # as estimated now: `xtl status` holds it against what the stage took
        }
        for key, x in plan.stages.items()
    }
    return {"reduce": plan.reduce, "grid": grid.text, "rows": rows, "stages": stages, "order": list(stages)}


def _put_text(store: Store, name: str, text: bytes) -> None:
    """For people to read; after the plan, whose writer has the name."""
    try:
        there, _ = store.get(name)
    except NotFound:
        there = None
    if there != text:
        store.put(name, text)


def _mended(store: Store, grid: Grid, known: dict[str, Any]) -> bool:
    """The same file as before, of which no complete report is there to be lost."""
    return known["grid"] == grid.text and commit.read_manifest(store, known["reduce"]) is None


def read(store: Store, name: str) -> dict[str, Any]:
    """The plan of a grid as it was last run or submitted: reduce, grid (its text), rows, and stages by key in an order
    in which parents come first. Raises UserError where the store has no such grid."""
    found = commit.get_json(store, f"{layout.grid_prefix(name)}plan.json")
    if found is None:
        there = sorted({entry.name.split("/")[1] for entry in store.list(layout.GRIDS)})
        raise UserError(
            f"{store.url} holds no grid named {name!r}: run it first"
            + (f"; it holds {', '.join(there)}" if there else "")
        )
    order = found["order"]
    return {**found, "stages": {key: found["stages"][key] for key in order}}
