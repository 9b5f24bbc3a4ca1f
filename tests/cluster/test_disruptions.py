"""Studies whose pods really train, while pods are stopped and killed, and everything around them dies and comes back:
they complete, with the bytes of a run that nobody disturbed."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import kubeconfigs
from tests.cluster.node import Node
from tests.cluster.running import Running
from tests.cluster.situations import delete_pod, evict
from tests.run.study import Study, beat, ended, keys, results, wait
from tests.s3server import S3Server
from xtl.cluster import JOBS, PODS, Cluster
from xtl.render import KEY
from xtl.store import Store, commit, layout, open_store
from xtl.submit import condition

MakeStudy = Callable[..., Study]
Results = dict[str, Any]
Beats = dict[str, dict[str, Any]]  # by stage key

#: Two intermediates that train for about half a minute side by side.
LONG = """\
name: long
model: tiny
seeds: [1, 2]
intermediates: [mnli]
targets: [tatoeba]
train: {intermediate: {default: {lr: 1e-3, epochs: 200, batch: 8, length: 32}}}
precision: fp32
data: ./data
"""
#: More than a training stage needs, and what the node has to spare.
MEMORY = 1 << 30


@pytest.fixture
def node(kubeconfig: Path) -> Node:
    found = Node.of(kubeconfig)
    if found is None:
        pytest.skip("NOT RUN: needs a cluster that kube/up made, whose parts can be killed")
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What the same grid gives on this machine without a cluster."""
    study = Study(tmp_path_factory.mktemp("undisturbed"), LONG)
    ran = study.run("--parallel", "2")
    assert ran.status == 0, ran
    return results(open_store(str(study.folder / "store")), "long")


def training(store: Store, key: str, not_in: tuple[str, ...] = ()) -> dict[str, Any]:
    """Waits until an attempt, none of these, is at its optimiser steps; its heartbeat."""

    def trains() -> dict[str, Any] | None:
        found = beat(store, key)
        return found if found.get("step") and found["attempt"] not in not_in and not found.get("ended") else None

    return dict(wait(trains, f"{key[:12]} to train", 180))


def intermediates(store: Store) -> list[str]:
    wait(lambda: store.head(f"{layout.grid_prefix('long')}plan.json"), "the grid's registration")
    return [key for title, key in keys(store, "long").items() if title.startswith("intermediate")]


def pod_of(cluster: Cluster, attempt: str) -> dict[str, Any]:
    (pod,) = [pod for pod in cluster.list(PODS) if pod["metadata"]["uid"] == attempt]
    return pod


def job_of(cluster: Cluster, key: str) -> dict[str, Any]:
    return next(job for job in cluster.list(JOBS) if job["metadata"]["annotations"][KEY] == key)


def told(study: Study, key: str) -> tuple[str, str]:
    """State and reason, as a user reads them."""
    shown = study.xtl("status", "grid.yaml", "-o", "json")
    assert shown.status == 0, shown
    return next((stage["state"], stage["reason"]) for stage in json.loads(shown.out)["stages"] if stage["key"] == key)


def begun_at(store: Store, key: str, attempt: str) -> int:
    """The step that an attempt went on from; 0 for the beginning."""
    log = store.get(layout.log_name(key, attempt))[0].decode()
    found = re.search(r"going on from step (\d+) of 1200", log)
    return int(found[1]) if found else 0


def go_on_after_kills(here: Study, store: Store, first: Beats, second: Beats) -> None:
    """From the state that the first attempts saved when they were told to stop; counted as failures."""
    lasts = "exit 137 (killed)", "exit 137 (out of memory: raise cluster.memory)"
    third = {key: training(store, key, (first[key]["attempt"], second[key]["attempt"])) for key in first}
    for key, last in zip(first, lasts, strict=True):
        state, reason = told(here, key)
        assert state == "running"
        assert reason.startswith(f"training; attempt 2 of 4, the last: {last}"), reason
        assert reason.endswith("; disrupted 1 time"), reason
        assert begun_at(store, key, third[key]["attempt"]) == begun_at(store, key, second[key]["attempt"])


