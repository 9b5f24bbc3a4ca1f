"""Checks a cluster before a study is submitted to it: reachable, new enough, ours to use, with room, and complete.

Read-only: pods are tried with the API server's dry run, which leaves nothing. What we may not look at is a warning, not
a fault: many may submit and not read Secrets or nodes. A check that cannot be carried out never hides the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

from xtl import render
from xtl.cluster import PODS, Cluster, ClusterRefused
from xtl.cluster_parts import check_parts
from xtl.errors import XtlError
from xtl.grid import Grid
from xtl.kueue_check import check_kueue
from xtl.lease import DURATION_SECONDS, alive
from xtl.nodes import demand, room
from xtl.plan import Plan, Stage
from xtl.store.check import Finding

State = Literal["ok", "warning", "wrong"]

#: podReplacementPolicy is on by default since then (Kubernetes' list of feature gates), podFailurePolicy since 1.26.
OLDEST = (1, 29)

KINDS = ("fetch", "intermediate", "target", "reduce")
#: What who needs: resource, group, verbs, for what, and whether nothing goes without it.
RIGHTS: tuple[tuple[str, str, tuple[str, ...], str, bool], ...] = (
    ("jobs", "batch", ("create", "get", "list", "patch", "delete"), "submit, retry and cancel", True),
    ("pods", "", ("list",), "status and logs", True),
    ("pods/log", "", ("get",), "logs", False),
    ("events", "", ("list", "create"), "status, and submit --wait", False),
    ("leases", "coordination.k8s.io", ("get",), "to know whether a controller is alive", False),
)


def check_cluster(grid: Grid, *, context: str | None = None) -> Iterator[Finding]:
    """Every check in turn; ends early where the API server does not answer or the namespace is not there."""
    try:
        cluster = Cluster(context=context, namespace=grid.cluster.get("namespace"), tries=2, timeout_seconds=10.0)
        yield _server(cluster)
        yield _clock(cluster)
    except XtlError as error:
        yield Finding(check="API server", state="wrong", detail=str(error))
        return
    space = _namespace(cluster)
    yield space
    if space.state == "wrong":
        return
    steps: dict[str, Callable[[Cluster, Grid], Iterator[Finding]]] = {
        "rights": _rights,
        "image": _image,
        "pods": _pods,
        "Kueue": check_kueue,
        "room": _room,
        "controller": _controller,
        "parts": check_parts,
    }
    for name, step in steps.items():
        try:
            yield from step(cluster, grid)
        except XtlError as error:
            yield Finding(check=name, state="warning", detail=f"cannot tell: {error}")


def _server(cluster: Cluster) -> Finding:
    version = cluster.version()
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
        what = f"Kubernetes {version} at {cluster.host}: xtl needs 1.{OLDEST[1]}, for podReplacementPolicy"
        return Finding(check="API server", state="wrong", detail=what)
    return Finding(check="API server", state="ok", detail=f"Kubernetes {version} at {cluster.host}")


def _clock(cluster: Cluster) -> Finding:
    import time
    from email.utils import parsedate_to_datetime

    try:
        ahead = parsedate_to_datetime(cluster.date).timestamp() + 0.5 - time.time()
    except ValueError:
        return Finding(check="cluster's clock", state="warning", detail="the API server does not tell its time")
    if abs(ahead) < DURATION_SECONDS / 2:
        return Finding(check="cluster's clock", state="ok", detail="the cluster's clock and this machine's agree")
    what = (
        f"the cluster's clock is {ahead:+.0f} s from this machine's: set the clock, or a stage that runs looks silent"
    )
    return Finding(check="cluster's clock", state="warning", detail=what)


def _namespace(cluster: Cluster) -> Finding:
    name = cluster.namespace
    try:
        found = cluster.get("/api/v1/namespaces", name)
    except ClusterRefused:
        return Finding(check="namespace", state="ok", detail=f"{name} (we may not look at it)")
    except XtlError as error:
        return Finding(check="namespace", state="wrong", detail=str(error))
    if found is None:
        what = f"there is no namespace {name}: kubectl create namespace {name}, or mend `cluster.namespace`"
        return Finding(check="namespace", state="wrong", detail=what)
    level = (found["metadata"].get("labels") or {}).get("pod-security.kubernetes.io/enforce")
    said = f"enforces Pod Security {level!r}" if level else "enforces no Pod Security level of its own"
    return Finding(check="namespace", state="ok", detail=f"{name} {said}")


def _rights(cluster: Cluster, grid: Grid) -> Iterator[Finding]:
    queue = (("workloads", "kueue.x-k8s.io", ("list",), "status of what is queued", False),)
    for resource, group, verbs, what, needed in RIGHTS + (queue if "queue" in grid.cluster else ()):
        missing = [verb for verb in verbs if not cluster.allowed(verb, resource, group)]
        name = f"{resource}.{group}" if group else resource
        state: State = "ok" if not missing else "wrong" if needed else "warning"
        detail = f"may {' '.join(verbs)}"
        if missing:
            detail = (
                f"may not {' '.join(missing)}, needed for {what}: ask for the role `edit` in {cluster.namespace} "
                f"(kubectl create rolebinding NAME -n {cluster.namespace} --clusterrole=edit --user=YOU)"
            )
        yield Finding(check=f"right to {name}", state=state, detail=detail)


def example(grid: Grid, kind: str) -> render.Manifest:
    """A Job of this kind as the grid's cluster block makes it, of no stage."""
    stage = Stage(key="0" * 64, kind=kind, title="xtl doctor", spec={}, where={}, parents=(), labels={"kind": kind})
    plan = Plan(grid=grid, stages={}, rows=(), reduce="")
    return render.job(stage, plan, grid.store or "s3://bucket")


