"""Puts a plan onto a cluster: one suspended, gated Job a stage.

Jobs have deterministic names and are created, never applied: a second submit finds them and writes nothing, two people
at once make one Job a stage, and a client that dies half way is completed by the next submit. What has failed is left
to `xtl retry`; what is done and whole needs no Job. Specs and inputs are in the store before the first Job is made.
A Job is made anew where its result is gone, and where it was let run on a result that is gone since: its pods would use
up their tries while the parent runs again. What it has trained by then is in its resume state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from xtl import render
from xtl.cluster import JOBS, OURS, Cluster, ClusterError
from xtl.errors import Corrupt, UserError, XtlError
from xtl.plan import Plan
from xtl.store import commit, layout
from xtl.store.base import Store
from xtl.store.parallel import each

IN_FLIGHT = 10
#: Beside a pod's grace period, how long a Job may take to go.
GONE_SECONDS = 60.0
_ROUNDS = 5

Job = dict[str, Any]
Outcome = Literal["created", "found", "labelled", "done", "failed"]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the store holds of a plan, by key. broken: committed, but the bytes are not there (what is wrong with
    them); failed: noted as failed for good."""

    done: frozenset[str]
    broken: Mapping[str, str]
    failed: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """Names of Jobs created (anew, where one had ended and its result is gone), found, labelled (found, another grid's
    too), failed; and titles of stages that need no Job, since they are done."""

    created: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    labelled: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def standing(plan: Plan, store: Store) -> Standing:
    """By listings and the manifests of what is committed; bytes are sized, not read."""
    manifests = commit.manifests(store)
    committed = [key for key in plan.stages if key in manifests]
    sizes = {entry.name: entry.size for entry in store.list(layout.STAGES)} if committed else {}
    problems = dict(zip(committed, each(partial(_problem, store, sizes), committed), strict=True))
    noted = {key for entry in store.list(layout.FAILED) if (key := layout.key_of(entry.name))}
    done = frozenset(key for key, problem in problems.items() if problem is None)
    broken = {key: problem for key, problem in problems.items() if problem is not None}
    return Standing(done=done, broken=broken, failed=frozenset((noted & plan.stages.keys()) - done))


def _problem(store: Store, sizes: Mapping[str, int], key: str) -> str | None:
    try:
        manifest = commit.read_manifest(store, key)
    except Corrupt as error:
        return str(error)
    problems = commit.missized(manifest, sizes) if manifest else ["its manifest is gone"]
    return problems[0] if problems else None


def submit(
    plan: Plan,
    store: Store,
    cluster: Cluster,
    now: Standing,
    *,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> Submitted:
    """Create what is missing. dry_run: the API server checks every Job that would be created, and nothing is written.
    Raises ClusterError and ClusterRefused; what was created by then stays, and the same call completes it."""
    manifests = render.render(plan, store.url)
    there = {job["metadata"]["name"]: job for job in cluster.list(JOBS, selector=OURS)}
    placing = _Placing(plan, store, cluster, now, there, dry_run)
    result = Submitted()
    pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="xtl-submit")
    try:
        outcomes = pool.map(placing.place, manifests, manifests.values())
        for number, (key, outcome) in enumerate(zip(manifests, outcomes, strict=True), 1):
            name = plan.stages[key].title if outcome == "done" else manifests[key]["metadata"]["name"]
            getattr(result, outcome).append(name)
            on_progress(number, len(manifests))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return result


def preflight(plan: Plan, store: Store, cluster: Cluster, now: Standing) -> int:
    """How many Jobs a submit would create, anew or for the first time. One of each kind is shown to the API server, so
    that a wrong namespace, a missing right or a patch that makes no Job is found out before anything is uploaded.
    Raises UserError."""
    manifests = render.render(plan, store.url)
    there = {job["metadata"]["name"]: job for job in cluster.list(JOBS, selector=OURS)}
    placing = _Placing(plan, store, cluster, now, there, dry_run=True)
    lacking = each(placing.lacks, list(manifests))
    missing = [(plan.stages[key].kind, manifests[key]) for key, lacks in zip(manifests, lacking, strict=True) if lacks]
    for manifest in dict(missing).values():
        try:
            cluster.create(JOBS, manifest, dry_run=True)
        except ClusterError as error:
            if error.code == 404:
                raise UserError(f"there is no namespace {cluster.namespace!r} on {cluster.host}: {error}") from None
            raise
    return len(missing)


