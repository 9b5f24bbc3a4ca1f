"""Queues: what xtl builds on of Kueue, and studies in a queue. A cluster's own Kueue is tried where it has one, else
the stand-in of `kueue.py`: both pass the same tests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import queued
from tests.cluster.kueue import LOCAL, installed, played
from tests.cluster.kueue_quota import condition, gate, holds
from tests.cluster.queued import GPU, Watched
from tests.cluster.test_doctor import checks, told
from tests.run.study import Study, beat, keys, results, wait
from xtl import render
from xtl.cluster import JOBS, PODS, WORKLOADS, Cluster, ClusterRefused
from xtl.store import Store, layout, open_store

MakeStudy = Callable[..., Study]
MakeQueue = Callable[..., None]
Object = dict[str, Any]

#: Ten stages, five of them on GPUs; three of those can start once everything is fetched. The intermediate trains for
#: long enough to be preempted.
GRID = """\
name: queued
model: tiny
seeds: [1]
intermediates: [none, mnli]
targets: [xnli, tatoeba]
train:
  intermediate: {default: {lr: 1e-3, epochs: 400, batch: 8, length: 32}}
  target: {default: {lr: 1e-3, epochs: 1, batch: 8, length: 32}}
precision: fp32
data: ./data
"""
#: What a busy machine may take for a study that takes half a minute.
LONG = 300.0
WAITING = "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor"


@pytest.fixture(scope="module")
def kueue(kubeconfig: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(kubeconfig))
        if installed(Cluster()):
            yield
            return
        with played():
            yield


@pytest.fixture
def queue(kueue: None, cluster: Cluster) -> Iterator[MakeQueue]:
    """Makes a LocalQueue of the namespace with a ClusterQueue of its own: queue(name, gpus=2)."""
    with queued.queues(cluster) as make:
        yield make


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """The grid's results where no queue is; empty until the first test has made them."""
    return {}


def test_the_study_where_no_queue_is(
    cluster: Cluster, study: MakeStudy, store: Store, undisturbed: dict[str, Any]
) -> None:
    """Nor a Kueue, unless the cluster has its own."""
    ended = study(GRID).xtl("submit", "grid.yaml", "--yes", "--wait", timeout=LONG)
    assert ended.status == 0, ended
    assert not any(render.QUEUE in job["metadata"]["labels"] for job in cluster.list(JOBS))
    undisturbed |= results(store, "queued")
    assert len(undisturbed) == 10


# -- what xtl builds on -----------------------------------------------------------------------------------------------


def workload(cluster: Cluster, job: str) -> Object:
    """The Job's Workload; empty before there is one."""
    found = (x for x in cluster.list(WORKLOADS) if x["metadata"]["ownerReferences"][0]["name"] == job)
    return next(found, {"metadata": {}, "spec": {}})


def local(cluster: Cluster, name: str = "team-a") -> Object:
    found = cluster.get(LOCAL, name)
    assert found is not None
    return found["status"]


def suspended(cluster: Cluster, name: str) -> bool:
    found = cluster.get(JOBS, name)
    assert found is not None
    return bool(found["spec"]["suspend"])


def admitted(cluster: Cluster, name: str) -> None:
    wait(lambda: holds(workload(cluster, name), "Admitted") and not suspended(cluster, name), f"{name} to be admitted")


def reserved(cluster: Cluster, name: str, *words: str) -> Object:
    """The condition QuotaReserved, once its message has all of this."""

    def found() -> Object:
        one = condition(workload(cluster, name), "QuotaReserved")
        return one if all(word in one.get("message", "") for word in words) else {}

    return wait(found, f"{words} of {name}")


def test_a_gated_job_is_in_no_queue_until_its_gate_is_gone(cluster: Cluster, queue: MakeQueue) -> None:
    queue("team-a")
    cluster.create(JOBS, queued.job("gated", queue="team-a", gate="xtl.dev/parents", shell="exit 0"))
    said = reserved(cluster, "gated", "Admission is gated by: xtl.dev/parents")
    assert (said["status"], said["reason"]) == ("False", "AdmissionGated")
    assert local(cluster).get("pendingWorkloads", 0) == 0
    assert suspended(cluster, "gated")
    more = {"metadata": {"annotations": {render.GATE: "xtl.dev/parents,example.com/budget"}}}
    with pytest.raises(ClusterRefused, match="can only remove gates"):
        cluster.patch(JOBS, "gated", more)
    cluster.patch(JOBS, "gated", {"metadata": {"annotations": {render.GATE: None}}})
    wait(lambda: holds(workload(cluster, "gated"), "Finished"), "its end")
    assert condition(workload(cluster, "gated"), "Finished")["reason"] == "Succeeded"
    wait(lambda: local(cluster).get("reservingWorkloads", 0) == 0, "its quota")


