"""Changes of mind: a grid's Jobs cancelled, stages run again. Both are idempotent, and a client that dies on the way is
completed by the same command.

Cancel removes what has not ended and no other grid wants; what is committed or in the store stays. Retry removes a Job
in the foreground, waits until its pods are gone, and only then makes it anew. Jobs that run on a result which it took
away are the next submit's to make anew (`xtl retry` ends with one).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from xtl import render
from xtl.cluster import JOBS, OURS, Cluster, ClusterError
from xtl.plan import Plan
from xtl.store import commit, layout
from xtl.store.base import Store
from xtl.store.parallel import each
from xtl.submit import Standing, condition, remove

Job = dict[str, Any]
_ROUNDS = 10
NO_JOB = "without a Job (`xtl submit` makes it)"


@dataclass(frozen=True, kw_only=True)
class Cancelling:
    """A grid's Jobs, by what cancelling it does to them. remove: no other grid wants them; share: another does, and
    only this grid's label goes; ended: left as they are."""

    remove: list[Job] = field(default_factory=list)
    share: list[Job] = field(default_factory=list)
    ended: list[Job] = field(default_factory=list)


def cancelling(cluster: Cluster, grid: str, store_url: str, *, keep: Collection[str] = ()) -> Cancelling:
    """What a cancel would do: by the grid's label, of this store alone. keep: keys of stages whose Jobs are let be."""
    found = Cancelling()
    for job in cluster.list(JOBS, selector=f"{OURS},{render.GRID_PREFIX}{grid}"):
        notes = job["metadata"].get("annotations") or {}
        if notes.get(render.STORE) == store_url and notes.get(render.KEY) not in keep:
            getattr(found, _fate(job, grid)).append(job)
    return found


def stale(cluster: Cluster, plan: Plan, store_url: str) -> Cancelling:
    """The Jobs of an earlier form of the grid, with other data or seeds, that it does not ask for any more."""
    return cancelling(cluster, plan.grid.name, store_url, keep=plan.stages.keys())


def _fate(job: Job, grid: str) -> str:
    if condition(job, "Complete") or condition(job, "Failed"):
        return "ended"
    grids = {name for name in job["metadata"].get("labels", {}) if name.startswith(render.GRID_PREFIX)}
    return "share" if grids - {f"{render.GRID_PREFIX}{grid}"} else "remove"


def cancel(cluster: Cluster, grid: str, jobs: Cancelling) -> list[str]:
    """Do it; the names of the Jobs that are gone then. A Job that another grid has asked for meanwhile, or that has
    ended, stays."""
    gone = each(lambda job: _cancel(cluster, grid, job), [*jobs.share, *reversed(jobs.remove)])
    return sorted(name for name in gone if name)


def _cancel(cluster: Cluster, grid: str, job: Job | None) -> str | None:
    for _ in range(_ROUNDS):
        if job is None or f"{render.GRID_PREFIX}{grid}" not in job["metadata"].get("labels", {}):
            return None
        meta = job["metadata"]
        fate = _fate(job, grid)
        if fate == "ended":
            return None
        try:
            if fate == "remove":
                return meta["name"] if remove(cluster, job, unchanged=True) else None
            only = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
            cluster.patch(JOBS, meta["name"], {"metadata": {**only, "labels": {f"{render.GRID_PREFIX}{grid}": None}}})
            return None
        except ClusterError as error:
            if error.code != 409:
                raise
        job = cluster.get(JOBS, meta["name"])  # it has changed since: look again
    raise ClusterError(f"Job {job['metadata']['name'] if job else ''} keeps changing: run the same command again", 409)


def failed(plan: Plan, store: Store, cluster: Cluster, now: Standing) -> list[str]:
    """Keys of the stages that have failed for good: noted so, or their Job has and nobody noted it yet."""
    jobs = _jobs(plan, store, cluster)
    ended = {key for key, job in jobs.items() if _lost(plan, key, job)}
    done = now.done | commit.manifests(store)  # after the Jobs were listed: what has completed since is there by now
    return [key for key in plan.stages if key not in done and (key in now.failed or key in ended)]


def _lost(plan: Plan, key: str, job: Job) -> bool:
    complete = condition(job, "Complete") is not None and key != plan.reduce
    return complete or condition(job, "Failed") is not None


def again(
    plan: Plan,
    store: Store,
    cluster: Cluster,
    keys: Collection[str],
    *,
    force: bool = False,
    on_progress: Callable[[str], None] = lambda title: None,
) -> list[str]:
    """Run these stages again; the names of the Jobs made. Their notes of failure are removed, with force their results.
    The reduce stage is made anew, too, if it has run or is running and is not committed: it reported on less."""
    jobs = _jobs(plan, store, cluster)
    wanted = [key for key in plan.stages if key in keys]
    report = jobs.get(plan.reduce)
    stale = report is not None and not _pending(report) and plan.reduce not in commit.manifests(store)
    if wanted and stale and plan.reduce not in keys:
        wanted.append(plan.reduce)
    manifests = render.render(plan, store.url)

    def run_again(key: str) -> str:
        on_progress(plan.stages[key].title)
        _again(store, cluster, key, jobs.get(key), manifests[key], force=force)
        return str(manifests[key]["metadata"]["name"])

    return each(run_again, wanted)


def _again(store: Store, cluster: Cluster, key: str, job: Job | None, manifest: Job, *, force: bool) -> None:
    """The Job first, so that no controller notes its failure again; then the note, then the new Job."""
    if job is not None:
        remove(cluster, job)
    if force:
        store.delete(layout.manifest_name(key))
    store.delete(layout.failed_name(key))
    cluster.create(JOBS, manifest)  # 409: another client has made it


def readers(cluster: Cluster, store_url: str, key: str) -> list[Job]:
    """Jobs of whichever grid that were let run, have not ended, and read this stage's result; not reports, which run
    over what there is."""
    from xtl.decide import held  # which needs xtl.submit

    found = []
    for job in cluster.list(JOBS, selector=OURS):
        meta, over = job["metadata"], condition(job, "Complete") or condition(job, "Failed")
        notes = meta.get("annotations") or {}
        reads = notes.get(render.STORE) == store_url and key in notes.get(render.PARENTS, "").split()
        if reads and not over and not held(job) and meta["labels"].get("xtl.dev/kind") != "reduce":
            found.append(job)
    return found


def _pending(job: Job) -> bool:
    return bool(job["spec"].get("suspend")) and not condition(job, "Complete") and not condition(job, "Failed")


def _jobs(plan: Plan, store: Store, cluster: Cluster) -> Mapping[str, Job]:
    there = {job["metadata"]["name"]: job for job in cluster.list(JOBS, selector=OURS)}
    names = {key: render.job_name(stage.kind, key, store.url) for key, stage in plan.stages.items()}
    return {key: there[name] for key, name in names.items() if name in there}


def state(plan: Plan, store: Store, cluster: Cluster, key: str) -> str:
    """In a word, for a refusal: done, running, waiting, ended, or without a Job."""
    if key in commit.manifests(store):
        return "done"
    job = _jobs(plan, store, cluster).get(key)
    if job is None:
        return NO_JOB
    if condition(job, "Complete") or condition(job, "Failed"):
        return "ended"
    return "waiting" if _pending(job) else "running"
