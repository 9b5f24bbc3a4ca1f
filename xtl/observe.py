"""Looks at a study: at most four listings of a cluster and three flat ones of the store, then what `cluster_states.py`
makes of them.

The Jobs are listed first and the manifests after the pods, so that a stage that commits meanwhile shows as done and not
as a Job that ended without a result. Documents are read one by one only of stages that run or have failed.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from xtl import render
from xtl.cluster import EVENTS, JOBS, OURS, PODS, WORKLOADS, Cluster, ClusterError, ClusterRefused, Object
from xtl.cluster_states import Disruptions, Observed, by_key, cluster_states, pods_by_job, suspicious
from xtl.lease import alive
from xtl.pod_states import over
from xtl.queues import places
from xtl.states import StageState
from xtl.store import commit, layout
from xtl.store.base import Entry, Store
from xtl.store.parallel import each


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was found. problem: why the cluster could not be read, "" where it could. note: what stages that are ready
    lack. jobs: by stage key."""

    stages: list[StageState]
    manifests: Mapping[str, Entry]
    jobs: Mapping[str, Object] = field(default_factory=dict)
    problem: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class _Cluster:
    jobs: list[Object] | None = None
    pods: list[Object] = field(default_factory=list)
    events: list[Object] = field(default_factory=list)
    workloads: list[Object] = field(default_factory=list)
    problem: str = ""


def look(stages: Mapping[str, Mapping[str, Any]], grid: str, store: Store, cluster: Cluster | str) -> Seen:
    """cluster: the one that the grid runs on, or why there is none to be asked."""
    with _uncollected():
        found = _Cluster(problem=cluster) if isinstance(cluster, str) else _read(cluster, grid, store.url)
    jobs = by_key(found.jobs or ())
    manifests = _flat(store, layout.MANIFESTS, stages)
    failed = set(_flat(store, layout.FAILED, stages))
    seen = Observed(
        jobs=found.jobs,
        pods=found.pods,
        events=found.events,
        workloads=found.workloads,
        done=manifests.keys(),
        failed=_documents(store, layout.failed_name, failed - manifests.keys()),
        progress=_documents(store, layout.progress_name, _beating(store, stages, manifests.keys(), found, jobs)),
        disruptions=_disruptions(store, found, jobs),
        now=time.time(),
    )
    states = cluster_states(stages, seen)
    ready = any(stage.state == "ready" for stage in states)
    note = _released_by_whom(cluster) if ready and not isinstance(cluster, str) else ""
    return Seen(stages=states, manifests=manifests, jobs=jobs, problem=found.problem, note=note)


