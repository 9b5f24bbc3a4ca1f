"""`xtl submit --wait`: the study followed from here to its end, with the controller's rounds done by the client where
no controller is alive.

A look lists the Jobs, then the store, and tells what has changed. It keeps nothing that matters: stop it at any moment
and the Jobs stay; start it again and it goes on. A store or API server that is away is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from xtl import render
from xtl.cluster import PODS, Cluster, ClusterError, ClusterRefused
from xtl.controller import SKIPPED, Controller, list_jobs
from xtl.decide import held, queued
from xtl.errors import StoreError, StoreRefused
from xtl.lastwords import last_words
from xtl.lease import alive
from xtl.plan import Plan
from xtl.store import commit, layout
from xtl.store.base import Store
from xtl.submit import condition

LOOK_SECONDS = 2.0
#: A retry makes a Job anew: it may be missing for a while before that means that someone has removed it.
MISSING_SECONDS = 30.0
#: Once the API server has let us in, it may turn us away for so long: just started, it does not know its rules yet.
REFUSED_SECONDS = 300.0

State = Literal["waiting", "queued", "released", "done", "failed", "skipped", "partial", "missing"]
ENDED = ("done", "failed", "skipped", "partial", "missing")

Job = dict[str, Any]


class Waiting:
    """One study's way to its end. `states` and `reasons` are by stage key; partial: a report over less than all.
    `away`: store or API server did not answer when last asked."""

    def __init__(self, plan: Plan, store: Store, cluster: Cluster, say: Callable[[str], None]) -> None:
        self.plan, self.store, self.cluster, self.say = plan, store, cluster, say
        self.states: dict[str, State] = dict.fromkeys(plan.stages, "waiting")
        self.reasons: dict[str, str] = {}
        self._controller = Controller(cluster, store)
        self._missing_since: dict[str, float] = {}
        self._failures: dict[str, int] = {}  # pods that failed, by stage
        self.away = False
        self._looked = False
        self._refused_since: float | None = None

    def run(self) -> bool:
        """Until every stage has ended; True if all are done. Raises StoreRefused, and ClusterRefused at the first look
        or where it lasts."""
        while True:
            try:
                self.look()
                self.away, self._looked, self._refused_since = False, True, None
            except StoreRefused:
                raise
            except (StoreError, ClusterError, ClusterRefused) as error:
                if self._for_good(error):
                    raise
                if not self.away:
                    self.say(f"{error}. Waiting for it")
                self.away = True
            else:
                if all(state in ENDED for state in self.states.values()):
                    return all(state == "done" for state in self.states.values())
            time.sleep(LOOK_SECONDS)

    def _for_good(self, error: Exception) -> bool:
        if not isinstance(error, ClusterRefused):
            self._refused_since = None
            return False
        now = time.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        return not self._looked or now - self._refused_since > REFUSED_SECONDS

    def look(self) -> None:
        """One round: act where nobody else does, and tell what is new."""
        jobs = list_jobs(self.cluster)
        actions = self._controller.round(jobs) if controller(self.cluster) is None else []
        released = {action.key for action in actions if action.kind == "release"}
        done = commit.manifests(self.store)
        failed = {key for entry in self.store.list(layout.FAILED) if (key := layout.key_of(entry.name))}
        by_name = {job["metadata"]["name"]: job for job in jobs}
        for key, stage in self.plan.stages.items():
            job = by_name.get(render.job_name(stage.kind, key, self.store.url))
            state = "done" if key in done else self._state(key, job, key in failed)
            if state == "waiting" and key in released:
                state = "queued" if job and queued(job) else "released"
            if state != self.states[key]:
                self._changed(key, state, job)
            elif state == "released" and job:
                self._tell_retry(key, job)

    def _tell_retry(self, key: str, job: Job) -> None:
        """That a pod has failed and another is to follow, with what the last one said."""
        count = int(job["status"].get("failed") or 0)
        if count > self._failures.get(key, 0) and not condition(job, "FailureTarget"):  # no other one follows then
            reason, status = last_words(self._pods(job), "")
            code = "" if status is None else f" with exit {status}"
            said = f"attempt {count} ended{code}{': ' if reason else ''}{reason}; it is tried again"
            self.say(f"retrying {key[:12]} {self.plan.stages[key].title}: {said}")
        self._failures[key] = count

    def _pods(self, job: Job) -> list[Job]:
        """The Job's; none where they are not ours to list, for which nobody's waiting ends."""
        try:
            return self.cluster.list(PODS, selector=f"batch.kubernetes.io/job-name={job['metadata']['name']}")
        except ClusterRefused:
            return []

    def _state(self, key: str, job: Job | None, noted: bool) -> State:
        if job is None:
            return "failed" if noted else self._missing(key)
        self._missing_since.pop(key, None)
        if condition(job, "Failed"):
            return "failed"
        if condition(job, "Complete"):  # without a manifest: only a report may
            return "partial" if key == self.plan.reduce else "failed" if noted else self.states[key]
        if SKIPPED in (job["metadata"].get("annotations") or {}):
            return "skipped"
        if not job["spec"].get("suspend"):
            return "released"
        return "queued" if queued(job) and not held(job) else "waiting"

    def _missing(self, key: str) -> State:
        since = self._missing_since.setdefault(key, time.monotonic())
        return "missing" if time.monotonic() - since > MISSING_SECONDS else self.states[key]

    def _changed(self, key: str, state: State, job: Job | None) -> None:
        self.states[key] = state
        self.reasons[key] = self._reason(key, state, job)
        reason = f": {self.reasons[key]}" if self.reasons[key] else ""
        self.say(f"{state:<8} {key[:12]} {self.plan.stages[key].title}{reason}")

    def _reason(self, key: str, state: State, job: Job | None) -> str:
        if state == "skipped" and job:
            return str(job["metadata"]["annotations"][SKIPPED])
        if state == "queued" and job:
            return f"for quota of queue {job['metadata']['labels'][render.QUEUE]}"
        if state == "partial":
            return "a report over what there is"
        if state == "missing":
            return "someone has removed its Job: `xtl submit` makes it anew"
        if state != "failed":
            return ""
        note: Mapping[str, Any] = commit.get_json(self.store, layout.failed_name(key)) or {}
        said = (condition(job, "Failed") if job else None) or {}
        return str(note.get("reason") or said.get("message") or "")


def controller(cluster: Cluster) -> str | None:
    """Who releases Jobs in the namespace, or None: nobody, or we may not know (two that release do no harm)."""
    try:
        return alive(cluster)
    except ClusterRefused:
        return None
