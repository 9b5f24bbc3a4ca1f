"""`xtl cancel` and `xtl retry` against a real API server. No pod runs here, but for one that is cancelled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.cluster import jobs as made
from tests.cluster.conftest import THIN
from tests.run.study import Study, wait
from xtl import change, render
from xtl.cli.common import load_grid, make_plan
from xtl.cluster import JOBS, PODS, Cluster
from xtl.lease import Lease
from xtl.local import put_spec
from xtl.plan import Plan
from xtl.store import Store, commit, layout

MakeStudy = Callable[..., Study]


def submitted(study: Study) -> Plan:
    ended = study.xtl("submit", "grid.yaml", "--yes")
    assert ended.status == 0, ended
    return make_plan(load_grid(study.folder / "grid.yaml", None, None))


def key_of(plan: Plan, kind: str) -> str:
    return next(key for key, stage in plan.stages.items() if stage.kind == kind)


def test_cancel_removes_what_no_other_grid_wants(cluster: Cluster, study: MakeStudy, store: Store) -> None:
    one, two = (study(THIN.replace("thin", name), name) for name in ("one", "two"))
    plan, other = submitted(one), submitted(two)
    ended = one.xtl("cancel", "grid.yaml", "--yes", "-o", "json")
    assert ended.status == 0, ended
    report = made.name(plan, store, plan.reduce)
    assert json.loads(ended.out)["removed"] == [report]
    left = cluster.list(JOBS)
    assert {job["metadata"]["name"] for job in left} == {made.name(other, store, key) for key in other.stages}
    assert not [job for job in left if "grid.xtl.dev/one" in job["metadata"]["labels"]]
    last = two.xtl("cancel", "grid.yaml", "--yes")
    assert "4 Jobs removed." in last.out, last
    assert cluster.list(JOBS) == []


def test_cancel_again_finds_nothing_and_submit_starts_over(cluster: Cluster, study: MakeStudy) -> None:
    thin = study()
    plan = submitted(thin)
    assert thin.xtl("cancel", "grid.yaml", "--yes").status == 0
    again = thin.xtl("cancel", "grid.yaml", "--yes")
    assert (again.status, again.out) == (0, "Nothing to cancel.\n"), again
    submitted(thin)
    assert len(cluster.list(JOBS)) == len(plan.stages)


def test_cancel_leaves_what_has_ended(cluster: Cluster, study: MakeStudy, store: Store) -> None:
    thin = study()
    plan = submitted(thin)
    fetch = key_of(plan, "fetch")
    made.commit_stage(store, fetch)
    made.finish(cluster, plan, store, fetch, "Complete")
    assert thin.xtl("cancel", "grid.yaml", "--yes").status == 0
    assert list(made.uids(cluster)) == [made.name(plan, store, fetch)]


def test_cancel_does_not_remove_a_job_that_another_grid_has_asked_for_meanwhile(
    cluster: Cluster, study: MakeStudy, store: Store
) -> None:
    plan = submitted(study())
    seen = change.cancelling(cluster, "thin", store.url)
    fetch = made.name(plan, store, key_of(plan, "fetch"))
    cluster.patch(JOBS, fetch, {"metadata": {"labels": {"grid.xtl.dev/other": "true"}}})
    gone = change.cancel(cluster, "thin", seen)
    assert len(gone) == len(plan.stages) - 1
    labels = made.get(cluster, fetch)["metadata"]["labels"]
    assert "grid.xtl.dev/other" in labels
    assert "grid.xtl.dev/thin" not in labels


def test_cancel_without_a_terminal_needs_yes(cluster: Cluster, study: MakeStudy) -> None:
    thin = study()
    submitted(thin)
    ended = thin.xtl("cancel", "grid.yaml")
    assert ended.status == 2, ended
    assert "say --yes" in ended.err
    assert len(cluster.list(JOBS)) == 4


def test_cancel_ends_a_running_pod(cluster: Cluster, study: MakeStudy, store: Store) -> None:
    command = [{"op": "replace", "path": "/spec/template/spec/containers/0/command", "value": ["sleep", "600"]}]
    sleeping = study(patch=command, grace="2s")
    plan = submitted(sleeping)
    name = made.name(plan, store, key_of(plan, "fetch"))
    cluster.patch(JOBS, name, {"spec": {"suspend": False}})
    wait(lambda: made.get(cluster, name)["status"].get("ready"), "a pod that runs")
    ended = sleeping.xtl("cancel", "grid.yaml", "--yes")
    assert "4 Jobs removed." in ended.out, ended
    assert "1 of them released" in ended.err
    assert cluster.list(PODS) == []


def test_retry_makes_the_failed_stage_and_the_report_anew(cluster: Cluster, study: MakeStudy, store: Store) -> None:
    thin = study()
    plan = submitted(thin)
    target = key_of(plan, "target")
    made.finish(cluster, plan, store, target, "Failed")
    made.finish(cluster, plan, store, plan.reduce, "Complete")
    commit.put_json(store, layout.failed_name(target), {"key": target, "reason": "no such thing"})
    before = made.uids(cluster)
    ended = thin.xtl("retry", "grid.yaml", "-o", "json")
    assert ended.status == 0, ended
    names = {made.name(plan, store, key) for key in (target, plan.reduce)}
    assert set(json.loads(ended.out)["created"]) == names
    after = made.uids(cluster)
    assert {name for name in after if after[name] != before[name]} == names
    assert all(job["spec"]["suspend"] for job in cluster.list(JOBS) if job["metadata"]["name"] in names)
    assert list(store.list(layout.FAILED)) == []
    again = thin.xtl("retry", "grid.yaml")
    assert (again.status, again.out) == (0, "Nothing has failed, and no Job is missing.\n"), again
    assert made.uids(cluster) == after


def test_retry_of_a_stage_whose_job_has_expired(cluster: Cluster, study: MakeStudy, store: Store) -> None:
    thin = study()
    plan = submitted(thin)
    target = key_of(plan, "target")
    cluster.delete(JOBS, made.name(plan, store, target))
    assert cluster.wait_gone(JOBS, made.name(plan, store, target), 20)
    commit.put_json(store, layout.failed_name(target), {"key": target, "reason": "no such thing"})
    left_alone = thin.xtl("submit", "grid.yaml", "--yes")
    assert "1 stages have failed for good" in left_alone.out, left_alone
    assert cluster.get(JOBS, made.name(plan, store, target)) is None
    assert "1 Jobs created." in thin.xtl("retry", "grid.yaml").out
    assert made.get(cluster, made.name(plan, store, target))["spec"]["suspend"]
    assert list(store.list(layout.FAILED)) == []


def test_a_stage_that_has_not_failed_is_run_again_by_force_alone(
    cluster: Cluster, study: MakeStudy, store: Store
) -> None:
    thin = study()
    plan = submitted(thin)
    fetch = key_of(plan, "fetch")
    made.commit_stage(store, fetch)
    made.finish(cluster, plan, store, fetch, "Complete")
    before = made.uids(cluster)
    refused = thin.xtl("retry", "grid.yaml", fetch[:12])
    assert refused.status == 2, refused
    assert "has not failed, it is done; --force" in refused.err
    unasked = thin.xtl("retry", "grid.yaml", fetch[:12], "--force")
    assert unasked.status == 2, unasked
    assert commit.read_manifest(store, fetch) is not None
    assert made.uids(cluster) == before
    name = made.name(plan, store, fetch)
    ended = thin.xtl("retry", "grid.yaml", name, "--force", "--yes")
    assert "1 Jobs created." in ended.out, ended
    assert commit.read_manifest(store, fetch) is None
    assert {each for each, uid in made.uids(cluster).items() if uid != before[each]} == {name}


def test_a_stage_that_has_never_run_is_submitted_not_forced(cluster: Cluster, study: MakeStudy, store: Store) -> None:
    thin = study()
    plan = make_plan(load_grid(thin.folder / "grid.yaml", None, None))
    for options in ((), ("--force", "--yes")):
        refused = thin.xtl("retry", "grid.yaml", key_of(plan, "target")[:12], *options)
        assert refused.status == 2, refused
        assert refused.err.strip().endswith("has not failed, it is without a Job (`xtl submit` makes it)"), refused
    assert cluster.list(JOBS) == []
    assert list(store.list("")) == []


def test_a_stage_alone_is_run_again_with_the_report_whose_job_has_expired(
    cluster: Cluster, study: MakeStudy, store: Store
) -> None:
    thin = study()
    plan = submitted(thin)
    target = key_of(plan, "target")
    made.finish(cluster, plan, store, target, "Failed")
    report = made.name(plan, store, plan.reduce)
    cluster.delete(JOBS, report)
    assert cluster.wait_gone(JOBS, report, 20)
    ended = thin.xtl("retry", "grid.yaml", target[:12], "-o", "json")
    assert ended.status == 0, ended
    assert set(json.loads(ended.out)["created"]) == {made.name(plan, store, target), report}


def test_retry_says_where_nothing_releases_the_jobs(cluster: Cluster, study: MakeStudy, store: Store) -> None:
    thin = study()
    plan = submitted(thin)
    target = key_of(plan, "target")
    made.finish(cluster, plan, store, target, "Failed")
    assert f"No controller is alive in {cluster.namespace}" in thin.xtl("retry", "grid.yaml").err
    assert Lease(cluster, "someone").attempt()
    made.finish(cluster, plan, store, target, "Failed")
    ended = thin.xtl("retry", "grid.yaml")
    assert "1 Jobs created." in ended.out, ended
    assert "No controller" not in ended.err


def running(cluster: Cluster, plan: Plan, store: Store) -> tuple[str, str]:
    """Keys of a stage that is done and of the target, which has been let run on its result."""
    for key in [key for key, stage in plan.stages.items() if stage.kind == "fetch"]:
        made.complete(cluster, plan, store, key)
    target = key_of(plan, "target")
    made.release(cluster, plan, store, target)
    return plan.stages[target].parents[0], target


def test_force_stops_what_runs_on_the_result_until_it_is_there_again(
    cluster: Cluster, study: MakeStudy, store: Store
) -> None:
    thin = study()
    plan = submitted(thin)
    parent, target = running(cluster, plan, store)
    ended = thin.xtl("retry", "grid.yaml", parent[:12], "--force", "--yes", "-o", "json")
    assert ended.status == 0, ended
    names = {made.name(plan, store, key) for key in (parent, target)}
    assert set(json.loads(ended.out)["created"]) == names
    assert all(f"again: {key[:12]} " in ended.err for key in (parent, target))
    assert all(made.get(cluster, name)["spec"]["suspend"] for name in names)


def test_force_leaves_a_result_that_another_grid_reads(cluster: Cluster, study: MakeStudy, store: Store) -> None:
    thin = study()
    plan = submitted(thin)
    parent, target = running(cluster, plan, store)
    theirs = render.render(plan, store.url)[target]
    theirs["metadata"]["name"] = "xtl-target-0123456789ab"
    theirs["metadata"]["annotations"][render.KEY] = "01" * 32
    theirs["spec"]["suspend"] = False
    theirs["spec"]["template"]["spec"]["nodeSelector"] = {"xtl.dev/test": "nowhere"}
    assert cluster.create(JOBS, theirs)
    before = made.uids(cluster)
    refused = thin.xtl("retry", "grid.yaml", parent[:12], "--force", "--yes")
    assert refused.status == 2, refused
    assert "1 Jobs of other grids read that result now (xtl-target-0123456789ab)" in refused.err
    assert made.uids(cluster) == before
    assert commit.read_manifest(store, parent) is not None


def test_a_fetch_that_another_machine_ran_is_forced_to_read_from_the_store(
    cluster: Cluster, study: MakeStudy, store: Store
) -> None:
    thin = study()
    plan = submitted(thin)
    data = next(key for key, stage in plan.stages.items() if stage.spec.get("what") == "data")
    made.commit_stage(store, data)
    put_spec(store, plan.stages[data])  # as `xtl run` writes it
    ended = thin.xtl("retry", "grid.yaml", data[:12], "--force", "--yes")
    assert ended.status == 0, ended
    assert (commit.get_json(store, layout.spec_name(data)) or {})["where"]["folder"].startswith(f"{store.url}/inputs/")


def test_mended_data_give_new_stages_which_retry_submits(cluster: Cluster, study: MakeStudy, store: Store) -> None:
    thin = study()
    plan = submitted(thin)
    data = next(key for key, stage in plan.stages.items() if stage.spec.get("what") == "data")
    made.finish(cluster, plan, store, data, "Failed")
    path = Path(thin.folder / "data/tatoeba/v1/tatoeba.deu-eng.eng")
    path.write_text(path.read_text().replace("dog", "hound"))
    ended = thin.xtl("retry", "grid.yaml", "-o", "json")
    assert ended.status == 0, ended
    mended = make_plan(load_grid(thin.folder / "grid.yaml", None, None))
    new = {made.name(mended, store, key) for key in mended.stages.keys() - plan.stages.keys()}
    assert set(json.loads(ended.out)["created"]) == new
    assert new <= made.uids(cluster).keys()
