"""The release loop: a Job is released when its parents are committed, and skipped when one of them failed for good.

Level-based and without state: every round lists the Jobs and the store, decides (`xtl/decide.py`) and acts. Killed at
any moment, the next round does what is left; an action that fails is the next round's. Parents' bytes are looked at by
size, once a manifest, before the first child is released; hashes are the children's business, who read them.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from xtl import render
from xtl.cluster import EVENTS, JOBS, OURS, PODS, Cluster, ClusterError, ClusterRefused
from xtl.decide import RELEASED, SKIPPED, Action, Job, change, decide
from xtl.errors import Corrupt, XtlError
from xtl.lastwords import last_words
from xtl.store import commit, layout
from xtl.store.base import Store
from xtl.store.parallel import each

__all__ = ["RELEASED", "SKIPPED", "Action", "Controller", "decide", "list_jobs"]

log = logging.getLogger("xtl.controller")

_EVENTS = {"release": "Released", "skip": "Skipped", "fail": "StageFailed"}
#: Events in flight: few, so that the next round's releases come first.
_TELLERS = 2
#: So many of a round's problems are logged one by one.
_TOLD = 5


def list_jobs(cluster: Cluster) -> list[Job]:
    """Every Job of xtl's, cut down to what a round reads: 1,000 whole Jobs are many times as much."""
    return [_slim(job) for job in cluster.iterate(JOBS, selector=OURS)]


def _slim(job: Job) -> Job:
    meta, status = job["metadata"], job.get("status") or {}
    wanted = ("name", "uid", "labels", "annotations", "deletionTimestamp")
    return {
        "metadata": {name: meta[name] for name in wanted if name in meta},
        "spec": {"suspend": job.get("spec", {}).get("suspend")},
        "status": {"conditions": status.get("conditions"), "failed": status.get("failed")},
    }


def store_of(job: Job) -> str:
    """The URL of the store that a Job's stage commits to."""
    return str((job["metadata"].get("annotations") or {}).get(render.STORE, ""))


