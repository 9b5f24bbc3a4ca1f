"""The controller against a real API server: what it does to Jobs, and that nothing which dies around it, itself
included, loses a release. Jobs are moved on by hand where no pod is needed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster import jobs as made
from tests.cluster import kubeconfigs
from tests.cluster.conftest import THIN, UP
from tests.cluster.running import Running
from tests.run.study import TRAINED, Study, wait
from tests.s3server import S3Server
from xtl import local, render
from xtl.cli.common import load_grid, make_plan
from xtl.cluster import EVENTS, JOBS, LEASES, Cluster
from xtl.controller import RELEASED, SKIPPED, Controller, list_jobs
from xtl.lease import Lease, alive
from xtl.plan import Plan
from xtl.store import Store, commit, layout, open_store
from xtl.submit import standing, submit

MakeStudy = Callable[..., Study]


@pytest.fixture
def plan(study: MakeStudy) -> Plan:
    """Fetches, a model, an intermediate, two targets and reduce."""
    return make_plan(load_grid(study(TRAINED).folder / "grid.yaml", None, None))


def place(plan: Plan, store: Store, cluster: Cluster) -> None:
    local.prepare(plan, store)
    submit(plan, store, cluster, standing(plan, store))


def key_of(plan: Plan, title: str) -> str:
    return next(key for key, stage in plan.stages.items() if stage.title == title)


def done(controller: Controller) -> list[str]:
    """A round: `kind name` of what it did."""
    acted = controller.round()
    controller.settle()
    return sorted(f"{action.kind} {action.name}" for action in acted)


def of_kind(plan: Plan, kind: str) -> list[str]:
    return [key for key, stage in plan.stages.items() if stage.kind == kind]


def notes(cluster: Cluster, name: str) -> dict[str, str]:
    return made.get(cluster, name)["metadata"]["annotations"]


def said(cluster: Cluster) -> list[tuple[str, str]]:
    return sorted((event["reason"], event["involvedObject"]["name"]) for event in cluster.list(EVENTS)
                  if event.get("source", {}).get("component") == "xtl-controller")  # fmt: skip


def suspended(cluster: Cluster, name: str) -> bool:
    return bool(made.get(cluster, name)["spec"]["suspend"])


def test_a_study_moves_on_as_manifests_appear(cluster: Cluster, plan: Plan, store: Store) -> None:
    place(plan, store, cluster)
    controller = Controller(cluster, store)
    seen: list[str] = []
    for _ in range(len(plan.stages)):
        acted = controller.round()
        assert {action.kind for action in acted} <= {"release"}
        for action in acted:
            assert set(plan.stages[action.key].parents) <= set(commit.manifests(store))
            assert not suspended(cluster, action.name)
            assert render.GATE not in notes(cluster, action.name)
            seen.append(action.key)
            made.commit_stage(store, action.key)
    assert sorted(seen) == sorted(plan.stages)
    controller.settle()
    assert said(cluster) == sorted(("Released", made.name(plan, store, key)) for key in plan.stages)


def test_a_round_with_nothing_to_do_writes_nothing(cluster: Cluster, plan: Plan, store: Store) -> None:
    place(plan, store, cluster)
    assert done(Controller(cluster, store))
    cluster.requests.clear()
    assert done(Controller(cluster, store)) == []
    assert set(cluster.requests) == {"GET"}


def test_another_store_s_jobs_are_another_s(cluster: Cluster, plan: Plan, store: Store) -> None:
    place(plan, store, cluster)
    assert done(Controller(cluster, open_store(f"{store.url}-other"))) == []


def test_a_failure_is_noted_once_and_the_rest_goes_on(cluster: Cluster, plan: Plan, store: Store) -> None:
    place(plan, store, cluster)
    controller = Controller(cluster, store)
    done(controller)
    (middle,) = of_kind(plan, "intermediate")
    for key in of_kind(plan, "fetch"):
        made.commit_stage(store, key)
    made.finish(cluster, plan, store, middle, "Failed")
    acted = done(controller)
    names = [made.name(plan, store, key) for key in of_kind(plan, "target")]
    reduce = made.name(plan, store, plan.reduce)  # over what there is: nothing
    expected = [f"fail {made.name(plan, store, middle)}", f"release {reduce}", *(f"skip {name}" for name in names)]
    assert acted == sorted(expected)
    note = commit.get_json(store, layout.failed_name(middle))
    assert note is not None
    assert (note["status"], note["reason"]) == (42, "PodFailurePolicy: exit code 42")
    for name in names:
        assert notes(cluster, name)[SKIPPED] == f"needs {plan.stages[middle].title}, which failed"
        assert suspended(cluster, name)
    before = said(cluster)
    assert done(Controller(cluster, store)) == []
    assert said(cluster) == before

    # and after it is tried again
    cluster.delete(JOBS, made.name(plan, store, middle))
    assert cluster.wait_gone(JOBS, made.name(plan, store, middle), 30)
    cluster.create(JOBS, render.render(plan, store.url)[middle])
    kinds = {action.split()[0] for action in done(controller)} | {action.split()[0] for action in done(controller)}
    assert kinds == {"forget", "unskip", "release"}
    assert commit.get_json(store, layout.failed_name(middle)) is None
    assert SKIPPED not in notes(cluster, names[0])


def test_a_parent_whose_bytes_are_gone_is_not_done(cluster: Cluster, plan: Plan, store: Store) -> None:
    """Its manifest goes, its Job counts as failed with what to do, and nobody starts on it."""
    place(plan, store, cluster)
    controller = Controller(cluster, store)
    done(controller)
    (middle,) = of_kind(plan, "intermediate")
    broken = next(key for key in plan.stages[middle].parents)
    for key in of_kind(plan, "fetch"):
        made.commit_stage(store, key)
    made.finish(cluster, plan, store, broken, "Complete")
    manifest = commit.read_manifest(store, broken)
    assert manifest is not None
    store.delete(next(iter(commit.blobs(manifest).values())).name)
    acted = done(controller)
    assert f"release {made.name(plan, store, middle)}" not in acted
    assert {f"fail {made.name(plan, store, broken)}", f"skip {made.name(plan, store, middle)}"} <= set(acted)
    assert commit.read_manifest(store, broken) is None
    assert "xtl submit" in str(commit.get_json(store, layout.failed_name(broken)))


def test_a_job_that_went_meanwhile_is_no_trouble(cluster: Cluster, plan: Plan, store: Store) -> None:
    place(plan, store, cluster)
    listed = list_jobs(cluster)
    gone = of_kind(plan, "fetch")[0]
    cluster.delete(JOBS, made.name(plan, store, gone))
    assert cluster.wait_gone(JOBS, made.name(plan, store, gone), 30)
    controller = Controller(cluster, store)
    assert gone not in {action.key for action in controller.round(listed)}
    assert controller.problems == []


def test_releases_stand_while_others_write_to_the_same_jobs(cluster: Cluster, plan: Plan, store: Store) -> None:
    """Someone annotates every Job all the time: resourceVersions move, no release is lost or undone."""
    place(plan, store, cluster)
    names, over = [made.name(plan, store, key) for key in of_kind(plan, "fetch")], threading.Event()

    def disturb() -> None:
        other, number = Cluster(namespace=cluster.namespace), 0
        while not over.is_set():
            number += 1
            for name in names:
                other.patch(JOBS, name, {"metadata": {"annotations": {"note": str(number)}}})

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        Controller(cluster, store).round()
    finally:
        over.set()
        thread.join()
    assert {name: suspended(cluster, name) for name in names if not plan_parents(plan, store, name)} == {
        name: False for name in names if not plan_parents(plan, store, name)
    }


def plan_parents(plan: Plan, store: Store, name: str) -> tuple[str, ...]:
    return next(stage.parents for key, stage in plan.stages.items() if made.name(plan, store, key) == name)


def test_a_queue_label_that_someone_added_leaves_the_job_to_kueue(cluster: Cluster, plan: Plan, store: Store) -> None:
    place(plan, store, cluster)
    name = made.name(plan, store, of_kind(plan, "fetch")[0])
    cluster.patch(JOBS, name, {"metadata": {"labels": {render.QUEUE: "default"}}})
    done(Controller(cluster, store))
    assert suspended(cluster, name)
    assert render.GATE not in notes(cluster, name)
    assert done(Controller(cluster, store)) == []


def test_a_job_that_a_person_suspends_stays_so(cluster: Cluster, plan: Plan, store: Store) -> None:
    place(plan, store, cluster)
    done(Controller(cluster, store))
    name = made.name(plan, store, of_kind(plan, "fetch")[0])
    cluster.patch(JOBS, name, {"spec": {"suspend": True}})
    assert done(Controller(cluster, store)) == []
    assert suspended(cluster, name)


# -- as a process -----------------------------------------------------------------------------------------------------


@pytest.fixture
def run(namespace: str, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts controllers that end with the test."""
    with ExitStack() as stack:

        def start(name: str = "one", *options: str, **env: str) -> Running:
            running = Running(namespace, tmp_path / f"{name}.log", name, *options, env=env)
            stack.callback(running.kill)
            return running

        yield start