def test_what_does_not_fit_waits_and_is_admitted_when_it_does(cluster: Cluster, queue: MakeQueue) -> None:
    queue("team-a")
    for name in ("one", "two"):
        cluster.create(JOBS, queued.job(name, queue="team-a"))
        admitted(cluster, name)
    cluster.create(JOBS, queued.job("three", queue="team-a"))
    assert reserved(cluster, "three", WAITING, "1 more needed")["status"] == "False"
    assert suspended(cluster, "three")
    wait(lambda: local(cluster)["pendingWorkloads"] == 1, "it to be counted")
    cluster.delete(JOBS, "one")
    admitted(cluster, "three")
    assert holds(workload(cluster, "two"), "Admitted")


def test_what_can_never_fit_says_so(cluster: Cluster, queue: MakeQueue) -> None:
    queue("team-a")
    cluster.create(JOBS, queued.job("large", queue="team-a", gpus=3))
    cluster.create(JOBS, queued.job("other", queue="team-a", resource="example.com/fpga"))
    cluster.create(JOBS, queued.job("lost", queue="team-b"))
    reserved(cluster, "large", "insufficient quota for nvidia.com/gpu", "(3) > maximum capacity (2)")
    reserved(cluster, "other", "resource example.com/fpga unavailable in ClusterQueue")
    reserved(cluster, "lost", "LocalQueue team-b doesn't exist")
    assert all(suspended(cluster, name) for name in ("large", "other", "lost"))


def test_a_higher_priority_preempts_and_gives_back(cluster: Cluster, queue: MakeQueue) -> None:
    queue("team-a")
    cluster.create(JOBS, queued.job("low", queue="team-a", gpus=2))
    admitted(cluster, "low")
    with queued.priority(cluster) as first:
        cluster.create(JOBS, queued.job("urgent", queue="team-a", gpus=2, priority=first))
        admitted(cluster, "urgent")
        low = workload(cluster, "low")
        assert suspended(cluster, "low")
        assert condition(low, "Evicted")["reason"] == "Preempted"
        assert condition(low, "Preempted")["reason"] == "InClusterQueue"
        assert "prioritization in the ClusterQueue" in condition(low, "Evicted")["message"]
        reserved(cluster, "low", WAITING, "2 more needed")
        cluster.delete(JOBS, "urgent")
        admitted(cluster, "low")
    assert condition(workload(cluster, "low"), "Evicted")["status"] == "False"


def test_the_queue_named_default_takes_jobs_as_they_are_created(cluster: Cluster, queue: MakeQueue) -> None:
    before = queued.job("before")
    cluster.create(JOBS, before)
    queue("default")
    wait(lambda: queued.label(cluster, queued.job("try")) == "default", "the queue to be taken up")
    cluster.create(JOBS, queued.job("after"))
    admitted(cluster, "after")
    found = cluster.get(JOBS, "before")
    assert found is not None
    assert render.QUEUE not in found["metadata"].get("labels", {})


# -- studies ----------------------------------------------------------------------------------------------------------


def stages(study: Study) -> dict[str, Object]:
    """What `xtl status` says of each stage, by title."""
    ended = study.xtl("status", "grid.yaml", "-o", "json")
    assert ended.status == 0, ended
    return {stage["title"]: stage for stage in json.loads(ended.out)["stages"]}


def test_a_study_in_a_queue_for_two_with_a_stage_that_is_preempted(
    cluster: Cluster,
    queue: MakeQueue,
    study: MakeStudy,
    store: Store,
    undisturbed: dict[str, Any],
    tmp_path: Path,
) -> None:
    queue("team-a")
    cluster.create(JOBS, queued.job("someone", queue="team-a", gpus=2))
    admitted(cluster, "someone")
    made = study(GRID, queue="team-a")
    with Watched(cluster) as seen, queued.priority(cluster) as first:
        assert made.xtl("submit", "grid.yaml", "--yes").status == 0
        by_title = keys(store, "queued")
        assert len(by_title) == 10
        wait(lambda: sum(map(bool, map(gate, cluster.list(WORKLOADS)))) == 10, "a gated Workload a stage")
        assert local(cluster)["pendingWorkloads"] == 0
        with made.start("submit", "grid.yaml", "--yes", "--wait") as client:
            try:
                waits_for_quota(cluster, made)
                cluster.delete(JOBS, "someone")
                is_preempted(cluster, made, store, by_title["intermediate mnli seed 1"], first)
                out, err = client.communicate(timeout=LONG)
            finally:
                client.kill()
    assert client.returncode == 0, out + err
    assert re.search(r"^queued +\w{12} intermediate mnli seed 1: for quota of queue team-a$", err, re.MULTILINE), err
    assert max(seen.gpus()) == 2
    assert max(seen.gpus("xtl-")) == 2, "two stages at once"
    assert not seen.reserved_while_gated()
    assert results(store, "queued") == (undisturbed or ran(tmp_path))
    log = made.xtl("logs", "grid.yaml", "intermediate").out
    begun = re.search(r"going on from step (\d+) of", log)
    assert begun, log
    assert int(begun[1]) > 20


