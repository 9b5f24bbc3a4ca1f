"""How long `submit --wait` bears with being turned away by an API server, and `status -w` with stages without a Job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.grid import MINIMAL, write
from tests.leases import Leases
from xtl import waiting
from xtl.cli import status
from xtl.cli.common import Output
from xtl.cli.status_table import Report
from xtl.cluster import ClusterError, ClusterRefused
from xtl.grid import load
from xtl.plan import Plan, Stage
from xtl.states import StageState, State
from xtl.store import open_store
from xtl.waiting import Waiting

OK, NO, AWAY = "lets us in", "turns us away", "does not answer"


@pytest.fixture
def following(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Waiting, list[str]]]:
    """A study of one stage, whose looks go as told; at the last it is done. Each look takes a minute."""
    clock = [0.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: None)

    def make(*looks: str) -> tuple[Waiting, list[str]]:
        stage = Stage(key="k", kind="fetch", title="fetch xnli", spec={}, where={}, parents=(), labels={})
        plan = Plan(grid=load(write(tmp_path, MINIMAL)), stages={"k": stage}, rows=(), reduce="k")
        said: list[str] = []
        one = Waiting(plan, open_store(str(tmp_path / "store")), Leases(), said.append)
        script = list(looks)

        def look() -> None:
            clock[0] += 60.0
            if not script:
                one.states["k"] = "done"
            elif (answer := script.pop(0)) != OK:
                raise ClusterRefused(answer) if answer == NO else ClusterError(answer)

        monkeypatch.setattr(one, "look", look)
        return one, said

    return make


def test_an_api_server_that_has_let_us_in_may_refuse_for_minutes(following: Any) -> None:
    one, said = following(OK, NO, NO, NO, NO, OK, NO)
    assert one.run()
    assert said == [f"{NO}. Waiting for it"] * 2


@pytest.mark.parametrize("looks", [[NO], [AWAY, NO], [OK, *[NO] * 20], [OK, *[AWAY] * 20, *[NO] * 20]])
def test_a_refusal_at_first_or_for_long_ends_it(looks: list[str], following: Any) -> None:
    one, _ = following(*looks)
    with pytest.raises(ClusterRefused):
        one.run()


def test_an_hour_without_an_answer_uses_up_no_patience_with_refusals(following: Any) -> None:
    one, _ = following(OK, NO, *[AWAY] * 60, NO, NO, OK)
    assert one.run()


def states(*found: State) -> Report:
    stages = [StageState(key=str(n), title=f"stage {n}", kind="target", state=one) for n, one in enumerate(found)]
    return Report(name="s", stages=stages, counts={})


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[Report]], int]:
    """Watches these looks, the last of them for good; how many it took. Each takes ten seconds."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    def run(reports: Sequence[Report]) -> int:
        looks = 0

        def report(*where: Any) -> Report:
            nonlocal looks
            looks += 1
            clock[0] += 10.0
            assert looks < 100, "it never ends"
            return reports[min(looks, len(reports)) - 1]

        monkeypatch.setattr(status, "report", report)
        status._watch("s", {}, open_store(str(tmp_path / "store")), None, False, Output.table)
        return looks

    return run


def test_a_watch_ends_where_nothing_is_left_but_what_has_no_job(watch: Any) -> None:
    assert watch([states("done", "running"), states("done", "missing", "failed")]) == 5


def test_a_watch_bears_with_jobs_that_are_made_anew(watch: Any) -> None:
    assert watch([states("missing")] * 3 + [states("running")] * 9 + [states("missing")] * 2 + [states("done")]) == 15


def test_a_watch_goes_on_while_anything_does(watch: Any) -> None:
    assert watch([states("missing", "waiting")] * 50 + [states("done", "done")]) == 51
