"""A study with all its stages done, one after another in this process."""

from __future__ import annotations

from pathlib import Path

from jobs import stage
from tests.grids import grid
from xtl.inventory import look
from xtl.local import prepare
from xtl.plan import Plan, build
from xtl.store import open_store
from xtl.store.base import Store


def done(text: str, folder: Path) -> tuple[Plan, Store]:
    """text: of a grid, whose data and models lie in the folder."""
    found = grid(text, folder)
    plan = build(found, look(found))
    store = open_store(str(folder / "store"))
    prepare(plan, store)
    for one in plan.stages.values():
        assert stage.main(["--store", store.url, "--key", one.key]) == 0, one.title
    return plan, store
