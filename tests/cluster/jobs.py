"""Jobs moved on without pods: what the Job controller and a stage would have written."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from tests.run.study import wait
from xtl import render
from xtl.cluster import JOBS, Cluster
from xtl.plan import Plan
from xtl.store import Store, commit

ACCOUNTS = "/api/v1/namespaces/{namespace}/serviceaccounts"


def name(plan: Plan, store: Store, key: str) -> str:
    return render.job_name(plan.stages[key].kind, key, store.url)


def get(cluster: Cluster, name: str) -> dict[str, Any]:
    job = cluster.get(JOBS, name)
    assert job is not None, f"no Job {name}"
    return job


def uids(cluster: Cluster) -> dict[str, str]:
    return {job["metadata"]["name"]: job["metadata"]["uid"] for job in cluster.list(JOBS)}


def release(cluster: Cluster, plan: Plan, store: Store, key: str) -> None:
    """The stage's Job is let run, as the controller does, but on no node: its pod would run the stage."""
    nowhere = {"spec": {"nodeSelector": {"xtl.dev/test": "nowhere"}}}
    cluster.patch(JOBS, name(plan, store, key), {"spec": {"suspend": False, "template": nowhere}})


def finish(cluster: Cluster, plan: Plan, store: Store, key: str, kind: str) -> None:
    """The stage's Job ends, Complete or Failed, as its status says."""
    wanted = name(plan, store, key)
    if get(cluster, wanted)["spec"].get("suspend"):
        release(cluster, plan, store, key)
    wait(lambda: get(cluster, wanted)["status"].get("startTime"), f"{wanted} to be started")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    first = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[kind]
    reason = {"reason": "PodFailurePolicy", "message": "exit code 42"} if kind == "Failed" else {}
    conditions = [
        {"type": each, "status": "True", "lastProbeTime": now, "lastTransitionTime": now, **reason}
        for each in (first, kind)
    ]
    counts = {"succeeded": 1, "completionTime": now} if kind == "Complete" else {"failed": 1}
    cluster.patch(JOBS, f"{wanted}/status", {"status": {"conditions": conditions, **counts, "active": 0, "ready": 0}})


def complete(cluster: Cluster, plan: Plan, store: Store, key: str) -> None:
    """The stage is committed, and its Job has seen it."""
    commit_stage(store, key)
    finish(cluster, plan, store, key, "Complete")


def commit_stage(store: Store, key: str) -> None:
    """A result of one small file."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "result.txt").write_text(key)
        commit.commit(store, key, "by-hand", Path(folder), {})


def service_account_token(cluster: Cluster, name: str) -> str:
    """Of a new account without any right."""
    cluster.create(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = cluster._ask("POST", f"{ACCOUNTS}/{name}/token", body=request)
    return str(answer["status"]["token"])
