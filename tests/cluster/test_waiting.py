"""`xtl submit --wait` while what it needs is away, or someone else is at the grid. Pods only sleep here."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster import jobs as made
from tests.cluster import kubeconfigs
from tests.cluster.proxy import Proxy
from tests.run.study import Study, wait
from tests.s3server import S3Server
from xtl import waiting
from xtl.cli.common import load_grid, make_plan
from xtl.cluster import JOBS, Cluster
from xtl.lease import Lease
from xtl.plan import Plan
from xtl.store import Store
from xtl.submit import standing, submit

MakeStudy = Callable[..., Study]
SLEEP = [{"op": "replace", "path": "/spec/template/spec/containers/0/command", "value": ["sleep", "600"]}]


@pytest.fixture
def plan(study: MakeStudy, cluster: Cluster, store: Store) -> Plan:
    """Submitted; its pods sleep."""
    grid = study(patch=SLEEP, grace="1s").folder / "grid.yaml"
    plan = make_plan(load_grid(grid, None, None))
    submit(plan, store, cluster, standing(plan, store))
    return plan


def test_an_api_server_and_a_store_that_are_away_are_waited_for(
    plan: Plan,
    store: Store,
    namespace: str,
    kubeconfig: Path,
    tmp_path: Path,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if os.environ.get("XTL_TEST_STORE"):
        pytest.skip("NOT RUN: stops the store, which is none of ours (XTL_TEST_STORE)")
    said: list[str] = []
    with Proxy(kubeconfig) as proxy:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfigs.at(proxy.url, tmp_path / "k")))
        following = waiting.Waiting(plan, store, Cluster(namespace=namespace), said.append)
        pool = ThreadPoolExecutor(1)
        ended = pool.submit(following.run)
        wait(lambda: [line for line in said if line.startswith("released")], "a Job released")
    wait(lambda: [line for line in said if "does not answer" in line], "the API server missed")
    with Proxy(kubeconfig, port=proxy.port):
        wait(lambda: not following.away, "the API server back")
        s3.kill()
        wait(lambda: following.away, "the store missed")
        s3.start()
        for key in plan.stages:
            made.commit_stage(store, key)
        assert ended.result(timeout=90)
    assert set(following.states.values()) == {"done"}
    assert len([line for line in said if line.endswith("Waiting for it")]) == 2


def test_nobody_but_the_controller_releases_where_one_is_alive(plan: Plan, store: Store, cluster: Cluster) -> None:
    someone = Lease(cluster, "someone")
    assert someone.attempt()
    following = waiting.Waiting(plan, store, cluster, lambda line: None)
    following.look()
    assert all(job["spec"]["suspend"] for job in cluster.list(JOBS))
    someone.leading.set()
    someone.release()
    following.look()
    assert set(following.states.values()) == {"waiting", "released"}
    assert not all(job["spec"]["suspend"] for job in cluster.list(JOBS))


def test_a_retry_is_told_with_what_the_last_attempt_said(study: MakeStudy, cluster: Cluster, store: Store) -> None:
    shell = ["sh", "-c", "echo 2026-01-01T00:00:01 ERROR the disk is full >&2; exit 1"]
    grid = study(patch=[{**SLEEP[0], "value": shell}], grace="1s").folder / "grid.yaml"
    plan = make_plan(load_grid(grid, None, None))
    submit(plan, store, cluster, standing(plan, store))
    said: list[str] = []
    following = waiting.Waiting(plan, store, cluster, said.append)

    def told() -> list[str]:
        following.look()
        return [line for line in said if line.startswith("retrying")]

    first = wait(told, "a retry told")[0]
    assert "attempt 1 ended with exit 1: the disk is full; it is tried again" in first
    assert any(stage.title in first for stage in plan.stages.values())


def test_what_will_never_work_is_not_said_to_be_tried_again(study: MakeStudy, cluster: Cluster, store: Store) -> None:
    shell = ["sh", "-c", "echo 2026-01-01T00:00:01 ERROR a broken row >&2; exit 42"]
    grid = study(patch=[{**SLEEP[0], "value": shell}], grace="1s").folder / "grid.yaml"
    plan = make_plan(load_grid(grid, None, None))
    submit(plan, store, cluster, standing(plan, store))
    said: list[str] = []
    following = waiting.Waiting(plan, store, cluster, said.append)
    assert not following.run()
    assert "failed" in following.states.values()
    assert [line for line in said if line.startswith("failed")]
    assert not [line for line in said if line.startswith("retrying")]


def test_jobs_that_someone_has_removed_end_the_waiting(
    plan: Plan, store: Store, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MISSING_SECONDS", 1.0)
    for job in cluster.list(JOBS):
        cluster.delete(JOBS, job["metadata"]["name"])
        assert cluster.wait_gone(JOBS, job["metadata"]["name"], 20)
    following = waiting.Waiting(plan, store, cluster, lambda line: None)
    assert not following.run()
    assert set(following.states.values()) == {"missing"}
    assert "`xtl submit` makes it anew" in following.reasons[plan.reduce]
