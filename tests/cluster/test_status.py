"""`xtl status` and `xtl logs` against a real API server: each situation made, and what a user reads of it. The pods run
a line of shell; the store holds what a stage would have written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import kubeconfigs, situations
from tests.cluster.conftest import THIN
from tests.cluster.situations import SITUATIONS, Situation, key_of
from tests.cluster.test_doctor import token
from tests.run.study import Study, ended, wait
from xtl import render
from xtl.cli.status import report
from xtl.cluster import JOBS, Cluster
from xtl.store import Store, commit, layout

MakeStudy = Callable[..., Study]
GRID = THIN.replace("thin", "situations")


def prepare(make: MakeStudy, store: Store, *names: str) -> Study:
    """A study that stands in the store as submitted, with a target stage for each name."""
    stages = {
        key_of(name): {
            "title": f"target {name}",
            "kind": "target",
            "parents": [],
            "labels": {"kind": "target", "task": name, "intermediate": "none"},
        }
        for name in names
    }
    body = {"grid": "", "reduce": "", "rows": [], "stages": stages, "order": list(stages)}
    commit.put_json(store, f"{layout.grid_prefix('situations')}plan.json", body)
    return make(GRID)


def create(cluster: Cluster, store: Store, **made: Situation) -> None:
    for name, situation in made.items():
        assert cluster.create(JOBS, situations.manifest(name, situation, store.url))


def told(study: Study) -> dict[str, tuple[str, str]]:
    """State and reason by the situation's name."""
    found = study.xtl("status", "grid.yaml", "-o", "json")
    assert found.status == 0, found
    stages = json.loads(found.out)["stages"]
    return {stage["title"].removeprefix("target "): (stage["state"], stage["reason"]) for stage in stages}


def test_what_the_cluster_says_is_what_the_user_reads(cluster: Cluster, store: Store, study: MakeStudy) -> None:
    expected = {
        "suspended": ("ready", "releases it"),
        "unschedulable": ("unschedulable", "Insufficient nvidia.com/gpu"),
        "image": ("image pull", "registry.example/xtl:nowhere"),
        "secret": ("misconfigured", 'secret "bucket-keys" not found'),
        "account": ("misconfigured", 'serviceaccount "trainer" not found'),
        "never": ("failed", "exit 42 (it will never work as it is): xnli/test.tsv:4: gold_label is odd"),
        "missing": ("missing", "run `xtl submit`"),
    }
    here = prepare(study, store, *expected)
    create(cluster, store, **{name: SITUATIONS[name] for name in expected if name != "missing"})

    def agreed() -> bool:
        found = told(here)
        return all(found[name][0] == state and said in found[name][1] for name, (state, said) in expected.items())

    wait(agreed, "every state and reason")
    table = here.xtl("status", "grid.yaml").out
    assert "situations: 0 of 7 stages done, 0 running, 1 waiting, 1 failed, " in table
    assert "0.0 GPU hours used" in table
    assert "Insufficient nvidia.com/gpu" in table
    assert "No controller is alive, so nothing that is ready starts" in table

    client = Cluster(namespace=cluster.namespace)
    stages = {key_of(name): {"title": name, "kind": "target", "parents": []} for name in expected}
    report("situations", stages, store, client)
    assert client.requests == {"GET": 4}  # Jobs, pods, Events for a Job without a pod, and who releases what is ready


def test_when_jobs_are_gone_the_store_still_knows(cluster: Cluster, store: Store, study: MakeStudy) -> None:
    here = prepare(study, store, "complete", "never", "suspended")
    create(cluster, store, complete=SITUATIONS["complete"], never=SITUATIONS["never"])
    for name in ("complete", "never"):
        job, _ = situations.reach(cluster, name, store.url)
        cluster.delete(JOBS, job["metadata"]["name"])
        assert cluster.wait_gone(JOBS, job["metadata"]["name"], 60.0)
    body = {"key": key_of("complete"), "attempt": "a", "files": {}, "seconds": {"total": 7200.0}}
    commit.put_json(store, layout.manifest_name(key_of("complete")), body)
    note = {"key": key_of("never"), "reason": "gold_label is odd", "status": 42}
    commit.put_json(store, layout.failed_name(key_of("never")), note)
    assert told(here) == {
        "complete": ("done", ""),
        "never": ("failed", "exit 42 (it will never work as it is): gold_label is odd"),
        "suspended": ("missing", "it has no Job: run `xtl submit`"),
    }
    assert "; 2.0 GPU hours used" in here.xtl("status", "grid.yaml").out


def test_a_cluster_that_is_not_there(
    cluster: Cluster, store: Store, study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = prepare(study, store, "complete", "running")
    body = {"key": key_of("complete"), "attempt": "a", "files": {}, "seconds": {"total": 1.0}}
    commit.put_json(store, layout.manifest_name(key_of("complete")), body)
    beat = {"state": "training", "step": 2, "steps": 8, "at": time.time()}
    commit.put_json(store, layout.progress_name(key_of("running")), beat)
    elsewhere = here.xtl("status", "grid.yaml", "--context", "nowhere")
    assert elsewhere.status == 2
    assert "nowhere" in elsewhere.err
    dead = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "dead",
        "contexts": [{"name": "dead", "context": {"cluster": "dead", "user": "me"}}],
        "clusters": [{"name": "dead", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "me", "user": {}}],
    }
    (tmp_path / "dead").write_text(yaml.safe_dump(dead))
    for config in (tmp_path / "dead", tmp_path / "not-there"):
        found = here.xtl("status", "grid.yaml", "--all", KUBECONFIG=str(config))
        assert found.status == 0, found
        assert "The cluster could not be read, so this is what the store says." in found.out
        assert "2/8" in found.out
        assert "1 of 2 stages done, 1 running" in found.out


