"""What a round decides, as a table and as properties over made studies; the patches it sends; a pod's last words."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl import render
from xtl.controller import summary
from xtl.decide import RELEASED, SKIPPED, UNCOMMITTED, Action, Job, change, decide, gates, held
from xtl.lastwords import last_words

QUEUED = {render.QUEUE: "team-a"}


def job(
    key: str,
    *parents: str,
    kind: str = "target",
    suspend: bool = True,
    ended: str = "",
    queue: bool = False,
    gate: str | None = render.GATED_BY,
    **notes: str,
) -> Job:
    """A Job as the API server lists it. notes: `skipped` and `released`; ended: a condition, or `deleted`."""
    annotations = {
        render.KEY: key,
        render.PARENTS: " ".join(parents),
        render.TITLE: f"the {key}",
        render.STORE: "s3://b",
    }
    annotations |= {f"xtl.dev/{name}": value for name, value in notes.items()}
    if gate is not None:
        annotations[render.GATE] = gate
    meta: dict[str, Any] = {"name": f"xtl-{key}", "uid": f"uid-{key}", "annotations": annotations}
    meta["labels"] = {"xtl.dev/kind": kind, **(QUEUED if queue else {})}
    if ended == "deleted":
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        ended = "Failed"
    why = {"reason": "BackoffLimitExceeded", "message": "too often"} if ended == "Failed" else {}
    conditions = [{"type": ended, "status": "True", **why}] if ended else None
    return {"metadata": meta, "spec": {"suspend": suspend}, "status": {"conditions": conditions}}


def reduce(*parents: str, **more: Any) -> Job:
    return job("reduce", *parents, kind="reduce", **more)


def said(jobs: list[Job], done: str = "", failed: str = "") -> list[str]:
    """`kind key: reason` of each action; done and failed are keys, space-separated."""
    found = decide(jobs, set(done.split()), set(failed.split()))
    return [f"{action.kind} {action.key}" + (f": {action.reason}" if action.reason else "") for action in found]


FREE = {"suspend": False, "gate": None, "released": "now"}  # released by us


@pytest.mark.parametrize(
    ("jobs", "done", "failed", "expected"),
    [
        pytest.param([job("a")], "", "", ["release a"], id="no parents"),
        pytest.param([job("b", "a")], "", "", [], id="parent missing: wait"),
        pytest.param([job("a", **FREE), job("b", "a")], "", "", [], id="parent running: wait"),
        pytest.param([job("b", "a")], "a", "", ["release b"], id="parent committed, its Job gone"),
        pytest.param([job("c", "a", "b")], "a", "", [], id="one of two parents"),
        pytest.param([job("a")], "a", "", [], id="committed, still held: nothing to run"),
        pytest.param([job("a", **FREE)], "", "", [], id="released already"),
        pytest.param([job("a", ended="Failed"), job("b", "a"), job("c", "b")], "", "",
                     ["fail a: BackoffLimitExceeded: too often", "skip b: needs the a, which failed",
                      "skip c: needs the b, which was skipped"], id="a chain is skipped"),
        pytest.param([job("b", "a"), job("c", "b")], "", "a",
                     ["skip b: needs a, which failed", "skip c: needs the b, which was skipped"],
                     id="the failed Job has expired, its note stands"),
        pytest.param([job("b", "a", skipped="needs a, which failed")], "", "a", [], id="skipped already"),
        pytest.param([job("b", "a", skipped="needs the x, which failed")], "", "a",
                     ["skip b: needs a, which failed"], id="skipped for another reason now"),
        pytest.param([job("a", **FREE), job("b", "a", skipped="needs the a, which failed")], "", "",
                     ["unskip b"], id="its parent is tried again"),
        pytest.param([job("b", "a", skipped="needs the a, which failed")], "a", "", ["release b"],
                     id="its parent made it after all"),
        pytest.param([job("a"), job("b", "a", skipped="x")], "", "a", ["forget a", "unskip b"],
                     id="a live Job outranks the note of an earlier one"),
        pytest.param([job("a", ended="Failed")], "a", "", [], id="failed after its commit"),
        pytest.param([job("a", ended="Failed")], "", "a", [], id="failed and noted"),
        pytest.param([job("a", ended="Complete")], "", "", [f"fail a: {UNCOMMITTED}"], id="complete, no manifest"),
        pytest.param([job("a", ended="Complete"), job("b", "a")], "", "",
                     [f"fail a: {UNCOMMITTED}", "skip b: needs the a, which failed"], id="a parent's manifest went"),
        pytest.param([job("a", ended="Complete"), job("b", "a", **FREE), job("c", "b")], "", "",
                     [f"fail a: {UNCOMMITTED}"], id="a child that runs is left to end as it will"),
        pytest.param([job("a", ended="deleted"), job("b", "a")], "", "", [], id="being deleted: let be, no verdict"),
        pytest.param([job("a", ended="deleted"), job("b", "a")], "", "a", ["skip b: needs a, which failed"],
                     id="being deleted, its note still there"),
        pytest.param([reduce("a", "b")], "a", "", [], id="reduce waits for all"),
        pytest.param([reduce("a", "b")], "a", "b", ["release reduce"], id="reduce runs over what there is"),
        pytest.param([reduce("a", "b"), job("b", "x", skipped="needs x, which failed")], "a", "x",
                     ["release reduce"], id="reduce, a stage skipped"),
        pytest.param([reduce("a", ended="Complete")], "", "a", [], id="a partial report is no failure"),
        pytest.param([reduce("a", ended="Failed")], "a", "", ["fail reduce: BackoffLimitExceeded: too often"],
                     id="reduce fails like any other"),
        pytest.param([job("a", queue=True)], "", "", ["release a"], id="queued and gated"),
        pytest.param([job("a", queue=True, gate=None)], "", "", [], id="queued, gate gone: Kueue's now"),
        pytest.param([job("a", queue=True, gate="else.where")], "", "", [], id="queued, another's gate"),
        pytest.param([job("a", gate=None)], "", "", ["release a"], id="suspended without a gate, never released"),
        pytest.param([job("a", gate=None, released="now")], "", "", [], id="suspended by a person since"),
    ],
)  # fmt: skip
def test_what_a_round_does(jobs: list[Job], done: str, failed: str, expected: list[str]) -> None:
    assert sorted(said(jobs, done, failed)) == sorted(expected)


def test_others_jobs_are_not_touched() -> None:
    stranger = {"metadata": {"name": "theirs", "uid": "1"}, "spec": {"suspend": True}, "status": {}}
    assert decide([stranger], set(), set()) == []


def test_a_release_lifts_the_gate_and_the_suspension() -> None:
    patch = change(Action(kind="release", name="xtl-a", key="a"), job("a", skipped="why"))
    notes = patch["metadata"]["annotations"]
    assert patch["spec"] == {"suspend": False}
    assert (notes[render.GATE], notes[SKIPPED]) == (None, None)
    assert notes[RELEASED]


def test_a_queued_job_is_left_to_kueue() -> None:
    patch = change(Action(kind="release", name="xtl-a", key="a"), job("a", queue=True))
    assert "spec" not in patch
    assert patch["metadata"]["annotations"][render.GATE] is None


def test_another_gate_stays() -> None:
    odd = job("a", gate=f"other.dev/check, {render.GATED_BY}")
    assert gates(odd) == ["other.dev/check", render.GATED_BY]
    patch = change(Action(kind="release", name="xtl-a", key="a"), odd)
    assert patch["metadata"]["annotations"][render.GATE] == "other.dev/check"


# -- properties over made studies -------------------------------------------------------------------------------------

STATES = ("held", "held", "held", "free", "Complete", "Failed", "deleted", "none")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Job], set[str], set[str]]:
    """Jobs of a random DAG with a reduce stage at its end, in random states, some committed, some with notes."""
    keys = [f"k{number}" for number in range(draw(st.integers(1, 9)))]
    jobs = []
    for number, key in enumerate(keys):
        parents = draw(st.lists(st.sampled_from(keys[:number]), max_size=3, unique=True)) if number else []
        last = number == len(keys) - 1
        state, queue = draw(st.sampled_from(STATES)), draw(st.booleans())
        skipped = {"skipped": "an old reason"} if state == "held" and draw(st.booleans()) else {}
        more: dict[str, Any] = {"queue": queue, "kind": "reduce" if last else "target", **skipped}
        if state in ("free", "Complete", "Failed", "deleted"):
            more |= {**FREE, "ended": "" if state == "free" else state}
        if state != "none":
            jobs.append(job(key, *(keys[:number] if last else parents), **more))
    subsets = st.sets(st.sampled_from(keys))
    return jobs, draw(subsets), draw(subsets)


def applied(actions: list[Action], jobs: list[Job], failed: set[str]) -> tuple[list[Job], set[str]]:
    """The world after the actions: annotations merged as the API server does, notes written and removed."""
    by_name = {one["metadata"]["name"]: one for one in deepcopy(jobs)}
    notes = set(failed)
    for action in actions:
        one = by_name[action.name]
        if action.kind in ("fail", "forget"):
            (notes.add if action.kind == "fail" else notes.discard)(action.key)
            continue
        patch = change(action, one)
        merged = {**one["metadata"]["annotations"], **patch["metadata"]["annotations"]}
        one["metadata"]["annotations"] = {name: value for name, value in merged.items() if value is not None}
        one["spec"] |= patch.get("spec", {})
    return list(by_name.values()), notes


@given(worlds())
def test_nothing_is_released_before_its_parents(world: tuple[list[Job], set[str], set[str]]) -> None:
    jobs, done, failed = world
    by_name = {one["metadata"]["name"]: one for one in jobs}
    for action in decide(jobs, done, failed):
        if action.kind == "release":
            one = by_name[action.name]
            parents = set(one["metadata"]["annotations"][render.PARENTS].split())
            assert held(one)
            assert parents <= done or one["metadata"]["labels"]["xtl.dev/kind"] == "reduce"


@given(worlds())
def test_at_most_one_thing_is_done_to_a_job(world: tuple[list[Job], set[str], set[str]]) -> None:
    names = [action.name for action in decide(*world)]
    assert len(names) == len(set(names))


@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_a_listing_means_nothing(
    world: tuple[list[Job], set[str], set[str]], chance: random.Random
) -> None:
    jobs, done, failed = world
    shuffled = list(jobs)
    chance.shuffle(shuffled)
    assert decide(shuffled, done, failed) == decide(jobs, done, failed)


@given(worlds())
def test_a_round_leaves_nothing_to_do(world: tuple[list[Job], set[str], set[str]]) -> None:
    """Two where a note had to go first: it and the Job's release are two steps."""
    jobs, done, failed = world
    actions = decide(jobs, done, failed)
    after, notes = applied(actions, jobs, failed)
    again = decide(after, done, notes)
    if not any(action.kind == "forget" for action in actions):
        assert again == []
    assert decide(*_two(again, after, done, notes)) == []


