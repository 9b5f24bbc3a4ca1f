"""What `xtl status` says of a stage: a table over objects that a real API server gave (tests/cluster/situations.py
makes them again), and over what the store holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xtl import render
from xtl.cluster_states import Disruptions, Observed, cluster_states
from xtl.pod_states import at
from xtl.queues import places
from xtl.states import StageState

GOLDEN = Path(__file__).parents[1] / "golden/cluster"
Object = dict[str, Any]


def situation(name: str) -> Object:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def key_of(found: Object) -> str:
    return found["job"]["metadata"]["annotations"][render.KEY]


def observed(found: Object, **more: Any) -> Observed:
    """Ten seconds after the last thing that happened to it."""
    pods = found["pods"]
    times = [
        x["metadata"].get(name) for x in (found["job"], *pods) for name in ("creationTimestamp", "deletionTimestamp")
    ]
    now = max(at(time) for time in times) + 15
    return Observed(**{"jobs": [found["job"]], "pods": pods, "events": found["events"], "now": now, **more})


def told(found: Object, kind: str = "target", **more: Any) -> StageState:
    stages = {key_of(found): {"title": "target xnli after mnli", "kind": kind, "parents": []}}
    return cluster_states(stages, observed(found, **more))[0]


@pytest.mark.parametrize(
    ("name", "state", "said"),
    [
        ("suspended", "ready", "`xtl controller` or `xtl submit --wait` releases it"),
        ("unschedulable", "unschedulable", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."),
        ("image", "image pull", 'ImagePullBackOff: Back-off pulling image "registry.example/xtl:nowhere"'),
        ("secret", "misconfigured", 'CreateContainerConfigError: secret "bucket-keys" not found'),
        ("account", "misconfigured", 'serviceaccount "trainer" not found'),
        ("running", "running", "no heartbeat yet"),
        ("never", "failed", "exit 42 (it will never work as it is): xnli/test.tsv:4: gold_label is odd"),
        ("retrying", "retrying", "attempt 2 of 4, the last: exit 1: no GPU in this pod"),
        ("killed", "retrying", "attempt 2 of 4, the last: exit 137 (killed)"),
        ("exhausted", "failed", "exit 1: no GPU in this pod"),
        ("deleted", "running", "disrupted 1 time"),
        ("evicted", "running", "disrupted 1 time"),
        ("complete", "failed", "its manifest is not there: `xtl submit` makes it again"),
        ("node-silent", "node lost", "node node-1 does not answer, and pod"),
        ("node-lost", "node lost", "does not say that pod"),
    ],
)
def test_every_situation_has_its_state_and_its_reason(name: str, state: str, said: str) -> None:
    found = told(situation(name))
    assert found.state == state
    assert said in found.reason
    assert "\n" not in found.reason


def test_what_the_golden_folder_holds_is_in_the_table() -> None:
    """A situation that nobody asserts anything of is no test."""
    marks = test_every_situation_has_its_state_and_its_reason.pytestmark  # type: ignore[attr-defined]
    assert {path.stem for path in GOLDEN.glob("*.json")} == {case[0] for case in marks[0].args[1]}


@pytest.mark.parametrize("name", [path.stem for path in sorted(GOLDEN.glob("*.json"))])
def test_the_store_decides_whatever_jobs_say(name: str) -> None:
    found = situation(name)
    key = key_of(found)
    assert told(found, done={key}).state == "done"
    note = {"reason": "xnli: odd", "status": 42}
    failed = told(found, failed={key: note})
    assert failed.state == "failed"
    assert failed.reason.startswith("exit 42 (it will never work as it is): ")


def test_memory_that_ran_out_says_what_to_raise() -> None:
    """A kubelet says OOMKilled where this machine's node says Error: the one word is put in."""
    found = situation("killed")
    found["pods"][-1]["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] = "OOMKilled"
    assert "exit 137 (out of memory: raise cluster.memory)" in told(found).reason


@pytest.mark.parametrize(
    ("age", "said"), [(0, "training"), (59, "training"), (61, "no heartbeat for 1 minute"), (600, "for 10 minutes")]
)
def test_a_running_stage_tells_its_steps_and_how_old_they_are(age: float, said: str) -> None:
    found = situation("running")
    uid, now = found["pods"][0]["metadata"]["uid"], observed(found).now
    beat = {"state": "training", "step": 3, "steps": 9, "loss": 0.5, "attempt": uid, "at": now - age}
    one = told(found, progress={key_of(found): beat})
    assert one.state == "running"
    assert said in one.reason
    assert one.progress == beat


def test_another_attempts_heartbeat_says_nothing() -> None:
    found = situation("running")
    beat = {"state": "training", "step": 3, "steps": 9, "attempt": "an earlier pod", "at": observed(found).now}
    one = told(found, progress={key_of(found): beat})
    assert (one.state, one.reason, one.progress) == ("running", "no heartbeat yet", {})


@pytest.mark.parametrize(
    ("disruptions", "said"),
    [
        (Disruptions(count=3, without_progress=3), "disrupted 3 times, without progress"),
        (Disruptions(count=3, without_progress=2), "disrupted 3 times, 2 without progress"),
        (Disruptions(count=3), "disrupted 3 times"),
    ],
)
def test_disruptions_are_counted_and_what_they_cost(disruptions: Disruptions, said: str) -> None:
    found = situation("evicted")
    assert told(found, disruptions={key_of(found): disruptions}).reason == f"no heartbeat yet; {said}"
    found["pods"] = []
    between = told(found, disruptions={key_of(found): disruptions})
    assert between.state == "disrupted"
    assert between.reason == f"{said}; its next pod is made after a pause"


def test_a_pod_that_is_told_to_stop_is_a_disruption_until_its_time_is_over() -> None:
    found = situation("node-lost")
    deadline = at(found["pods"][0]["metadata"]["deletionTimestamp"])
    assert told(found, now=deadline - 5).state == "disrupted"
    assert "is being stopped" in told(found, now=deadline - 5).reason
    assert told(found, now=deadline + 11).state == "node lost"


def test_a_released_job_without_a_pod_and_without_a_past() -> None:
    found = situation("running")
    found |= {"pods": [], "events": []}
    assert told(found).state == "released"


def test_a_reduce_job_that_ended_without_a_manifest_is_a_partial_report() -> None:
    assert told(situation("complete"), kind="reduce").state == "partial"


STAGES: dict[str, Object] = {
    "f1": {"title": "fetch mnli", "kind": "fetch", "parents": []},
    "i1": {"title": "intermediate mnli", "kind": "intermediate", "parents": ["f1"]},
    "t1": {"title": "target xnli", "kind": "target", "parents": ["i1"]},
    "t2": {"title": "target tatoeba", "kind": "target", "parents": ["f1"]},
    "r1": {"title": "reduce", "kind": "reduce", "parents": ["t1", "t2"]},
}


def study(**more: Any) -> dict[str, StageState]:
    seen = Observed(**{"jobs": [held(key) for key in STAGES], "now": 1e9, **more})
    return {stage.key: stage for stage in cluster_states(STAGES, seen)}


def held(key: str, **labels: str) -> Object:
    """The suspended Job as the server gave it, as that stage's."""
    job = situation("suspended")["job"]
    job["metadata"] |= {"uid": f"uid-{key}", "labels": {**job["metadata"]["labels"], **labels}}
    job["metadata"]["annotations"][render.KEY] = key
    return job


def test_waiting_says_for_whom() -> None:
    found = study()
    assert found["f1"].state == "ready"
    assert (found["i1"].state, found["i1"].reason) == ("waiting", "for fetch mnli")
    assert (found["r1"].state, found["r1"].reason) == ("waiting", "for target xnli and 1 more")


def test_a_failure_spreads_but_not_to_the_report() -> None:
    found = study(done={"f1"}, failed={"i1": {"reason": "odd", "status": 42}})
    assert (found["t1"].state, found["t1"].reason) == ("skipped", "needs intermediate mnli, which failed")
    assert found["t2"].state == "ready"
    assert (found["r1"].state, found["r1"].reason) == ("waiting", "for target tatoeba")


def test_without_a_job_a_stage_is_missing_unless_something_else_is_known_of_it() -> None:
    beat = {"state": "training", "at": 1e9 - 5}
    found = study(jobs=[], done={"f1"}, progress={"t2": beat})
    assert (found["i1"].state, found["i1"].reason) == ("missing", "it has no Job: run `xtl submit`")
    assert found["f1"].state == "done"
    assert (found["t2"].state, found["t2"].reason) == ("running", "training; no Job")


def test_a_cluster_that_was_not_read_leaves_the_stores_truth() -> None:
    beat = {"state": "training", "at": 1e9 - 5, "step": 1, "steps": 2}
    found = study(jobs=None, done={"f1"}, failed={"t1": {"reason": "odd"}}, progress={"t2": beat})
    assert [found[key].state for key in STAGES] == ["done", "unknown", "failed", "running", "waiting"]
    assert found["t2"].progress["step"] == 1


PENDING = (
    "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor a10, 1 more needed"
)


def workload(key: str, made: str, priority: int = 0, **conditions: tuple[str, str]) -> Object:
    """As Kueue's v1beta2 API documents one; not captured, for no Kueue runs here."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "uid": f"uid-{key}"}
    meta = {"name": f"job-{key}", "uid": f"workload-{key}", "creationTimestamp": made, "ownerReferences": [owner]}
    listed = [{"type": kind, "status": status, "message": said} for kind, (status, said) in conditions.items()]
    spec = {"queueName": "team-a", "priority": priority, "active": True}
    return {"metadata": meta, "spec": spec, "status": {"conditions": listed}}


def test_a_queued_stage_has_its_place_and_kueues_own_words() -> None:
    ungated = held("t2", **{render.QUEUE: "team-a"})
    del ungated["metadata"]["annotations"][render.GATE]
    jobs = [*(held(key) for key in STAGES if key != "t2"), ungated]
    workloads = [
        workload("other", "2026-01-01T00:00:00Z", QuotaReserved=("True", "Quota reserved")),
        workload("t2", "2026-01-01T00:00:02Z", QuotaReserved=("False", PENDING)),
        workload("older", "2026-01-01T00:00:01Z", QuotaReserved=("False", PENDING)),
        workload("dear", "2026-01-01T00:00:09Z", 100, QuotaReserved=("False", PENDING)),
    ]
    found = study(jobs=jobs, workloads=workloads, done={"f1"})
    assert found["t2"].state == "queued"
    assert found["t2"].reason == f"queue team-a, 3 of 3 waiting: {PENDING}"
    gated_too = [*workloads, gated_workload("t1", "xtl.dev/parents")]
    assert study(jobs=jobs, workloads=gated_too, done={"f1"})["t2"].reason == found["t2"].reason
    assert study(jobs=jobs, done={"f1"})["t2"].reason.startswith("for quota of queue team-a; its Workload is")
    gated = [held(key, **{render.QUEUE: "team-a"}) for key in STAGES]
    assert study(jobs=gated, workloads=workloads, done={"f1"})["t2"].state == "ready"


def gated_workload(key: str, gates: str) -> Object:
    """Kueue keeps one of every gated Job, older than those that wait for quota."""
    said = ("False", f"Admission is gated by: {gates}")
    one = workload(key, "2026-01-01T00:00:00Z", QuotaReserved=said)
    one["metadata"]["annotations"] = {render.GATE: gates}
    return one


def test_a_stage_behind_somebody_elses_gate_is_not_ours_to_release() -> None:
    job = held("t2", **{render.QUEUE: "team-a"})
    job["metadata"]["annotations"][render.GATE] = "example.com/budget"
    found = study(jobs=[job], workloads=[gated_workload("t2", "example.com/budget")], done={"f1"})
    assert found["t2"].state == "queued"
    assert found["t2"].reason == "queue team-a: Admission is gated by: example.com/budget"


def test_workloads_of_one_second_are_in_kueues_order() -> None:
    both = [workload(key, "2026-01-01T00:00:00Z", QuotaReserved=("False", PENDING)) for key in ("t2", "t1")]
    for workloads in (both, both[::-1]):
        assert [places(workloads)[f"uid-{key}"].position for key in ("t1", "t2")] == [1, 2]


def test_what_kueue_did_not_try_has_the_message_of_its_like() -> None:
    untried = "Bypassed scheduling evaluation because an equivalent workload recently failed"
    told = {"t1": PENDING, "t2": untried, "m": "couldn't assign flavors to pod set main: cpu"}
    made = [workload(key, "2026-01-01T00:00:00Z", QuotaReserved=("False", said)) for key, said in told.items()]
    for one, gpus in zip(made, (1, 1, 0), strict=True):
        pod = {"containers": [{"resources": {"requests": {"nvidia.com/gpu": gpus}}}]}
        one["spec"]["podSets"] = [{"name": "main", "count": 1, "template": {"spec": pod}}]
    assert places(made)["uid-t2"].message == PENDING
    assert places(made[1:])["uid-t2"].message == untried


def test_a_preempted_stage_waits_again_and_says_how_often() -> None:
    job = held("t2", **{render.QUEUE: "team-a"})
    del job["metadata"]["annotations"][render.GATE]
    evicted = workload("t2", "2026-01-01T00:00:02Z", QuotaReserved=("False", PENDING), Evicted=("True", "Preempted"))
    found = study(jobs=[job], workloads=[evicted], done={"f1"}, disruptions={"t2": Disruptions(count=2)})
    assert found["t2"].reason == f"queue team-a, 1 of 1 waiting: {PENDING}; disrupted 2 times"


def test_the_order_of_what_the_server_lists_changes_nothing() -> None:
    found = situation("evicted")
    extra = json.loads(json.dumps(found["pods"][0]))
    extra["metadata"] |= {"creationTimestamp": "2020-01-01T00:00:00Z", "uid": "first"}
    extra["status"] |= {"phase": "Failed"}
    seen = observed(found)
    stages = {key_of(found): {"title": "x", "kind": "target", "parents": []}}
    one = cluster_states(stages, replace(seen, pods=[extra, *found["pods"]]))
    assert one == cluster_states(stages, replace(seen, pods=[*found["pods"], extra]))
    assert one[0].state == "running"
