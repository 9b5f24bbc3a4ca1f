"""The release loop: a Job is released when its parents are committed, and skipped when one of them failed for good.

Level-based and without state: every round lists the Jobs and the store, decides (`decide` is pure) and acts. Killed at
any moment, the next round does what is left. It goes by the live objects: where a Job carries a queue label, Kueue
admits it once the gate annotation is gone; elsewhere it is released by `suspend: false`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from xtl import render
from xtl.cluster import EVENTS, JOBS, OURS, PODS, Cluster
from xtl.store import commit, layout
from xtl.store.base import Store
from xtl.submit import condition

log = logging.getLogger("xtl.controller")

SKIPPED = "xtl.dev/skipped"

Job = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Action:
    """What to do to one Job. release: let it run; skip: annotate it with the reason; fail: note in the store that its
    stage failed for good."""

    kind: Literal["release", "skip", "unskip", "fail"]
    name: str
    key: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class _View:
    name: str
    key: str
    kind: str
    title: str
    parents: tuple[str, ...]
    held: bool
    ended: Literal["", "complete", "failed"]
    skipped: str | None
    why: str


def _view(job: Job) -> _View:
    meta, spec = job["metadata"], job["spec"]
    notes = meta.get("annotations", {})
    failed = condition(job, "Failed")
    gated = render.GATE in notes
    queued = render.QUEUE in meta.get("labels", {})
    return _View(
        name=meta["name"],
        key=notes[render.KEY],
        kind=meta["labels"].get("xtl.dev/kind", ""),
        title=notes.get(render.TITLE, meta["name"]),
        parents=tuple(notes.get(render.PARENTS, "").split()),
        held=gated if queued else bool(spec.get("suspend")),
        ended="failed" if failed else "complete" if condition(job, "Complete") else "",
        skipped=notes.get(SKIPPED),
        why=f"{failed.get('reason', '')}: {failed.get('message', '')}" if failed else "",
    )


def decide(jobs: Iterable[Job], done: Collection[str], failed: Collection[str]) -> list[Action]:
    """What a round has to do. done: keys with a manifest; failed: keys with a note of failure. Pure."""
    views = [_view(job) for job in jobs if render.KEY in job["metadata"].get("annotations", {})]
    titles = {view.key: view.title for view in views}
    lost: dict[str, str] = {key: "failed" for key in failed if key not in done}
    actions: list[Action] = []
    for view in views:
        if view.key in done or view.key in lost:
            continue
        if view.ended == "failed":
            lost[view.key] = "failed"
            actions.append(Action(kind="fail", name=view.name, key=view.key, reason=view.why))
        elif view.ended == "complete" and view.kind != "reduce":
            lost[view.key] = "failed"
            actions.append(
                Action(kind="fail", name=view.name, key=view.key, reason="its Job completed without a manifest")
            )
    _spread(views, done, lost)
    for view in views:
        if view.key not in done and not view.ended and view.held:
            action = _held(view, done, lost, titles)
            actions += [action] if action else []
    return actions


def _spread(views: list[_View], done: Collection[str], lost: dict[str, str]) -> None:
    """Whoever needs what is lost is skipped, to any depth; not the reduce stage, which runs over what there is."""
    changed = True
    while changed:
        changed = False
        for view in views:
            hopeless = any(parent in lost for parent in view.parents)
            if view.kind != "reduce" and view.key not in lost and view.key not in done and hopeless:
                lost[view.key] = "skipped"
                changed = True


def _held(view: _View, done: Collection[str], lost: Mapping[str, str], titles: Mapping[str, str]) -> Action | None:
    if lost.get(view.key) == "skipped":
        parent = next(key for key in view.parents if key in lost)
        reason = f"needs {titles.get(parent, parent[:12])}, which {lost[parent]}"
        if view.skipped == reason:
            return None
        return Action(kind="skip", name=view.name, key=view.key, reason=reason)
    if all(parent in done or (view.kind == "reduce" and parent in lost) for parent in view.parents):
        return Action(kind="release", name=view.name, key=view.key)
    if view.skipped is not None:
        return Action(kind="unskip", name=view.name, key=view.key)
    return None


class Controller:
    """One round after another over one namespace and one store."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self.cluster, self.store = cluster, store
        self.released = 0

    def round(self) -> list[Action]:
        """List, decide, act; what was done."""
        jobs = self.cluster.list(JOBS, selector=OURS)
        jobs = [job for job in jobs if job["metadata"].get("annotations", {}).get(render.STORE) == self.store.url]
        done = commit.manifests(self.store)
        failed = {key for entry in self.store.list(layout.FAILED) if (key := layout.key_of(entry.name))}
        actions = decide(jobs, done, failed)
        by_name = {job["metadata"]["name"]: job for job in jobs}
        for action in actions:
            self._act(action, by_name[action.name])
        return actions

    def _act(self, action: Action, job: Job) -> None:
        if action.kind == "release":
            self._release(job)
            self.released += 1
            self._event(job, "Released", "its parents are committed")
        elif action.kind == "skip":
            self.cluster.patch(JOBS, action.name, {"metadata": {"annotations": {SKIPPED: action.reason}}})
            self._event(job, "Skipped", action.reason, warning=True)
        elif action.kind == "unskip":
            self.cluster.patch(JOBS, action.name, {"metadata": {"annotations": {SKIPPED: None}}})
        else:
            reason, status = self._last_words(action)
            body = {"key": action.key, "job": action.name, "reason": reason, "status": status, "at": time.time()}
            commit.put_json(self.store, layout.failed_name(action.key), body)
            self._event(job, "StageFailed", reason, warning=True)
        log.info("%s %s %s", action.kind, action.name, action.reason)

    def _release(self, job: Job) -> None:
        change: dict[str, Any] = {"metadata": {"annotations": {render.GATE: None, SKIPPED: None}}}
        if render.QUEUE not in job["metadata"].get("labels", {}):
            change["spec"] = {"suspend": False}
        self.cluster.patch(JOBS, job["metadata"]["name"], change)

    def _last_words(self, action: Action) -> tuple[str, int | None]:
        """The last pod's termination message and exit code beside the Job's own reason."""
        pods = self.cluster.list(PODS, selector=f"batch.kubernetes.io/job-name={action.name}")
        pods.sort(key=lambda pod: pod["metadata"]["creationTimestamp"])
        for pod in reversed(pods):
            for container in pod.get("status", {}).get("containerStatuses") or []:
                ended = container.get("state", {}).get("terminated")
                if ended:
                    said = str(ended.get("message") or "").strip().rsplit(" ERROR ", 1)[-1]
                    return said or action.reason, ended.get("exitCode")
        return action.reason, None

    def _event(self, job: Job, reason: str, message: str, *, warning: bool = False) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        meta = job["metadata"]
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{meta['name']}-", "namespace": self.cluster.namespace},
            "involvedObject": {
                "apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"],
                "namespace": self.cluster.namespace,
            },
            "reason": reason,
            "message": message[:1000],
            "type": "Warning" if warning else "Normal",
            "source": {"component": "xtl-controller"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }  # fmt: skip
        self.cluster.create(EVENTS, event)