def test_disruptions_and_what_they_cost(cluster: Cluster, store: Store, study: MakeStudy) -> None:
    """Each pod begins its log, as a stage does; the second time, a state was saved by the attempt before."""
    here = prepare(study, store, "evicted")
    key = key_of("evicted")
    create(cluster, store, evicted=SITUATIONS["evicted"])

    def first() -> Any:
        _, pods = situations.look(cluster, "evicted", store.url)
        return next((pod for pod in pods if pod["status"]["phase"] == "Running"), None)

    began = wait(first, "the first pod")["metadata"]["uid"]
    store.put(layout.log_name(key, began), b"begun\n")
    _, pods = situations.reach(cluster, "evicted", store.url)
    now = pods[-1]["metadata"]["uid"]
    assert now != began
    commit.put_json(store, layout.progress_name(key), {"attempt": now, "state": "training", "at": time.time()})
    assert told(here)["evicted"] == ("running", "training; disrupted 1 time, without progress")
    store.put(f"{layout.resume_prefix(key, began, 40)}manifest.json", b"{}")
    assert told(here)["evicted"] == ("running", "training; disrupted 1 time")


def test_logs_come_from_the_pod_while_it_lives(cluster: Cluster, store: Store, study: MakeStudy) -> None:
    here = prepare(study, store, "talks", "unschedulable")
    shell = (
        r"printf 'one \033[31mred\n'; while [ ! -e /tmp/end ]; do sleep 0.2; n=$((n+1)); [ $n -lt 40 ] || exit 42; done"
    )
    talks = Situation(shell=shell + "; echo end", until=lambda job, pods: True)
    create(cluster, store, talks=talks, unschedulable=SITUATIONS["unschedulable"])
    name = render.job_name("target", key_of("talks"), store.url)
    wait(lambda: "one" in here.xtl("logs", "grid.yaml", name).out, "the pod's first line")
    follows = here.start("logs", "grid.yaml", "target/talks/none", "-f")
    for wanted in ("target/talks", "target talks", key_of("talks")[:12]):
        log = here.xtl("logs", "grid.yaml", wanted)
        assert log.out == "one \\x1b[31mred\n", log
    followed = ended(follows)
    assert followed.status == 0, followed
    assert followed.out == "one \\x1b[31mred\n"

    unborn = here.xtl("logs", "grid.yaml", "target unschedulable")
    assert unborn.status == 2
    assert "has no log yet: it has not started (unschedulable: 0/" in unborn.err

    cluster.delete(JOBS, name)
    assert cluster.wait_gone(JOBS, name, 60.0)
    store.put(layout.log_name(key_of("talks"), "an-attempt"), b"kept \x1b[2J\n")
    for more in ([], ["-f"]):
        assert here.xtl("logs", "grid.yaml", "target talks", *more).out == "kept \\x1b[2J\n"


def test_a_log_that_one_may_not_read_is_followed_in_the_store(
    cluster: Cluster, store: Store, study: MakeStudy, kubeconfig: Path, tmp_path: Path
) -> None:
    here = prepare(study, store, "running")
    create(cluster, store, running=SITUATIONS["running"])
    situations.reach(cluster, "running", store.url)
    rules = [
        {"apiGroups": [group], "resources": [what], "verbs": ["get", "list"]}
        for group, what in (("batch", "jobs"), ("", "pods"))
    ]
    few = kubeconfigs.with_user(kubeconfig, token(cluster, "few", rules), tmp_path / "few")
    key = key_of("running")
    store.put(layout.log_name(key, "an-attempt"), b"one\n")
    commit.put_json(store, layout.progress_name(key), {"attempt": "an-attempt", "state": "training", "at": time.time()})
    follows = here.start("logs", "grid.yaml", "target running", "-f", KUBECONFIG=str(few))
    time.sleep(4.0)
    assert follows.poll() is None
    store.put(layout.log_name(key, "an-attempt"), b"one\ntwo\n")
    commit.put_json(store, layout.progress_name(key), {"attempt": "an-attempt", "state": "committed", "ended": True})
    found = ended(follows)
    assert found.out == "one\ntwo\n"
    assert "note: the store's copy, for the cluster does not tell: not allowed: " in found.err
    assert "pods/log" in found.err


def test_a_watch_ends_when_every_stage_has(cluster: Cluster, store: Store, study: MakeStudy) -> None:
    here = prepare(study, store, "never", "exhausted")
    create(cluster, store, never=SITUATIONS["never"])
    watch = here.start("status", "grid.yaml", "-w")
    situations.reach(cluster, "never", store.url)
    time.sleep(4.0)
    create(cluster, store, exhausted=SITUATIONS["exhausted"])
    found = ended(watch)
    assert found.status == 0, found
    assert "missing" in found.out
    assert "failed" in found.out
    assert "situations: 0 of 2 stages done, 0 running, 0 waiting, 2 failed; 0.0 GPU hours used" in found.out