def _two(
    actions: list[Action], jobs: list[Job], done: set[str], failed: set[str]
) -> tuple[list[Job], set[str], set[str]]:
    after, notes = applied(actions, jobs, failed)
    return after, done, notes


@given(worlds(), st.data())
def test_a_round_cut_short_is_completed_by_the_next(
    world: tuple[list[Job], set[str], set[str]], data: st.DataObject
) -> None:
    """Whatever part of the actions was done when the controller was killed, the end is the same."""
    jobs, done, failed = world

    def settled(jobs: list[Job], failed: set[str]) -> tuple[list[Job], set[str]]:
        for _ in range(3):
            jobs, failed = applied(decide(jobs, done, failed), jobs, failed)
        for one in jobs:
            if RELEASED in one["metadata"]["annotations"]:
                one["metadata"]["annotations"][RELEASED] = "some time"
        return jobs, failed

    actions = decide(jobs, done, failed)
    part = [action for action in actions if data.draw(st.booleans())]
    assert settled(*applied(part, jobs, failed)) == settled(jobs, failed)


@given(worlds())
def test_all_that_can_run_is_released(world: tuple[list[Job], set[str], set[str]]) -> None:
    """If no note stands and none is written, every held Job with its parents committed is let go."""
    jobs, done, _ = world
    actions = decide(jobs, done, set())
    for one in jobs:
        meta = one["metadata"]
        ready = set(meta["annotations"][render.PARENTS].split()) <= done
        live = held(one) and not one["status"]["conditions"] and "deletionTimestamp" not in meta
        if ready and live and meta["annotations"][render.KEY] not in done:
            assert [action.kind for action in actions if action.name == meta["name"]] == ["release"]