class _Placing:
    """Sees to one stage's Job, several at a time."""

    def __init__(
        self, plan: Plan, store: Store, cluster: Cluster, now: Standing, there: Mapping[str, Job], dry_run: bool
    ) -> None:
        self.plan, self.store, self.cluster, self.now, self.there = plan, store, cluster, now, there
        self.dry_run = dry_run
        self._label = f"{render.GRID_PREFIX}{plan.grid.name}"
        self._names = {key: render.job_name(stage.kind, key, store.url) for key, stage in plan.stages.items()}
        self._partial_stands = self._report_stands()

    def place(self, key: str, manifest: Job) -> Outcome:
        name = manifest["metadata"]["name"]
        job = self.there.get(name)
        anew = False
        for _ in range(_ROUNDS):
            if job is None:
                if key in self.now.done:
                    return "done"
                if key in self.now.failed and not anew:
                    return "failed"
                if self.cluster.create(JOBS, manifest, dry_run=self.dry_run):
                    return "created"
            else:
                outcome = self._found(key, job)
                if outcome is not None:
                    return outcome
                if self.dry_run:
                    return "created"
                remove(self.cluster, job)
                self.store.delete(layout.failed_name(key))
                anew = True
            job = self.cluster.get(JOBS, name)  # made, or removed and made anew, by another client meanwhile
        raise XtlError(f"Job {name} keeps coming and going: is someone else submitting or cancelling this grid?")

    def _found(self, key: str, job: Job) -> Outcome | None:
        """What to say of a Job that is there; None where it has to be made anew."""
        if self._made_anew(key, job):
            return None
        if job["metadata"].get("deletionTimestamp"):
            return "done" if key in self.now.done else "failed"
        labelled = self._label not in job["metadata"].get("labels", {})
        if labelled and not self.dry_run:
            change = {"metadata": {"uid": job["metadata"]["uid"], "labels": {self._label: "true"}}}
            self.cluster.patch(JOBS, job["metadata"]["name"], change)
        if condition(job, "Failed") and key not in self.now.done:
            return "failed"
        return "labelled" if labelled else "found"

    def lacks(self, key: str) -> bool:
        """Whether a Job is to be created, be it in the place of one that is there."""
        job = self.there.get(self._names[key])
        if job is None:
            return key not in self.now.done and key not in self.now.failed
        return self._made_anew(key, job)

    def _made_anew(self, key: str, job: Job) -> bool:
        """It is going, it completed and its result is not there (any more), or it runs on what is not."""
        if key in self.now.done:
            return False
        if job["metadata"].get("deletionTimestamp"):
            return key not in self.now.failed
        if condition(job, "Complete"):
            return self._gone(key) and (key != self.plan.reduce or not self._partial_stands)
        return not condition(job, "Failed") and self._too_early(key, job)

    def _too_early(self, key: str, job: Job) -> bool:
        """Let run, and a parent's result is gone since; the report runs over what there is."""
        from xtl.decide import held  # which needs this module

        if key == self.plan.reduce or held(job):
            return False
        return any(self._gone(parent) for parent in self.plan.stages[key].parents)

    def _gone(self, key: str) -> bool:
        """Asked of the store again: it may have been committed since the store was looked at."""
        if key in self.now.done:
            return False
        return key in self.now.broken or self.store.head(layout.manifest_name(key)) is None

    def _report_stands(self) -> bool:
        """A reduce stage that found less than everything completes without a manifest: it is worth another go only if
        there may be more now."""
        lost = False
        for key, name in self._names.items():
            if key == self.plan.reduce or key in self.now.done:
                continue
            job = self.there.get(name)
            if job is None and key not in self.now.failed:
                return False
            if job is not None and condition(job, "Complete"):
                return False
            lost = lost or key in self.now.failed or (job is not None and condition(job, "Failed") is not None)
        return lost


def remove(cluster: Cluster, job: Job, *, unchanged: bool = False) -> bool:
    """Delete this Job, not another of its name, in the foreground, and wait until it and its pods are gone: two pods of
    one stage never run at a time. False where it was gone. Raises XtlError where it does not go; with `unchanged`
    ClusterError 409 where it has changed since it was read."""
    meta = job["metadata"]
    grace = float(job["spec"]["template"]["spec"].get("terminationGracePeriodSeconds") or 30)
    try:
        version = meta["resourceVersion"] if unchanged else None
        there = cluster.delete(JOBS, meta["name"], uid=meta["uid"], version=version)
    except ClusterError as error:
        if error.code == 409 and not unchanged:  # another one has taken its name
            return False
        raise
    if there and not cluster.wait_gone(JOBS, meta["name"], grace + GONE_SECONDS, uid=meta["uid"]):
        raise XtlError(
            f"Job {meta['name']} is being deleted and has not gone after {grace + GONE_SECONDS:.0f} s (a node that is "
            "away?): run the same command again later"
        )
    return there


def condition(job: Job, kind: str) -> dict[str, Any] | None:
    """The Job's condition of that type, if it holds."""
    conditions = job.get("status", {}).get("conditions") or []
    return next((x for x in conditions if x["type"] == kind and x["status"] == "True"), None)