def ran(folder: Path) -> dict[str, Any]:
    """What `xtl run` makes of the grid."""
    made = Study(folder / "ran", GRID)
    ended = made.run()
    assert ended.status == 0, ended
    return results(open_store(str(made.folder / "store")), "queued")


def waits_for_quota(cluster: Cluster, made: Study) -> None:
    """Three stages wait while someone else has the GPUs; nothing that is gated is counted among them."""

    def refused() -> bool:
        said = [condition(x, "QuotaReserved").get("reason") for x in cluster.list(WORKLOADS) if not gate(x)]
        return said.count("WaitingForQuota") == 3

    wait(refused, "three stages to be kept waiting", LONG)
    found = [stage for stage in stages(made).values() if stage["state"] == "queued"]
    places = sorted(re.findall(rf"^queue team-a, (\d) of 3 waiting: {WAITING} \S+, 1 more needed$",
                               "\n".join(stage["reason"] for stage in found), re.MULTILINE))  # fmt: skip
    assert places == ["1", "2", "3"], found


def is_preempted(cluster: Cluster, made: Study, store: Store, key: str, priority: str) -> None:
    """While it trains; and goes on."""
    name = render.job_name("intermediate", key, store.url)
    wait(lambda: beat(store, key).get("step", 0) > 20, "training", LONG)
    attempt = beat(store, key)["attempt"]
    cluster.create(JOBS, queued.job("urgent", queue="team-a", gpus=2, priority=priority))
    admitted(cluster, "urgent")
    selector = f"batch.kubernetes.io/job-name={name}"
    wait(lambda: not cluster.list(PODS, selector=selector), "its pod to end", LONG)
    told = next(stage for stage in stages(made).values() if stage["key"] == key)
    assert told["state"] == "queued", told
    assert "waiting: " in told["reason"]
    assert told["reason"].endswith("; disrupted 1 time")
    assert suspended(cluster, name)
    assert list(store.list(layout.resumes_prefix(key)))
    cluster.delete(JOBS, "urgent")
    wait(lambda: beat(store, key).get("attempt") != attempt and beat(store, key).get("step"), "training again", LONG)
    told = next(stage for stage in stages(made).values() if stage["key"] == key)
    assert told["state"] in ("running", "done"), told
    assert told["state"] == "done" or "disrupted 1 time" in told["reason"]


def test_a_study_that_names_no_queue_goes_by_the_default_one(
    cluster: Cluster, queue: MakeQueue, study: MakeStudy, store: Store
) -> None:
    queue("default")
    wait(lambda: queued.label(cluster, queued.job("try")) == "default", "the queue to be taken up")
    thin = study()
    told(checks(thin), "queue", "ok", "default is active", "Jobs get it by themselves")
    ended = thin.xtl("submit", "grid.yaml", "--yes", "--wait", timeout=LONG)
    assert ended.status == 0, ended
    assert {job["metadata"]["labels"][render.QUEUE] for job in cluster.list(JOBS)} == {"default"}
    wait(lambda: [holds(x, "Finished") for x in cluster.list(WORKLOADS)] == [True] * 4, "four finished Workloads")
    assert set(results(store, "thin")) == set(keys(store, "thin"))


def test_doctor_tells_whether_a_queue_is_usable(cluster: Cluster, queue: MakeQueue, study: MakeStudy) -> None:
    queue("team-a")
    queue("no-gpu", gpus=None)
    cluster.create(LOCAL, queued.local_queue("orphan", "no-such-cluster-queue"))
    wait(lambda: all(x.get("status", {}).get("conditions") for x in cluster.list(LOCAL)), "the queues' status")
    wait(lambda: local(cluster).get("flavorsReservation"), "what it covers")
    wait(lambda: local(cluster, "no-gpu").get("flavorsReservation"), "what it covers")
    found = checks(study(queue="team-a"))
    told(found, "queue", "ok", "team-a is active, 0 workloads wait")
    assert found["Kueue"].state == "ok", found["Kueue"]
    told(checks(study(queue="no-gpu")), "queue", "warning", f"no quota for {GPU}", "cover it in the ClusterQueue")
    told(checks(study(queue="orphan")), "queue", "wrong", "takes no workloads (ClusterQueue", "ask whoever runs Kueue")
    told(checks(study(queue="nowhere")), "queue", "wrong", "no LocalQueue nowhere", "no-gpu orphan team-a")