# -- last words -------------------------------------------------------------------------------------------------------

LOG = "2026-01-01T00:00:00 INFO stage abc: target\n2026-01-01T00:00:01 ERROR data/x.tsv:3: two columns, not three\n"
POLICY = "PodFailurePolicy: Container stage for pod n/p failed with exit code 42 matching FailJob rule at index 0"


def pod(created: str, **terminated: Any) -> dict[str, Any]:
    state = {"state": {"terminated": terminated} if terminated else {"running": {}}}
    return {"metadata": {"creationTimestamp": created}, "status": {"containerStatuses": [state]}}


@pytest.mark.parametrize(
    ("pods", "why", "expected"),
    [
        ([pod("1", exitCode=42, message=LOG)], "x", ("data/x.tsv:3: two columns, not three", 42)),
        ([pod("2", exitCode=42, message=LOG), pod("1", exitCode=1, message="old")], "x",
         ("data/x.tsv:3: two columns, not three", 42)),
        ([pod("1", exitCode=137, reason="OOMKilled", message="step 3")], "x", ("out of memory: step 3", 137)),
        ([pod("1", exitCode=137, reason="OOMKilled")], "x", ("out of memory", 137)),
        ([pod("1", exitCode=1)], "BackoffLimitExceeded: too often", ("BackoffLimitExceeded: too often", 1)),
        ([pod("1")], "DeadlineExceeded: too long", ("DeadlineExceeded: too long", None)),
        ([], POLICY, (POLICY, 42)),
    ],
)  # fmt: skip
def test_last_words(pods: list[dict[str, Any]], why: str, expected: tuple[str, int | None]) -> None:
    assert last_words(pods, why) == expected


def test_jobs_are_counted_by_state() -> None:
    jobs = [
        job("a"),
        job("b", "a", skipped="x"),
        job("c", **FREE),
        job("d", ended="Complete"),
        job("e", ended="Failed"),
    ]
    assert summary(jobs) == {"waiting": 1, "skipped": 1, "released": 1, "complete": 1, "failed": 1}