def test_pods_that_are_evicted_deleted_killed_and_out_of_memory(
    cluster: Cluster, study: MakeStudy, store: Store, kubeconfig: Path, undisturbed: Results
) -> None:
    node = Node.of(kubeconfig)
    here = study(LONG, memory=str(MEMORY))
    client = here.start("submit", "grid.yaml", "--yes", "--wait")
    try:
        one, two = intermediates(store)
        first = {key: training(store, key) for key in (one, two)}
        evict(cluster, pod_of(cluster, first[one]["attempt"]))
        delete_pod(cluster, pod_of(cluster, first[two]["attempt"]))
        second = {key: training(store, key, (first[key]["attempt"],)) for key in (one, two)}
        for key in (one, two):
            assert told(here, key) == ("running", "training; disrupted 1 time")
            assert begun_at(store, key, second[key]["attempt"]) >= first[key]["step"]
            assert not job_of(cluster, key)["status"].get("failed")
        if node:
            node.kill(pod_of(cluster, second[one]["attempt"])["metadata"]["name"], cluster.namespace)
            node.use_up_memory(second[two]["attempt"], MEMORY)
            go_on_after_kills(here, store, first, second)
        followed = ended(client, timeout=300)
    finally:
        client.kill()
    assert followed.status == 0, followed
    for key in (one, two):
        job = job_of(cluster, key)
        assert condition(job, "Complete")
        assert job["status"].get("failed", 0) == (1 if node else 0)
        assert not list(store.list(layout.resumes_prefix(key)))
    assert results(store, "long") == undisturbed
    if node is None:
        pytest.skip("the kills were NOT RUN (evicted and deleted pods are fine): needs a cluster that kube/up made")


@contextmanager
def controllers(namespace: str, log: Path) -> Iterator[list[Running]]:
    """One controller after another, each killed after a few seconds; those that there were."""
    over, were = threading.Event(), list[Running]()

    def work() -> None:
        while not over.is_set():
            were.append(Running(namespace, log, "one"))
            over.wait(5.0)
            were[-1].kill()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield were
    finally:
        over.set()
        thread.join()


def test_a_study_completes_whatever_dies_around_it(
    cluster: Cluster,
    study: MakeStudy,
    s3: S3Server,
    store: Store,
    node: Node,
    tmp_path: Path,
    undisturbed: Results,
) -> None:
    """Jobs are gone a second after their end, too: children must not need their parents' Jobs."""
    if os.environ.get("XTL_TEST_STORE"):
        pytest.skip("NOT RUN: stops the store, which is none of ours (XTL_TEST_STORE)")
    here = study(LONG, ttl="1s")
    submitted = here.xtl("submit", "grid.yaml", "--yes")
    assert submitted.status == 0, submitted
    one, two = intermediates(store)
    with controllers(cluster.namespace, tmp_path / "controllers.log") as were:
        begun = [training(store, key)["attempt"] for key in (one, two)]
        node.stop("node")
        time.sleep(2.0)
        node.start()
        node.stop("kube-apiserver")
        time.sleep(3.0)
        node.start()
        assert [beat(store, key)["attempt"] for key in (one, two)] == begun, "containers outlive both"
        wait(
            lambda: min(beat(store, key).get("seconds_left", 0) for key in (one, two)) < 3, "pods about to commit", 180
        )
        s3.kill()
        time.sleep(60.0)
        s3.start()
        wait(lambda: set(keys(store, "long").values()) <= commit.manifests(store), "every stage done", 300)
    assert len(were) > 10
    assert results(store, "long") == undisturbed
    wait(lambda: not cluster.list(JOBS), "every Job gone")
    shown = here.xtl("status", "grid.yaml").out
    assert "long: 8 of 8 stages done" in shown, shown


def test_a_certificate_that_has_run_out(study: MakeStudy, node: Node, kubeconfig: Path, tmp_path: Path) -> None:
    thin = study()
    assert thin.xtl("submit", "grid.yaml", "--yes").status == 0
    config = str(kubeconfigs.with_user(kubeconfig, node.expired(tmp_path), tmp_path / "expired"))
    again = "does not know these credentials: log in again"

    refused = thin.xtl("submit", "grid.yaml", "--yes", KUBECONFIG=config)
    assert refused.status == 2, refused
    assert refused.err.startswith("error: "), refused
    assert refused.err.rstrip().endswith(again), refused
    assert len(refused.err.splitlines()) == 1, refused

    shown = thin.xtl("status", "grid.yaml", KUBECONFIG=config)
    assert shown.status == 0, shown
    assert again in shown.out, shown
    assert "The cluster could not be read, so this is what the store says." in shown.out

    found = thin.xtl("doctor", "grid.yaml", "-o", "json", KUBECONFIG=config)
    assert found.status == 1, found
    wrong = [finding for finding in json.loads(found.out) if finding["state"] == "wrong"]
    assert [finding["check"] for finding in wrong] == ["API server"], wrong
    assert wrong[0]["detail"].endswith(again), wrong