def no_image(grid: Grid) -> str:
    """What to do where some kind of stage has no image but the template's, which no registry has; "" if all have."""
    for kind in KINDS:
        if set(_images(render.template(kind))) & set(_images(example(grid, kind))):
            return (
                f"no image is named for {kind} stages: `cluster: {{image: registry/name:tag}}` (`make image` makes one)"
            )
    return ""


def _images(job: render.Manifest) -> list[str]:
    return [str(container.get("image")) for container in job["spec"]["template"]["spec"].get("containers", [])]


def _image(cluster: Cluster, grid: Grid) -> Iterator[Finding]:
    if why := no_image(grid):
        yield Finding(check="image", state="wrong", detail=why)
        return
    names = ", ".join(dict.fromkeys(name for kind in KINDS for name in _images(example(grid, kind))))
    yield Finding(check="image", state="ok", detail=f"{names}; only a node can tell whether it can be pulled")


def _pods(cluster: Cluster, grid: Grid) -> Iterator[Finding]:
    """Admission as it will be: Pod Security, the service account, the priority class, limits and quotas."""
    if not cluster.allowed("create", "pods"):
        what = (
            "not tried: we may not create pods, not even in a dry run; Jobs may, and their Events tell what is refused"
        )
        yield Finding(check="pods", state="warning", detail=what)
        return
    for kind in KINDS:
        job = example(grid, kind)
        meta = {"generateName": "xtl-doctor-", "labels": job["spec"]["template"]["metadata"]["labels"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": job["spec"]["template"]["spec"]}
        try:
            cluster.create(PODS, pod, dry_run=True)
        except XtlError as error:
            detail = f"a pod of a {kind} stage is refused: {error}; mend `cluster`, or what it names"
            yield Finding(check="pods", state="wrong", detail=detail)
            return
    yield Finding(check="pods", state="ok", detail="a pod of every kind of stage would be admitted")


def _room(cluster: Cluster, grid: Grid) -> Iterator[Finding]:
    try:
        nodes = cluster.list("/api/v1/nodes")
    except ClusterRefused:
        yield Finding(check="room", state="warning", detail="cannot tell: we may not list the nodes")
        return
    for check, kind in (("room for a GPU stage", "target"), ("room for a CPU stage", "fetch")):
        pod = example(grid, kind)["spec"]["template"]["spec"]
        wanted = ", ".join(f"{value:,.10g} {name}" for name, value in demand(pod).items() if name != "memory")
        wanted += f", {demand(pod).get('memory', 0) / 2**30:.3g}Gi memory"
        fitting, wrong = room(pod, nodes)
        if fitting:
            yield Finding(check=check, state="ok", detail=f"{fitting} of {len(nodes)} nodes could hold it ({wanted})")
            continue
        advice = (
            "mend `cluster` (cpu, memory, gpu.resource, tolerations, nodeSelector), unless an autoscaler adds nodes"
        )
        detail = f"none of {len(nodes)} nodes could ever hold it ({wanted}). Nodes by reason: {wrong}. {advice}"
        yield Finding(check=check, state="wrong", detail=detail)


def _controller(cluster: Cluster, grid: Grid) -> Iterator[Finding]:
    try:
        holder = alive(cluster)
    except ClusterRefused:
        yield Finding(check="controller", state="warning", detail="cannot tell: we may not read its Lease")
        return
    if holder:
        yield Finding(check="controller", state="ok", detail=f"{holder} is alive")
        return
    detail = (
        f"none is alive in {cluster.namespace}, and nothing else releases Jobs: helm install xtl helm/xtl -n "
        f"{cluster.namespace}, or keep `xtl submit --wait` running"
    )
    yield Finding(check="controller", state="warning", detail=detail)
