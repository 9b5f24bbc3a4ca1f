"""Every situation that `xtl status` tells apart, made real on a cluster: a Job each, from xtl's own template.

    KUBECONFIG=... python -m tests.cluster.situations [NAMESPACE]

makes them in a namespace of that name (and removes it), and writes what the API server says of each to
tests/golden/cluster/NAME.json: `job`, `pods`, `events`. A pod's program is a line of shell, so that each costs seconds.
`node-silent` and `node-lost` are not made here: they were taken of the `running` Job with its node's agent stopped
(SIGSTOP), before and after its pod was deleted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xtl import render
from xtl.cluster import EVENTS, JOBS, PODS, Cluster

GOLDEN = Path(__file__).parents[1] / "golden/cluster"
STORE = "s3://bucket/prefix"
IMAGE = os.environ.get("XTL_TEST_IMAGE", "xtl:dev")

Object = dict[str, Any]
NAMESPACES = "/api/v1/namespaces"
_FAIL = "echo 2026-01-01T00:00:00 INFO begun; echo 2026-01-01T00:00:01 ERROR {} >&2; exit {}"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """shell: what the pod runs. change: made to the container before the Job is created. then: done once a pod runs.
    until: what to wait for."""

    shell: str = "sleep 600"
    change: Callable[[Object], None] = lambda job: None
    then: Callable[[Cluster, Object], None] | None = None
    until: Callable[[Object, list[Object]], bool]
    suspend: bool = False
    labels: dict[str, str] = field(default_factory=dict)


def container(job: Object) -> Object:
    return job["spec"]["template"]["spec"]["containers"][0]


def gpus(job: Object) -> None:
    for amounts in container(job)["resources"].values():
        amounts["nvidia.com/gpu"] = 64


def wrong_image(job: Object) -> None:
    container(job)["image"] = "registry.example/xtl:nowhere"


def no_secret(job: Object) -> None:
    container(job)["envFrom"] = [{"secretRef": {"name": "bucket-keys"}}]


def no_account(job: Object) -> None:
    job["spec"]["template"]["spec"]["serviceAccountName"] = "trainer"


def delete_pod(cluster: Cluster, pod: Object) -> None:
    cluster._ask("DELETE", f"{PODS}/{pod['metadata']['name']}")


def evict(cluster: Cluster, pod: Object) -> None:
    name = pod["metadata"]["name"]
    cluster.create(
        f"{PODS}/{name}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    )


def kill(cluster: Cluster, pod: Object) -> None:
    """SIGKILL from the node, as the kernel does where memory runs out (only where the node is a process node)."""
    node = Path(__file__).parents[3] / "shared/kube/node"
    subprocess.run([str(node), "--kill", pod["metadata"]["name"], "--namespace", cluster.namespace], check=True)


def waiting(pod: Object) -> str:
    states = [x.get("state", {}) for x in pod["status"].get("containerStatuses") or []]
    return next((x["waiting"].get("reason", "") for x in states if "waiting" in x), "")


def _ended(job: Object, kind: str) -> bool:
    conditions = job["status"].get("conditions") or []
    return any(x["type"] == kind and x["status"] == "True" for x in conditions)


def _unschedulable(job: Object, pods: list[Object]) -> bool:
    return any(x.get("reason") == "Unschedulable" for pod in pods for x in pod["status"].get("conditions") or [])


def _running(job: Object, pods: list[Object]) -> bool:
    return any(pod["status"]["phase"] == "Running" for pod in pods)


def _failed_once(job: Object, pods: list[Object]) -> bool:
    return job["status"].get("failed", 0) >= 1


def _second_pod(job: Object, pods: list[Object]) -> bool:
    return any(
        pod["status"]["phase"] == "Running" and pod["metadata"]["creationTimestamp"] > job["status"]["startTime"]
        for pod in pods
    )


_TRAP = "trap 'exit 143' TERM; sleep 600 & wait"

SITUATIONS: dict[str, Situation] = {
    "suspended": Situation(suspend=True, until=lambda job, pods: _ended(job, "Suspended")),
    "unschedulable": Situation(change=gpus, until=_unschedulable),
    "image": Situation(change=wrong_image, until=lambda job, pods: any(waiting(x) == "ImagePullBackOff" for x in pods)),
    "secret": Situation(
        change=no_secret, until=lambda job, pods: any(waiting(x) == "CreateContainerConfigError" for x in pods)
    ),
    "account": Situation(change=no_account, until=lambda job, pods: bool(job["status"].get("startTime"))),
    "running": Situation(until=_running),
    "never": Situation(
        shell=_FAIL.format("xnli/test.tsv:4: gold_label is odd", 42), until=lambda job, pods: _ended(job, "Failed")
    ),
    "retrying": Situation(shell=_FAIL.format("no GPU in this pod", 1), until=_failed_once),
    "exhausted": Situation(
        shell=_FAIL.format("no GPU in this pod", 1),
        change=lambda job: job["spec"].update(backoffLimit=0),
        until=lambda job, pods: _ended(job, "Failed"),
    ),
    "deleted": Situation(shell=_TRAP, then=delete_pod, until=_second_pod),
    "evicted": Situation(shell=_TRAP, then=evict, until=_second_pod),
    "killed": Situation(then=kill, until=_failed_once),
    "complete": Situation(shell="exit 0", until=lambda job, pods: _ended(job, "Complete")),
}


def manifest(name: str, situation: Situation, store_url: str = STORE) -> Object:
    """The situation's Job: a target stage whose key is its name's."""
    job = render.template("target")
    key = key_of(name)
    job["metadata"]["name"] = render.job_name("target", key, store_url)
    labels = {"xtl.dev/kind": "target", "xtl.dev/stage": key[:12]}
    job["metadata"]["labels"] |= {**labels, f"{render.GRID_PREFIX}situations": "true", **situation.labels}
    job["metadata"]["annotations"] |= {render.KEY: key, render.PARENTS: "", render.TITLE: name, render.STORE: store_url}
    job["spec"]["template"]["metadata"]["labels"] |= labels
    job["spec"]["suspend"] = situation.suspend
    pod = job["spec"]["template"]["spec"]
    pod["terminationGracePeriodSeconds"] = 10
    one = container(job)
    one |= {"image": IMAGE, "command": ["sh", "-c", situation.shell]}
    one["resources"] = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}}
    situation.change(job)
    return job


def key_of(name: str) -> str:
    return (name.encode().hex() + "0" * 64)[:64]


@contextmanager
def namespace(cluster: Cluster) -> Iterator[None]:
    """The cluster's namespace, made and removed."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace}}
    cluster.create(NAMESPACES, body)
    try:
        yield
    finally:
        cluster.delete(NAMESPACES, cluster.namespace)


