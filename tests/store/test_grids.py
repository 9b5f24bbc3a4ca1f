"""A grid's name in a store is one grid's, on both stores, whoever else asks at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.run.study import RETRIEVAL, Study
from xtl.cli.common import load_grid, make_plan
from xtl.errors import UserError
from xtl.plan import Plan
from xtl.store import Store, commit, grids


@pytest.fixture
def plans(tmp_path: Path) -> list[Plan]:
    """Of two grids of one name."""
    texts = RETRIEVAL, RETRIEVAL.replace("[1]", "[2]").replace("tatoeba", "tatoeba, xnli")
    files = [Study(tmp_path / str(number), text).folder / "grid.yaml" for number, text in enumerate(texts)]
    return [make_plan(load_grid(file, None, None)) for file in files]


def at_once(monkeypatch: pytest.MonkeyPatch, store: Store, plans: list[Plan], *, replace: bool = False) -> list[str]:
    """Each registers the name, and none writes before all have looked; what was said to whom."""
    looked, look = threading.Barrier(len(plans)), commit.get_tagged_json
    first = threading.local()

    def together(*arguments: Any) -> Any:
        found = look(*arguments)
        if not hasattr(first, "look"):
            first.look = looked.wait(30)
        return found

    def register(plan: Plan) -> str:
        try:
            grids.register(store, plan.grid, plan, replace=replace)
        except UserError as error:
            return str(error)
        return ""

    with monkeypatch.context() as patched, ThreadPoolExecutor(len(plans)) as pool:
        patched.setattr(commit, "get_tagged_json", together)
        return list(pool.map(register, plans))


def written(store: Store) -> tuple[str, str]:
    """The grid's text, as the plan has it and as people read it."""
    return grids.read(store, "small")["grid"], store.get("grids/small/grid.yaml")[0].decode()


def test_of_two_grids_at_once_one_has_the_name(
    monkeypatch: pytest.MonkeyPatch, store: Store, plans: list[Plan]
) -> None:
    said = at_once(monkeypatch, store, plans)
    (loser,) = [number for number, text in enumerate(said) if text]
    assert "already holds another grid named 'small'" in said[loser]
    assert "-targets: [tatoeba" in said[loser]
    assert written(store) == (plans[1 - loser].grid.text,) * 2


def test_one_grid_twice_at_once_is_one_grid(monkeypatch: pytest.MonkeyPatch, store: Store, plans: list[Plan]) -> None:
    assert at_once(monkeypatch, store, [plans[0], plans[0]]) == ["", ""]
    assert written(store) == (plans[0].grid.text,) * 2


def test_a_name_that_is_taken_is_given_up_by_replace_alone(store: Store, plans: list[Plan]) -> None:
    one, two = plans
    grids.register(store, one.grid, one, replace=False)
    with pytest.raises(UserError, match="use --replace"):
        grids.register(store, two.grid, two, replace=False)
    assert written(store) == (one.grid.text,) * 2
    grids.register(store, two.grid, two, replace=True)
    assert written(store) == (two.grid.text,) * 2


def test_what_a_killed_client_left_half_written_is_completed(store: Store, plans: list[Plan]) -> None:
    plan = plans[0]
    grids.register(store, plan.grid, plan, replace=False)
    store.delete("grids/small/grid.yaml")
    grids.register(store, plan.grid, plan, replace=False)
    assert written(store) == (plan.grid.text,) * 2