def released(cluster: Cluster, name: str) -> bool:
    return RELEASED in notes(cluster, name)


def test_it_tells_how_it_is_and_ends_well(
    cluster: Cluster, plan: Plan, store: Store, run: Callable[..., Running]
) -> None:
    place(plan, store, cluster)
    one = run()
    wait(lambda: one.page("/readyz")[0] == 200, "ready", 30)
    wait(lambda: one.metric('xtl_controller_actions_total{kind="release"}') >= 1, "a release", 30)
    assert one.page("/healthz") == (200, "ok\n")
    assert one.page("/nothing")[0] == 404
    assert one.metric("xtl_controller_leader") == 1
    assert one.metric("xtl_controller_last_success_timestamp_seconds") > time.time() - 60
    assert 0 < one.metric("process_resident_memory_bytes") < 200e6
    assert alive(cluster) == "one"
    assert one.stop() == 0
    assert alive(cluster) is None
    assert {line["level"] for line in one.lines()} == {"info"}


def test_one_leads_and_another_takes_over(
    cluster: Cluster, plan: Plan, store: Store, run: Callable[..., Running]
) -> None:
    one = run("one")
    wait(lambda: alive(cluster) == "one", "the first leads", 30)
    two = run("two")
    wait(lambda: two.page("/readyz")[0] == 200, "the second stands by", 30)
    assert (one.metric("xtl_controller_leader"), two.metric("xtl_controller_leader")) == (1, 0)
    place(plan, store, cluster)
    first = made.name(plan, store, of_kind(plan, "fetch")[0])
    wait(lambda: released(cluster, first), "the first releases", 30)
    assert two.metric('xtl_controller_actions_total{kind="release"}') == 0
    one.kill()
    began = time.monotonic()
    wait(lambda: two.metric("xtl_controller_leader") == 1, "the second takes over", 30)
    assert time.monotonic() - began < 15
    for key in of_kind(plan, "fetch"):
        made.commit_stage(store, key)
    (middle,) = of_kind(plan, "intermediate")
    wait(lambda: released(cluster, made.name(plan, store, middle)), "the second releases", 30)
    three = run("three")
    wait(lambda: three.page("/readyz")[0] == 200, "the third stands by", 30)
    assert two.stop() == 0
    wait(lambda: three.metric("xtl_controller_leader") == 1, "the third leads, without waiting the Lease out", 8)
    lease = cluster.get(LEASES, "xtl-controller")
    assert lease is not None
    assert lease["spec"]["leaseTransitions"] == 2


