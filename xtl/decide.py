"""What a round of the controller has to do: a function of the Jobs and of what the store holds. Pure.

It goes by the live objects: where a Job carries a queue label, Kueue admits it once our gate is gone; elsewhere it is
released by `suspend: false`. What it does not do: create or delete Jobs (submit, retry, cancel), choose an order (the
scheduler, Kueue).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from xtl import render
from xtl.submit import condition

SKIPPED = "xtl.dev/skipped"
RELEASED = "xtl.dev/released"  # when; a Job that someone suspends after that is theirs to resume

Job = dict[str, Any]
Kind = Literal["release", "skip", "unskip", "fail", "forget"]

UNCOMMITTED = "its Job completed, but its result is not in the store (any more): `xtl submit` runs it again"


@dataclass(frozen=True, kw_only=True)
class Action:
    """What to do to one Job. release: let it run; skip: annotate it with the reason; unskip: take that back; fail: note
    in the store that its stage failed for good; forget: remove such a note, since the Job is there to run anew."""

    kind: Kind
    name: str
    key: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class _View:
    name: str
    key: str
    reduces: bool
    title: str
    parents: tuple[str, ...]
    held: bool
    ended: Literal["", "complete", "failed"]
    skipped: str | None
    why: str


def _view(job: Job) -> _View:
    meta = job["metadata"]
    notes = meta["annotations"]
    failed = condition(job, "Failed")
    return _View(
        name=meta["name"],
        key=notes[render.KEY],
        reduces=(meta.get("labels") or {}).get("xtl.dev/kind") == "reduce",
        title=notes.get(render.TITLE, meta["name"]),
        parents=tuple(notes.get(render.PARENTS, "").split()),
        held=held(job),
        ended="failed" if failed else "complete" if condition(job, "Complete") else "",
        skipped=notes.get(SKIPPED),
        why=f"{failed.get('reason', '')}: {failed.get('message', '')}".strip(": ") if failed else "",
    )


def queued(job: Job) -> bool:
    """Kueue's: by the grid's queue, or a LocalQueue named `default`, which labels Jobs by itself."""
    return render.QUEUE in (job["metadata"].get("labels") or {})


def gates(job: Job) -> list[str]:
    """Who holds the Job back from Kueue's admission."""
    value = (job["metadata"].get("annotations") or {}).get(render.GATE, "")
    return [gate for part in value.split(",") if (gate := part.strip())]


def held(job: Job) -> bool:
    """Waiting for us to let it run."""
    if queued(job):
        return render.GATED_BY in gates(job)
    released = RELEASED in (job["metadata"].get("annotations") or {})
    return bool(job.get("spec", {}).get("suspend")) and not released


def decide(jobs: Iterable[Job], done: Collection[str], failed: Collection[str]) -> list[Action]:
    """What a round has to do: at most one thing to a Job, by the Jobs' names. Pure.

    jobs: as the API server lists them, *before* the store was looked at, so that a Job seen complete has its manifest
    in `done`. done: keys with a manifest; failed: keys with a note of failure. A Job that is being deleted is let be.
    """
    ours = [job for job in jobs if (job["metadata"].get("annotations") or {}).get(render.KEY)]
    views = [_view(job) for job in ours if not job["metadata"].get("deletionTimestamp")]
    views = [view for view in sorted(views, key=lambda view: view.name) if view.key not in done]
    titles = {view.key: view.title for view in views}
    running = {view.key for view in views if not view.ended}
    lost = {key: "failed" for key in failed if key not in done and key not in running}
    actions = [Action(kind="forget", name=view.name, key=view.key) for view in views
               if view.key in failed and view.key in running]  # fmt: skip
    for view in views:
        if view.key in lost or not view.ended or (view.ended == "complete" and view.reduces):
            continue
        lost[view.key] = "failed"
        actions.append(Action(kind="fail", name=view.name, key=view.key, reason=view.why or UNCOMMITTED))
    waiting = [view for view in views if view.held and not view.ended]
    _spread(waiting, lost)
    busy = {action.name for action in actions}
    for view in waiting:
        action = _held(view, done, lost, titles)
        if action and view.name not in busy:
            actions.append(action)
    return actions


def _spread(waiting: list[_View], lost: dict[str, str]) -> None:
    """Whoever waits for what is lost is skipped, to any depth; not the reduce stage, which runs over what there is."""
    changed = True
    while changed:
        changed = False
        for view in waiting:
            if not view.reduces and view.key not in lost and any(parent in lost for parent in view.parents):
                lost[view.key] = "was skipped"
                changed = True


def _held(view: _View, done: Collection[str], lost: Mapping[str, str], titles: Mapping[str, str]) -> Action | None:
    if view.key in lost:
        parent = next(key for key in view.parents if key in lost)
        reason = f"needs {titles.get(parent, parent[:12])}, which {lost[parent]}"
        return None if view.skipped == reason else Action(kind="skip", name=view.name, key=view.key, reason=reason)
    if all(parent in done or (view.reduces and parent in lost) for parent in view.parents):
        return Action(kind="release", name=view.name, key=view.key)
    return Action(kind="unskip", name=view.name, key=view.key) if view.skipped is not None else None


def change(action: Action, job: Job) -> dict[str, Any]:
    """The merge patch that does a release, skip or unskip. It needs no precondition: another Job that has taken the
    name meanwhile (retry) is the same stage with the same parents, and a wrong skip is taken back in the next round."""
    notes: dict[str, Any] = {SKIPPED: action.reason if action.kind == "skip" else None}
    patch: dict[str, Any] = {"metadata": {"annotations": notes}}
    if action.kind == "release":
        others = [gate for gate in gates(job) if gate != render.GATED_BY]
        notes[render.GATE] = ",".join(others) or None
        notes[RELEASED] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if not queued(job):
            patch["spec"] = {"suspend": False}
    return patch
