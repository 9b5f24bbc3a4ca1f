"""Checks Kueue where a cluster has it, and that the queue which a grid names can be used.

A Job that carries a queue's label is Kueue's: without Kueue, or with a queue that is not active, it waits for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from xtl.cluster import Cluster, ClusterRefused, Object
from xtl.errors import XtlError
from xtl.grid import Grid
from xtl.nodes import demand
from xtl.store.check import Finding

GROUP = "kueue.x-k8s.io"
VERSION = "v1beta2"
QUEUES = f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/localqueues"
#: Where Kueue's own manifests and chart put it.
MANAGER = "/apis/apps/v1/namespaces/kueue-system/deployments"
#: The gate annotation is honoured by default since then (release notes of 0.19.0: AdmissionGatedBy is beta).
GATES = (0, 19)


def check_kueue(cluster: Cluster, grid: Grid) -> Iterator[Finding]:
    """Kueue itself, then the queue. Raises ClusterError where the API server fails."""
    queue = grid.cluster.get("queue")
    group = cluster.get("/apis", GROUP)
    if group is None and queue is None:
        yield Finding(check="Kueue", state="ok", detail="not there, and the grid asks for no queue")
    elif group is None:
        detail = (
            f"not there, so Jobs of the queue {queue} would wait for ever: leave `cluster.queue` out, or install it"
        )
        yield Finding(check="Kueue", state="wrong", detail=detail)
    elif VERSION not in [version["version"] for version in group.get("versions", ())]:
        yield Finding(check="Kueue", state="wrong", detail=f"too old, it does not serve {VERSION}: upgrade it")
    else:
        yield _release(cluster)
        yield _queue(cluster, grid)


def _release(cluster: Cluster) -> Finding:
    try:
        found = cluster.get(MANAGER, "kueue-controller-manager")
    except XtlError:
        found = None
    images = [c["image"] for c in found["spec"]["template"]["spec"]["containers"]] if found else []
    release = next((m for image in images if (m := re.search(r":v?(\d+)\.(\d+)\.\d+", image))), None)
    if release is None:
        detail = f"there; its release cannot be seen, and the gate that xtl sets needs {GATES[0]}.{GATES[1]}"
        return Finding(check="Kueue", state="ok", detail=detail)
    if (int(release[1]), int(release[2])) >= GATES:
        return Finding(check="Kueue", state="ok", detail=f"release {release[0][1:]}")
    detail = (
        f"release {release[0][1:]}: before {GATES[0]}.{GATES[1]} gated Jobs hold quota while they wait for parents, "
        "unless its feature gate AdmissionGatedBy is switched on"
    )
    return Finding(check="Kueue", state="warning", detail=detail)


def _queue(cluster: Cluster, grid: Grid) -> Finding:
    """The grid's queue, or the one named `default`, which takes the Jobs that name none."""
    name = grid.cluster.get("queue")
    try:
        found = cluster.get(QUEUES, name or "default")
        others = [] if found else [queue["metadata"]["name"] for queue in cluster.list(QUEUES)]
    except ClusterRefused:
        detail = f"cannot tell whether there is a LocalQueue {name or 'default'}: not ours to read"
        return Finding(check="queue", state="warning" if name else "ok", detail=detail)
    if found is not None:
        return _active(found, grid)
    if name is None:
        return Finding(check="queue", state="ok", detail="the grid asks for none, and no LocalQueue is named `default`")
    there = f"there are: {' '.join(sorted(others))}" if others else "there is none; an administrator makes them"
    return Finding(check="queue", state="wrong", detail=f"no LocalQueue {name} in {cluster.namespace}; {there}")


def _active(queue: Object, grid: Grid) -> Finding:
    name, status = queue["metadata"]["name"], queue.get("status") or {}
    conditions = status.get("conditions") or []
    active = next((condition for condition in conditions if condition["type"] == "Active"), None)
    if active is None or active["status"] != "True":
        said = f"{active.get('reason')}: {active.get('message')}" if active else "it has no status: is Kueue running?"
        detail = f"{name} takes no workloads ({said}): ask whoever runs Kueue for its ClusterQueue"
        return Finding(check="queue", state="wrong", detail=detail)
    if lacking := _uncovered(status, grid):
        detail = (
            f"{name} has no quota for {' '.join(lacking)}, which stages ask for, so they would wait for ever, unless "
            "Kueue is told to leave it out of account: ask whoever runs Kueue to cover it in the ClusterQueue"
        )
        return Finding(check="queue", state="warning", detail=detail)
    pending = status.get("pendingWorkloads", 0)
    by_itself = "" if "queue" in grid.cluster else "; Jobs get it by themselves"
    return Finding(check="queue", state="ok", detail=f"{name} is active, {pending} workloads wait{by_itself}")


def _uncovered(status: Object, grid: Grid) -> list[str]:
    """What a GPU stage asks for and no flavour of the queue has; nothing where the queue does not tell. Its status
    names every resource that its ClusterQueue covers, used or not, and may be read where the ClusterQueue may not."""
    from xtl.cluster_check import example

    flavors = status.get("flavorsReservation") or []
    covered = {resource["name"] for flavor in flavors for resource in flavor.get("resources") or []}
    wanted = demand(example(grid, "target")["spec"]["template"]["spec"])
    return sorted(wanted.keys() - covered) if covered else []
