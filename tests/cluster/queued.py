"""Queues of a namespace, Jobs for them, and a watch that misses no state of their Workloads: for tests with Kueue, the
real one or the stand-in."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from tests.cluster.kueue import CLASSES, CLUSTER, FLAVORS, LOCAL
from tests.cluster.kueue_quota import gate, holds, requests
from tests.run.study import wait
from xtl import render
from xtl.cluster import JOBS, WORKLOADS, Cluster

GPU = "nvidia.com/gpu"
_API = "kueue.x-k8s.io/v1beta2"

Object = dict[str, Any]


@contextmanager
def queues(cluster: Cluster) -> Iterator[Callable[..., None]]:
    """Makes a LocalQueue, with a ClusterQueue and a flavour of its own, that is ready."""
    made: list[tuple[str, str]] = []

    def make(name: str, gpus: int | None = 2) -> None:
        whole = f"{cluster.namespace}-{name}"
        quotas = {"cpu": "64", "memory": "512Gi", **({} if gpus is None else {GPU: gpus})}
        flavor = {"apiVersion": _API, "kind": "ResourceFlavor", "metadata": {"name": whole}, "spec": {}}
        for path, one in ((FLAVORS, flavor), (CLUSTER, cluster_queue(whole, quotas))):
            cluster.create(path, one)
            made.insert(0, (path, whole))
        cluster.create(LOCAL, local_queue(name, whole))
        wait(lambda: holds(cluster.get(LOCAL, name) or {}, "Active"), f"the queue {name} to be active")

    try:
        yield make
    finally:
        for job in cluster.list(JOBS):
            cluster.delete(JOBS, job["metadata"]["name"])
        for path, name in made:
            cluster.delete(path, name)


def cluster_queue(name: str, quotas: dict[str, Any]) -> Object:
    """One whose flavour has its name; it preempts lower priorities."""
    resources = [{"name": resource, "nominalQuota": value} for resource, value in quotas.items()]
    return {
        "apiVersion": _API,
        "kind": "ClusterQueue",
        "metadata": {"name": name},
        "spec": {
            "namespaceSelector": {},
            "preemption": {"withinClusterQueue": "LowerPriority"},
            "resourceGroups": [
                {"coveredResources": list(quotas), "flavors": [{"name": name, "resources": resources}]}
            ],
        },
    }  # fmt: skip


def local_queue(name: str, behind: str) -> Object:
    return {"apiVersion": _API, "kind": "LocalQueue", "metadata": {"name": name}, "spec": {"clusterQueue": behind}}


@contextmanager
def priority(cluster: Cluster) -> Iterator[str]:
    """The name of a priority class above the default."""
    name = f"{cluster.namespace}-first"
    body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1000,
            "preemptionPolicy": "Never"}  # fmt: skip
    cluster.create(CLASSES, body)
    try:
        yield name
    finally:
        cluster.delete(CLASSES, name)


def job(
    name: str,
    *,
    queue: str | None = None,
    gpus: int = 1,
    resource: str = GPU,
    gate: str | None = None,
    priority: str | None = None,
    shell: str = "sleep 600",
) -> Object:
    """Someone's suspended Job, none of xtl's: a pod that runs a line of shell and asks for GPUs."""
    made = render.template("target")
    made["metadata"] = {"name": name, "labels": {}, "annotations": {render.GATE: gate} if gate else {}}
    made["metadata"]["labels"] = {render.QUEUE: queue} if queue else {}
    pod = made["spec"]["template"]["spec"]
    made["spec"]["template"]["metadata"] = {}
    pod["terminationGracePeriodSeconds"] = 1
    if priority:
        pod["priorityClassName"] = priority
    amounts = {"cpu": "10m", "memory": "64Mi", resource: gpus}
    pod["containers"][0] |= {
        "image": os.environ.get("XTL_TEST_IMAGE", "xtl:dev"),
        "command": ["sh", "-c", shell],
        "resources": {"requests": amounts, "limits": amounts},
    }
    return made


def label(cluster: Cluster, job: Object) -> str | None:
    """The queue that the Job would be in, were it created now."""
    made = cluster._ask("POST", JOBS, body=job, query={"dryRun": "All"})
    return made["metadata"].get("labels", {}).get(render.QUEUE)


class Watched:
    """Every state that the namespace's Workloads go through while this is open, in the API server's order."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._events: list[Object] = []
        self._over = False
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Watched:
        page = self._cluster._ask("GET", WORKLOADS)
        self._events = [{"type": "ADDED", "object": one} for one in page["items"]]
        url = self._cluster.host + WORKLOADS.format(namespace=self._cluster.namespace)
        url += f"?watch=1&resourceVersion={page['metadata']['resourceVersion']}"
        pool = self._cluster._client.rest_client.pool_manager
        headers: dict[str, str] = {}
        self._cluster._client.update_params_for_auth(headers, [], ["BearerToken"])
        self._answer = pool.request("GET", url, headers=headers, timeout=None, preload_content=False)
        assert self._answer.status == 200
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._answer.shutdown()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._answer.close()

    def _read(self) -> None:
        try:
            for line in self._answer:
                event = json.loads(line)
                assert event["type"] != "ERROR", event
                self._events.append(event)
        except Exception:  # as the connection was shut down
            if not self._over:
                raise

    def gpus(self, prefix: str = "") -> list[int]:
        """How many GPUs were admitted after each change, to Jobs whose name begins so."""
        now: dict[str, int] = {}
        counts = [0]
        for event in self._events:
            one = event["object"]
            name, uid = one["metadata"]["ownerReferences"][0]["name"], one["metadata"]["uid"]
            admitted = event["type"] != "DELETED" and holds(one, "Admitted") and not holds(one, "Finished")
            now[uid] = int(requests(one).get(GPU, 0)) if admitted and name.startswith(prefix) else 0
            counts.append(sum(now.values()))
        return counts

    def reserved_while_gated(self) -> list[str]:
        """Names of Workloads that held quota behind a gate."""
        found = [event["object"] for event in self._events]
        return [one["metadata"]["name"] for one in found if gate(one) and holds(one, "QuotaReserved")]