class Controller:
    """One round after another over one namespace and one store. `problems` holds what a round could not do."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self.cluster, self.store = cluster, store
        self.released = 0
        self.problems: list[str] = []
        self._away = False
        self._events = ThreadPoolExecutor(_TELLERS, thread_name_prefix="xtl-events")
        self._telling: deque[Future[None]] = deque(maxlen=10_000)
        self._whole: dict[str, str] = {}  # key: ETag of a manifest whose files were all there

    def round(self, jobs: Iterable[Job] | None = None) -> list[Action]:
        """List, decide, act; what was done. `jobs`: as `list_jobs` gave them just now.

        Raises StoreError or ClusterError where store or API server are away, ClusterRefused where nothing is allowed.
        """
        listed = list_jobs(self.cluster) if jobs is None else jobs
        here = {job["metadata"]["name"]: job for job in listed if store_of(job) == self.store.url}
        if not here:
            return []
        manifests = {
            key: entry.etag for entry in self.store.list(layout.MANIFESTS) if (key := layout.key_of(entry.name))
        }
        failed = {key for entry in self.store.list(layout.FAILED) if (key := layout.key_of(entry.name))}
        actions = decide(here.values(), manifests.keys(), failed)
        if broken := self._broken(actions, here, manifests):
            actions = decide(here.values(), manifests.keys() - broken, failed)
        return self._do(actions, here)

    def _broken(self, actions: list[Action], here: Mapping[str, Job], manifests: Mapping[str, str]) -> set[str]:
        """Parents of what is to be released whose files are not all there; their manifests are removed, so that they
        count as not done for everyone. Not of the reduce stage: it has hundreds, and reports on what it can read."""
        jobs = [here[action.name] for action in actions if action.kind == "release"]
        jobs = [job for job in jobs if job["metadata"]["labels"].get("xtl.dev/kind") != "reduce"]
        parents = {key for job in jobs for key in job["metadata"]["annotations"].get(render.PARENTS, "").split()}
        unseen = sorted(key for key in parents if self._whole.get(key) != manifests[key])
        gone = {key for key, bad in zip(unseen, each(self._is_broken, unseen), strict=True) if bad}
        self._whole.update((key, manifests[key]) for key in unseen if key not in gone)
        return gone

    def _is_broken(self, key: str) -> bool:
        try:
            manifest = commit.read_manifest(self.store, key)
            problems = commit.verify(self.store, manifest, hashes=False) if manifest else []
        except Corrupt as error:
            problems = [str(error)]
        if problems and commit.discard(self.store, key):
            log.warning("the result of %s is damaged and counts as not done: %s", key[:12], problems[0])
            return True
        return manifest is None

    def _do(self, actions: list[Action], here: Mapping[str, Job]) -> list[Action]:
        """Act on all, several at once; one Job's trouble is no other's. Events follow behind: nobody waits for them."""
        self._away = False
        results = each(lambda action: self._try(action, here[action.name]), actions)
        done = [result for result in results if isinstance(result, Action)]
        errors = [
            (action, result) for action, result in zip(actions, results, strict=True) if isinstance(result, XtlError)
        ]
        self.released += sum(action.kind == "release" for action in done)
        self.problems = [f"{action.kind} {action.name}: {error}" for action, error in errors]
        for problem in self.problems[:_TOLD]:
            log.warning("%s", problem)
        if errors and (self._away or (not done and all(isinstance(error, ClusterRefused) for _, error in errors))):
            raise errors[-1][1]
        for action in done:
            if action.kind in _EVENTS:
                self._telling.append(self._events.submit(self._event, here[action.name], action))
        return done

    def settle(self) -> None:
        """Wait until every Event is written."""
        while self._telling:
            self._telling.popleft().result()

    def _try(self, action: Action, job: Job) -> Action | XtlError | None:
        """The action as it was done, what kept it, or None where the Job is gone."""
        if self._away:
            return None
        try:
            done = self._act(action, job)
        except (ClusterError, ClusterRefused) as error:
            self._away = self._away or getattr(error, "code", None) == 0
            return error
        if done:
            log.info("%s", f"{done.kind} {done.name} {done.reason}".strip(), extra={"key": done.key})
        return done

    def _act(self, action: Action, job: Job) -> Action | None:
        if action.kind == "forget":
            self.store.delete(layout.failed_name(action.key))
            return action
        if action.kind == "fail":
            return self._fail(action, job)
        return action if self.cluster.patch(JOBS, action.name, change(action, job)) is not None else None

    def _fail(self, action: Action, job: Job) -> Action:
        pods = self.cluster.list(PODS, selector=f"batch.kubernetes.io/job-name={action.name}")
        reason, status = last_words(pods, action.reason)
        body = {"key": action.key, "job": action.name, "uid": job["metadata"]["uid"], "reason": reason,
                "status": status, "ended": action.reason, "at": time.time()}  # fmt: skip
        commit.put_json(self.store, layout.failed_name(action.key), body)
        return Action(kind="fail", name=action.name, key=action.key, reason=reason)

    def _event(self, job: Job, action: Action) -> None:
        """On the Job, once: its name is made of what it says. It is for people; a round does not end for it."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        free = (
            "its parents are committed" if job["metadata"]["annotations"].get(render.PARENTS) else "it has no parents"
        )
        reason, message = _EVENTS[action.kind], action.reason or free
        name, uid = job["metadata"]["name"], job["metadata"]["uid"]
        digest = hashlib.sha256(f"{uid} {reason} {message}".encode()).hexdigest()[:12]
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name}.{digest}", "namespace": self.cluster.namespace},
            "involvedObject": {
                "apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "namespace": self.cluster.namespace,
            },
            "reason": reason,
            "message": message[:1000],
            "type": "Normal" if action.kind == "release" else "Warning",
            "source": {"component": "xtl-controller"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }  # fmt: skip
        try:
            self.cluster.create(EVENTS, event)
        except XtlError as error:
            log.warning("no Event on %s: %s", name, error)


def summary(jobs: Iterable[Job]) -> dict[str, Any]:
    """How many Jobs wait for us, were skipped, run, are complete and failed."""
    from xtl.decide import held
    from xtl.submit import condition

    counts = dict.fromkeys(("waiting", "skipped", "released", "complete", "failed"), 0)
    for job in jobs:
        ended = "failed" if condition(job, "Failed") else "complete" if condition(job, "Complete") else ""
        waits = "skipped" if SKIPPED in (job["metadata"].get("annotations") or {}) else "waiting"
        counts[ended or (waits if held(job) else "released")] += 1
    return counts