def test_two_candidates_at_once_are_never_both_told_yes(cluster: Cluster) -> None:
    for number in range(5):
        candidates = [Lease(Cluster(namespace=cluster.namespace), f"c{n}", name=f"lease-{number}") for n in range(4)]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda candidate: candidate.attempt(), candidates))
        assert answers.count(True) == 1
        lease = cluster.get(LEASES, f"lease-{number}")
        assert lease is not None
        assert lease["spec"]["holderIdentity"] == candidates[answers.index(True)].identity


def test_the_watch_wakes_it_between_rounds(
    cluster: Cluster, plan: Plan, store: Store, run: Callable[..., Running]
) -> None:
    one = run("one", "--every", "120")
    wait(lambda: one.metric("xtl_controller_rounds_total") >= 1, "its first round", 30)
    time.sleep(2.0)  # until it watches
    place(plan, store, cluster)
    wait(lambda: released(cluster, made.name(plan, store, of_kind(plan, "fetch")[0])), "released at once", 15)


def test_a_store_that_is_away_for_half_a_minute(
    cluster: Cluster, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Running]
) -> None:
    with S3Server(tmp_path / "s3") as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        store = open_store(server.fresh_url())
        place(plan, store, cluster)
        one = run()
        fetch = of_kind(plan, "fetch")
        wait(lambda: released(cluster, made.name(plan, store, fetch[0])), "a release", 30)
        server.kill()
        time.sleep(30)
        assert one.metric('xtl_controller_errors_total{what="store"}') > 0
        assert one.process.poll() is None
        assert alive(cluster) == "one"
        server.start()
        for key in fetch:
            made.commit_stage(store, key)
        (middle,) = of_kind(plan, "intermediate")
        wait(lambda: released(cluster, made.name(plan, store, middle)), "a release after it", 45)
        assert one.stop() == 0


