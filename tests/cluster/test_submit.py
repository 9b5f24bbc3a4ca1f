"""`xtl submit` against a real API server: what it creates, and what it leaves alone. No pod runs here."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import jobs as made
from tests.cluster import kubeconfigs
from tests.cluster.conftest import THIN
from tests.cluster.proxy import Proxy
from tests.commands import parse
from tests.run.study import Study, ended, wait
from xtl import render
from xtl.cli.common import load_grid, make_plan
from xtl.cluster import JOBS, LEASES, Cluster
from xtl.decide import UNCOMMITTED
from xtl.plan import Plan
from xtl.store import Store, commit, layout
from xtl.submit import Submitted, standing, submit

MakeStudy = Callable[..., Study]
WRITES = ("POST", "PATCH", "PUT", "DELETE")


def plan_of(grid_file: Path) -> Plan:
    return make_plan(load_grid(grid_file, None, None))


def place(plan: Plan, store: Store, namespace: str) -> tuple[Submitted, Counter[str]]:
    """As a client of its own: what it did, and what it asked of the API server."""
    client = Cluster(namespace=namespace)
    result = submit(plan, store, client, standing(plan, store))
    return result, Counter(client.requests)


def writes(requests: Counter[str]) -> int:
    return sum(requests[verb] for verb in WRITES)


def test_jobs_are_created_suspended_and_gated(cluster: Cluster, grid_file: Path, store: Store) -> None:
    plan = plan_of(grid_file)
    result, requests = place(plan, store, cluster.namespace)
    jobs = cluster.list(JOBS)
    assert {job["metadata"]["name"] for job in jobs} == set(result.created)
    assert len(jobs) == len(plan.stages) == requests["POST"]
    assert all(job["spec"]["suspend"] for job in jobs)
    assert {job["metadata"]["annotations"][render.GATE] for job in jobs} == {render.GATED_BY}


def test_a_second_submit_writes_nothing(cluster: Cluster, grid_file: Path, store: Store) -> None:
    plan = plan_of(grid_file)
    first, _ = place(plan, store, cluster.namespace)
    before = made.uids(cluster)
    second, requests = place(plan, store, cluster.namespace)
    assert writes(requests) == 0
    assert (second.created, sorted(second.found)) == ([], sorted(first.created))
    assert made.uids(cluster) == before


def test_two_clients_at_once_make_one_job_a_stage(cluster: Cluster, grid_file: Path, store: Store) -> None:
    plan = plan_of(grid_file)
    with ThreadPoolExecutor(4) as pool:
        results = [x for x, _ in pool.map(lambda _: place(plan, store, cluster.namespace), range(4))]
    created = Counter(name for result in results for name in result.created)
    assert set(created.values()) == {1}
    assert set(created) == {job["metadata"]["name"] for job in cluster.list(JOBS)}
    assert len(created) == len(plan.stages)


def test_two_processes_at_once_make_one_job_a_stage(
    cluster: Cluster, study: MakeStudy, kubeconfig: Path, tmp_path: Path
) -> None:
    thin = study()
    with Proxy(kubeconfig, together=5) as proxy:  # of two times four: neither saw a Job of the other's
        config = str(kubeconfigs.at(proxy.url, tmp_path / "k"))
        clients = [thin.start("submit", "grid.yaml", "--yes", "-o", "json", KUBECONFIG=config) for _ in range(2)]
        both = [ended(client) for client in clients]
    assert [one.status for one in both] == [0, 0], both
    assert proxy.gathered.is_set()
    told = [json.loads(one.out) for one in both]
    names = sorted(job["metadata"]["name"] for job in cluster.list(JOBS))
    assert len(names) == 4
    assert sorted(name for one in told for name in one["created"]) == names
    assert all(sorted(one["created"] + one["found"]) == names for one in told)


def test_two_grids_at_once_share_stages_and_both_have_their_label(
    cluster: Cluster, study: MakeStudy, store: Store
) -> None:
    plans = [plan_of(study(THIN.replace("thin", name), name).folder / "grid.yaml") for name in ("one", "two")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda plan: place(plan, store, cluster.namespace), plans))
    shared = plans[0].stages.keys() & plans[1].stages.keys()
    by_key = {job["metadata"]["annotations"][render.KEY]: job["metadata"]["labels"] for job in cluster.list(JOBS)}
    assert len(by_key) == len(shared) + 2  # a report each
    for key in shared:
        assert {"grid.xtl.dev/one", "grid.xtl.dev/two"} <= by_key[key].keys()


def test_a_client_killed_half_way_is_completed_by_the_next(
    cluster: Cluster, study: MakeStudy, kubeconfig: Path, tmp_path: Path
) -> None:
    thin = study()
    with Proxy(kubeconfig, creations=2) as proxy:
        client = thin.start("submit", "grid.yaml", "--yes", KUBECONFIG=str(kubeconfigs.at(proxy.url, tmp_path / "k")))
        with client:
            wait(proxy.stalled.is_set, "the third Job to be asked for")
            client.send_signal(signal.SIGKILL)
    assert len(cluster.list(JOBS)) == 2
    ended = thin.xtl("submit", "grid.yaml", "--yes")
    assert ended.status == 0, ended
    assert "Jobs: 2 created, 2 found" in ended.out
    assert len(cluster.list(JOBS)) == 4


def test_a_busy_api_server_is_given_the_time_it_asks_for(
    cluster: Cluster, grid_file: Path, store: Store, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(grid_file)
    with Proxy(kubeconfig, busy=3) as proxy:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfigs.at(proxy.url, tmp_path / "k")))
        result, requests = place(plan, store, cluster.namespace)
    assert proxy.refused == 3
    assert len(result.created) == len(plan.stages)
    assert requests["POST"] == len(plan.stages) + 3


@pytest.mark.parametrize("lost", ["manifest", "bytes", "manifest, and a controller has noted it"])
def test_what_completed_and_is_not_there_any_more_is_made_anew(
    cluster: Cluster, study: MakeStudy, store: Store, lost: str
) -> None:
    thin = study()
    assert thin.xtl("submit", "grid.yaml", "--yes").status == 0
    plan = plan_of(thin.folder / "grid.yaml")
    fetch, other = [key for key, stage in plan.stages.items() if stage.kind == "fetch"][:2]
    for key in (fetch, other):
        made.complete(cluster, plan, store, key)
    before = made.uids(cluster)
    if lost != "bytes":
        store.delete(layout.manifest_name(fetch))
        if lost != "manifest":
            commit.put_json(store, layout.failed_name(fetch), {"key": fetch, "reason": UNCOMMITTED})
    else:
        store.delete(next(iter(commit.blobs(commit.read_manifest(store, fetch) or {}).values())).name)
    ended = thin.xtl("submit", "grid.yaml", "--yes")
    assert "Jobs: 1 created, 3 found" in ended.out, ended
    assert "; 1 Jobs to create in " in ended.err
    assert list(store.list(layout.FAILED)) == []
    after = made.uids(cluster)
    name = made.name(plan, store, fetch)
    assert [changed for changed in after if after[changed] != before[changed]] == [name]
    assert made.get(cluster, name)["spec"]["suspend"]


@pytest.mark.parametrize("lost", ["manifest", "bytes"])
def test_what_runs_on_a_result_that_is_gone_is_made_anew_and_waits(
    cluster: Cluster, study: MakeStudy, store: Store, lost: str
) -> None:
    thin = study()
    assert thin.xtl("submit", "grid.yaml", "--yes").status == 0
    plan = plan_of(thin.folder / "grid.yaml")
    fetches = [key for key, stage in plan.stages.items() if stage.kind == "fetch"]
    for key in fetches:
        made.complete(cluster, plan, store, key)
    target = next(key for key, stage in plan.stages.items() if stage.kind == "target")
    made.release(cluster, plan, store, target)
    assert "Jobs: 0 created, 4 found" in thin.xtl("submit", "grid.yaml", "--yes").out
    before = made.uids(cluster)
    if lost == "manifest":
        store.delete(layout.manifest_name(fetches[-1]))
    else:
        store.delete(next(iter(commit.blobs(commit.read_manifest(store, fetches[-1]) or {}).values())).name)
    ended = thin.xtl("submit", "grid.yaml", "--yes")
    assert "Jobs: 2 created, 2 found" in ended.out, ended
    assert "; 2 Jobs to create in " in ended.err
    after = made.uids(cluster)
    names = {made.name(plan, store, key) for key in (fetches[-1], target)}
    assert {name for name in after if after[name] != before[name]} == names
    assert all(made.get(cluster, name)["spec"]["suspend"] for name in names)


def test_what_is_committed_while_a_submit_looks_round_is_left_alone(
    cluster: Cluster, grid_file: Path, store: Store
) -> None:
    plan = plan_of(grid_file)
    place(plan, store, cluster.namespace)
    fetch = next(key for key, stage in plan.stages.items() if stage.kind == "fetch")
    seen = standing(plan, store)
    made.complete(cluster, plan, store, fetch)
    before = made.uids(cluster)
    assert submit(plan, store, cluster, seen).created == []
    assert made.uids(cluster) == before


def test_what_is_done_needs_no_job(cluster: Cluster, grid_file: Path, store: Store) -> None:
    plan = plan_of(grid_file)
    fetch = next(key for key, stage in plan.stages.items() if stage.kind == "fetch")
    made.commit_stage(store, fetch)
    result, _ = place(plan, store, cluster.namespace)
    assert result.done == [plan.stages[fetch].title]
    assert len(cluster.list(JOBS)) == len(plan.stages) - 1


def test_what_failed_is_left_to_retry(cluster: Cluster, study: MakeStudy, store: Store) -> None:
    thin = study()
    assert thin.xtl("submit", "grid.yaml", "--yes").status == 0
    plan = plan_of(thin.folder / "grid.yaml")
    target = next(key for key, stage in plan.stages.items() if stage.kind == "target")
    made.finish(cluster, plan, store, target, "Failed")
    ended = thin.xtl("submit", "grid.yaml", "--yes")
    assert "1 stages have failed for good" in ended.out, ended
    assert "xtl retry grid.yaml" in ended.out
    assert made.get(cluster, made.name(plan, store, target))["status"]["failed"] == 1


@pytest.mark.parametrize("option", ["--dry-run", "--dry-run=server"])
def test_a_dry_run_writes_nothing_anywhere(cluster: Cluster, study: MakeStudy, store: Store, option: str) -> None:
    thin = study()
    ended = thin.xtl("submit", "grid.yaml", option, "-o", "json")
    assert ended.status == 0, ended
    assert len(json.loads(ended.out)["created"]) == 4
    assert "to upload: " in ended.err
    assert cluster.list(JOBS) == []
    assert list(store.list("")) == []


def test_the_next_commands_are_ones_that_there_are(cluster: Cluster, study: MakeStudy) -> None:
    thin = study()
    ended = thin.xtl("submit", "grid.yaml", "--yes")
    lines = [line.strip() for line in ended.out.split("Next:")[1].splitlines() if line.strip()]
    assert [parse(line)[0] for line in lines if line.startswith("xtl ")] == [("status",), ("logs",)]
    assert lines[2] == f"kubectl -n {cluster.namespace} get jobs -l grid.xtl.dev/thin -L xtl.dev/stage"
    assert "No controller is alive" in ended.err
    again = ended.err.strip().splitlines()[-1].strip()
    assert parse(again)[1]["wait"]


def test_the_next_commands_have_the_options_of_this_one(cluster: Cluster, study: MakeStudy, kubeconfig: Path) -> None:
    context = yaml.safe_load(kubeconfig.read_text())["current-context"]
    thin = study()
    given = ("--store", thin.store, "--data", "data", "--context", context)
    ended = thin.xtl("submit", "grid.yaml", "--yes", *given)
    lines = [line.strip() for line in (ended.out + ended.err).splitlines()]
    for command in ("status", "logs", "submit"):
        line = next(line for line in lines if line.startswith(f"xtl {command} "))
        options = parse(line)[1]
        assert (options["store"], options["context"]) == (thin.store, context)
        assert options.get("data") == ("data" if command == "submit" else None)
    assert f"helm install xtl helm/xtl -n {cluster.namespace} --kube-context {context} --set store.secret" in ended.err
    assert f"kubectl -n {cluster.namespace} --context {context} get jobs" in ended.out


def test_jobs_that_the_grid_asks_for_no_more_are_told_and_cancelled(
    cluster: Cluster, study: MakeStudy, store: Store
) -> None:
    thin = study()
    assert thin.xtl("submit", "grid.yaml", "--yes").status == 0
    before = made.uids(cluster)
    path = thin.folder / "data/tatoeba/v1/tatoeba.deu-eng.eng"
    path.write_text(path.read_text().replace("dog", "hound"))
    ended = thin.xtl("submit", "grid.yaml", "--yes")
    assert "Jobs: 4 created, 0 found" in ended.out, ended
    assert "4 Jobs of an earlier form of this grid are still there" in ended.err
    line = next(line.strip() for line in ended.err.splitlines() if line.strip().startswith("xtl cancel"))
    cancelled = thin.xtl(*line.split()[1:], "--yes")
    assert "4 Jobs removed." in cancelled.out, cancelled
    assert len(made.uids(cluster)) == 4
    assert not made.uids(cluster).keys() & before.keys()


def test_nothing_is_said_of_a_controller_that_is_alive(cluster: Cluster, study: MakeStudy) -> None:
    from xtl.lease import Lease

    assert Lease(cluster, "someone").attempt()
    assert cluster.get(LEASES, "xtl-controller") is not None
    ended = study().xtl("submit", "grid.yaml", "--yes")
    assert ended.status == 0, ended
    assert "No controller" not in ended.err


def refused(study: Study, *options: str, command: str = "submit", **env: Any) -> str:
    """What a submit says that cannot work: one line, exit status 2."""
    ended = study.xtl(command, "grid.yaml", "--yes", *options, **env)
    assert ended.status == 2, ended
    lines = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 == len(ended.err.splitlines()), ended
    assert ended.out == ""
    return lines[0]


@pytest.mark.parametrize("command", ["submit", "cancel", "retry"])
def test_a_grid_that_does_not_say_where_it_runs_runs_nowhere(study: MakeStudy, cluster: Cluster, command: str) -> None:
    thin = study()
    (thin.folder / "grid.yaml").write_text(f"{THIN}store: {thin.store}\n")
    assert "does not say where it runs: give it `cluster:" in refused(thin, command=command)
    assert cluster.list(JOBS) == []


@pytest.mark.parametrize("command", ["submit", "retry"])
def test_a_grid_without_an_image(study: MakeStudy, cluster: Cluster, command: str) -> None:
    assert "no image is named for fetch stages" in refused(study(image=None), command=command)
    assert cluster.list(JOBS) == []


def test_a_context_that_is_not_there(study: MakeStudy) -> None:
    assert "nowhere" in refused(study(), "--context", "nowhere")


def test_no_kubeconfig(study: MakeStudy, tmp_path: Path) -> None:
    assert "set KUBECONFIG" in refused(study(), KUBECONFIG=str(tmp_path / "none"))


def test_credentials_that_have_run_out(study: MakeStudy, kubeconfig: Path, tmp_path: Path) -> None:
    expired = kubeconfigs.with_user(kubeconfig, {"token": "expired"}, tmp_path / "k")
    assert "does not know these credentials: log in again" in refused(study(), KUBECONFIG=str(expired))


def test_a_namespace_where_one_may_do_nothing(
    cluster: Cluster, study: MakeStudy, kubeconfig: Path, tmp_path: Path
) -> None:
    token = made.service_account_token(cluster, "nobody")
    theirs = kubeconfigs.with_user(kubeconfig, {"token": token}, tmp_path / "k")
    said = refused(study(), KUBECONFIG=str(theirs))
    assert "not allowed" in said
    assert "jobs.batch" in said
    assert cluster.namespace in said


def test_a_namespace_that_is_not_there(study: MakeStudy, store: Store) -> None:
    ended = study(namespace="not-there").xtl("submit", "grid.yaml", "--yes")
    assert ended.status == 2, ended
    assert "error: there is no namespace 'not-there'" in ended.err
    assert list(store.list("")) == []


def test_a_patch_that_makes_no_job(study: MakeStudy, store: Store) -> None:
    patch = [{"op": "add", "path": "/spec/completions", "value": -1}]
    ended = study(patch=patch).xtl("submit", "grid.yaml", "--yes")
    assert ended.status == 2, ended
    assert "spec.completions" in ended.err
    assert list(store.list("")) == []