def look(cluster: Cluster, name: str, store_url: str = STORE) -> tuple[Object, list[Object]]:
    """The Job of that situation and its pods as they are now."""
    job_name = render.job_name("target", key_of(name), store_url)
    job = cluster.get(JOBS, job_name)
    assert job is not None, f"the Job of {name} is gone"
    return job, cluster.list(PODS, selector=f"batch.kubernetes.io/job-name={job_name}")


def reach(cluster: Cluster, name: str, store_url: str = STORE, seconds: float = 120.0) -> tuple[Object, list[Object]]:
    """Wait until the situation is there; its Job and pods."""
    situation, done, end = SITUATIONS[name], False, time.monotonic() + seconds
    while True:
        job, pods = look(cluster, name, store_url)
        running = next((pod for pod in pods if pod["status"]["phase"] == "Running"), None)
        if situation.then and not done:
            if running:
                time.sleep(1.0)  # a shell sets its trap
                situation.then(cluster, running)
                done = True
        elif situation.until(job, pods):
            return job, pods
        if time.monotonic() > end:
            raise TimeoutError(f"{name} was not reached: {json.dumps([job['status'], pods])[:3000]}")
        time.sleep(0.5)


def capture(cluster: Cluster, name: str) -> None:
    """Write what the API server says of a situation, without what nobody reads."""
    job, pods = reach(cluster, name)
    time.sleep(1.0)  # Events come after what they tell of
    events = cluster.list(EVENTS, fields=f"involvedObject.name={job['metadata']['name']}")
    for one in (job, *pods, *events):
        one["metadata"].pop("managedFields", None)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    body = {"job": job, "pods": pods, "events": events}
    (GOLDEN / f"{name}.json").write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    home = sys.argv[1] if len(sys.argv) > 1 else "situations"
    cluster = Cluster(namespace=home)
    with namespace(cluster):
        time.sleep(1.0)
        for name, situation in SITUATIONS.items():
            cluster.create(JOBS, manifest(name, situation))
        for name in SITUATIONS:
            capture(cluster, name)
            print(name, flush=True)


if __name__ == "__main__":
    main()