@pytest.mark.slow
def test_a_controller_that_is_killed_every_few_seconds_gets_there(
    cluster: Cluster, study: MakeStudy, store: Store, run: Callable[..., Running]
) -> None:
    """Real pods; each new process has the name of the one before, as a container that is started again in its pod."""
    thin = study(THIN)
    ended = thin.xtl("submit", "grid.yaml", "--yes")
    assert ended.status == 0, ended
    keys = set(make_plan(load_grid(thin.folder / "grid.yaml", None, None)).stages)
    kills, end = 0, time.monotonic() + 240
    while not keys <= set(commit.manifests(store)):
        assert time.monotonic() < end, "not done in 240 s"
        one = run()
        time.sleep(4.0)
        one.kill()
        kills += 1
    assert kills >= 3
    names = [event for event in said(cluster) if event[0] == "Released"]
    assert len(names) == len(set(names))


@pytest.mark.slow
@pytest.mark.skipif(not UP.exists(), reason="NOT RUN: needs an API server of its own to restart (kube/up)")
def test_an_api_server_that_is_restarted(
    tmp_path: Path, study: MakeStudy, store: Store, monkeypatch: pytest.MonkeyPatch, plan: Plan
) -> None:
    folder, port = tmp_path / "kube", kubeconfigs.free_ports(4)
    up = [UP, "--dir", folder, "--port", str(port)]
    try:
        subprocess.run(up, check=True, timeout=180, stdout=subprocess.DEVNULL)
        monkeypatch.setenv("KUBECONFIG", str(folder / "admin.conf"))
        cluster = Cluster(namespace="default")
        moved = plan_in(plan, "default")
        place(moved, store, cluster)
        one = Running("default", tmp_path / "one.log", "one")
        try:
            fetch = of_kind(plan, "fetch")
            wait(lambda: released(cluster, made.name(plan, store, fetch[0])), "a release", 30)
            (server,) = [pid for pid in processes("kube-apiserver") if str(folder) in command(pid)]
            os.kill(server, signal.SIGKILL)
            time.sleep(8)
            assert one.process.poll() is None
            subprocess.run(up, check=True, timeout=180, stdout=subprocess.DEVNULL)
            for key in fetch:
                made.commit_stage(store, key)
            (middle,) = of_kind(plan, "intermediate")
            wait(lambda: released(cluster, made.name(plan, store, middle)), "a release after it", 60)
            assert any("does not answer" in line["message"] for line in one.lines())
            assert one.stop() == 0
        finally:
            one.kill()
    finally:
        subprocess.run([UP.with_name("down"), "--dir", folder], check=False, timeout=60, stdout=subprocess.DEVNULL)


def plan_in(plan: Plan, namespace: str) -> Plan:
    return replace(plan, grid=replace(plan.grid, cluster={**plan.grid.cluster, "namespace": namespace}))


def processes(name: str) -> list[int]:
    return [
        int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and name in command(int(path.name))
    ]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