def _released_by_whom(cluster: Cluster) -> str:
    try:
        holder = alive(cluster)
    except ClusterError:
        return ""
    except ClusterRefused:
        return "Whether a controller is alive we may not know; if none is, `xtl submit --wait` starts what is ready."
    return (
        "" if holder else "No controller is alive, so nothing that is ready starts: `xtl submit --wait` does its work."
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of cycles, which walks megabytes of parsed JSON again and again and finds none."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _read(cluster: Cluster, grid: str, store_url: str) -> _Cluster:
    """Two listings, and a third and fourth where what they show needs an explanation."""
    try:
        jobs = cluster.list(JOBS, selector=f"{OURS},{render.GRID_PREFIX}{grid}")
        jobs = [job for job in jobs if job["metadata"].get("annotations", {}).get(render.STORE) == store_url]
        pods = cluster.list(PODS, selector=OURS, fields="status.phase!=Succeeded")
        by_job = pods_by_job(pods)
        doubt = any(suspicious(job, by_job.get(str(job["metadata"]["uid"]), ())) for job in jobs)
        events = _optional(cluster, EVENTS, "involvedObject.kind=Job,source=job-controller") if doubt else []
        queued = any(render.QUEUE in job["metadata"].get("labels", {}) for job in jobs)
        workloads = _optional(cluster, WORKLOADS) if queued else []
    except (ClusterError, ClusterRefused) as error:
        return _Cluster(problem=str(error))
    return _Cluster(jobs=jobs, pods=pods, events=events, workloads=workloads)


def _optional(cluster: Cluster, path: str, fields: str = "") -> list[Object]:
    """What explains more and must not stand in the way: nothing where it is not there, or not ours to read."""
    try:
        return cluster.list(path, fields=fields)
    except ClusterRefused:
        return []
    except ClusterError as error:
        if error.code == 404:  # no Kueue here
            return []
        raise


def _beating(
    store: Store,
    stages: Mapping[str, Mapping[str, Any]],
    done: Iterable[str],
    found: _Cluster,
    jobs: Mapping[str, Object],
) -> set[str]:
    """Stages whose heartbeat is worth reading: those with a running pod; and those without a Job that `xtl run` may be
    at, by one listing of the heartbeats."""
    running = {
        str(owner.get("uid"))
        for pod in found.pods
        if pod["status"].get("phase") == "Running"
        for owner in pod["metadata"].get("ownerReferences") or []
    }
    keys = {key for key, job in jobs.items() if str(job["metadata"]["uid"]) in running}
    jobless = set(stages) - set(done) - set(jobs)
    if jobless:
        recent = time.time() - 10 * 60.0  # clocks differ; which of them is alive is told by the heartbeat itself
        entries = [entry for entry in store.list(layout.PROGRESS) if entry.modified > recent]
        keys |= {key for entry in entries if (key := layout.key_of(entry.name)) in jobless}
    return keys - set(done)


def _flat(store: Store, prefix: str, keys: Iterable[str]) -> dict[str, Entry]:
    wanted = set(keys)
    return {key: entry for entry in store.list(prefix) if (key := layout.key_of(entry.name)) and key in wanted}


def _documents(store: Store, name: Any, keys: set[str]) -> dict[str, dict[str, Any]]:
    order = sorted(keys)
    bodies = each(lambda key: commit.get_json(store, name(key)), order)
    return {key: body for key, body in zip(order, bodies, strict=True) if body}


def _disruptions(store: Store, found: _Cluster, jobs: Mapping[str, Object]) -> dict[str, Disruptions]:
    """Of stages where something may have been disrupted: one listing each, which running stages alone can need."""
    by_job, queue = pods_by_job(found.pods), places(found.workloads)
    wanted = []
    for key, job in jobs.items():
        uid = str(job["metadata"]["uid"])
        evicted = uid in queue and queue[uid].evicted
        if evicted or (job["status"].get("startTime") and suspicious(job, by_job.get(uid, ()))):
            wanted.append((key, by_job.get(uid, [])))
    counted = each(lambda pair: _attempts(store, *pair), wanted)
    return {key: one for (key, _), one in zip(wanted, counted, strict=True) if one.count}


def _attempts(store: Store, key: str, pods: list[Object]) -> Disruptions:
    """Attempts whose pod is neither there nor counted as failed; and how many of them came after the last state that
    was saved."""
    known = {str(pod["metadata"]["uid"]) for pod in pods}
    live = {str(pod["metadata"]["uid"]) for pod in pods if not over(pod)}
    logs: dict[str, float] = {}
    saved: tuple[float, str] = (0.0, "")
    for entry in store.list(f"{layout.STAGES}{key}/"):
        parts = entry.name.split("/")
        if parts[2:3] == ["attempts"] and parts[4:] == ["log.txt"]:
            logs[parts[3]] = entry.modified
        elif parts[2:3] == ["resume"] and parts[4:] == ["manifest.json"]:
            saved = max(saved, (entry.modified, parts[3].rpartition("-")[0]))
    gone = [attempt for attempt in logs if attempt not in known]
    if saved[1] in live:
        return Disruptions(count=len(gone))
    since = logs.get(saved[1], saved[0])  # whoever saved may have written its last line, or failed, after that
    after = [attempt for attempt in gone if logs[attempt] > since]
    return Disruptions(count=len(gone), without_progress=len(after))
