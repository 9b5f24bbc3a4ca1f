"""Studies that run to their end on a real Kubernetes, with pods that train."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

from tests.cluster import jobs as made
from tests.run.study import Ended, Study, keys, results, wait
from xtl.cluster import JOBS, PODS, Cluster
from xtl.store import Store, commit, layout, open_store
from xtl.submit import condition

MakeStudy = Callable[..., Study]

#: One arm whose intermediate can fail, one that goes on without it.
TWO_ARMS = """\
name: arms
model: tiny
seeds: [1]
intermediates: [none, mnli]
targets: [tatoeba]
train: {intermediate: {default: {lr: 1e-3, epochs: 1, batch: 8, length: 32}}}
precision: fp32
data: ./data
"""


def submit_and_wait(study: Study, *options: str) -> Ended:
    return study.xtl("submit", "grid.yaml", "--yes", "--wait", *options, timeout=600)


def scores(store: Store, grid: str) -> bytes:
    return store.get(f"{layout.grid_prefix(grid)}scores.csv")[0]


def job_of(cluster: Cluster, key: str) -> dict[str, Any]:
    return next(job for job in cluster.list(JOBS) if job["metadata"]["annotations"]["xtl.dev/key"] == key)


def test_a_study_with_a_stage_that_can_never_work_and_its_end_after_a_retry(
    cluster: Cluster, study: MakeStudy, store: Store
) -> None:
    arms = study(TWO_ARMS)
    assert arms.xtl("submit", "grid.yaml", "--yes").status == 0
    stages = keys(store, "arms")
    intermediate = next(key for title, key in stages.items() if title.startswith("intermediate"))
    spec = layout.spec_name(intermediate)
    good = store.get(spec)[0]
    store.put(spec, json.dumps({**json.loads(good), "spec": {"schema": 0}}).encode())  # pods exit with 42 on it

    ended = submit_and_wait(arms)
    assert ended.status == 1, ended
    failed = job_of(cluster, intermediate)
    assert (condition(failed, "Failed") or {})["reason"] == "PodFailurePolicy"
    assert failed["status"]["failed"] == 1
    skipped = [job for job in cluster.list(JOBS) if "xtl.dev/skipped" in job["metadata"]["annotations"]]
    assert [job["metadata"]["labels"]["xtl.dev/kind"] for job in skipped] == ["target"]
    assert "which failed" in skipped[0]["metadata"]["annotations"]["xtl.dev/skipped"]
    assert "skipped" in ended.err
    assert "1 of 2" in ended.out, ended
    assert scores(store, "arms").count(b"\n") > 1

    store.put(spec, good)
    expire(cluster, arms, store)
    retried = arms.xtl("retry", "grid.yaml")
    assert retried.status == 0, retried
    complete = submit_and_wait(arms)
    assert complete.status == 0, complete

    local = open_store(f"{store.url}-local")
    ran = arms.run("--store", local.url)
    assert ran.status == 0, ran
    assert results(local, "arms") == results(store, "arms")
    assert scores(local, "arms") == scores(store, "arms")


def expire(cluster: Cluster, study: Study, store: Store) -> None:
    """Every Job that is done goes, as its time to live has it."""
    done = commit.manifests(store)
    for job in cluster.list(JOBS):
        if job["metadata"]["annotations"]["xtl.dev/key"] in done:
            cluster.delete(JOBS, job["metadata"]["name"])
            assert cluster.wait_gone(JOBS, job["metadata"]["name"], 30)


def test_a_result_whose_bytes_are_gone_is_made_again_and_nothing_else(
    cluster: Cluster, study: MakeStudy, store: Store
) -> None:
    thin = study()
    first = submit_and_wait(thin)
    assert first.status == 0, first
    before = results(store, "thin"), made.uids(cluster)
    fetch = next(key for title, key in keys(store, "thin").items() if "tatoeba" in title and title.startswith("fetch"))
    manifest = commit.read_manifest(store, fetch)
    assert manifest is not None
    store.delete(next(iter(commit.blobs(manifest).values())).name)

    again = submit_and_wait(thin)
    assert again.status == 0, again
    assert "1 created, 3 found" in again.err
    assert results(store, "thin") == before[0]
    after = made.uids(cluster)
    assert [name for name in after if after[name] != before[1][name]] == [job_of(cluster, fetch)["metadata"]["name"]]


def test_ctrl_c_stops_the_waiting_and_not_the_jobs(cluster: Cluster, study: MakeStudy, store: Store) -> None:
    thin = study(
        patch=[{"op": "replace", "path": "/spec/template/spec/containers/0/command", "value": ["sleep", "99"]}]
    )
    with thin.start("submit", "grid.yaml", "--yes", "--wait") as client:
        wait(lambda: [pod for pod in cluster.list(PODS) if pod["status"]["phase"] == "Running"], "a pod that runs")
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=60)
    assert client.returncode == 130, out + err
    assert "Stopped waiting, with 0 of 4 stages done. The Jobs stay: 1 are released" in err
    assert "Traceback" not in err
    assert len(cluster.list(JOBS)) == 4
    assert [pod["status"]["phase"] for pod in cluster.list(PODS)] == ["Running"]
