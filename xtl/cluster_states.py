"""What state every stage of a grid is in on a cluster, and why: a function of the Jobs, pods, Events and Workloads, and
of what the store holds. Pure.

The store decides what is done and what has failed for good, so that the answer stands when Jobs and pods are gone; a
Job says what is held and what is out; its pods say the rest in the scheduler's and the node's own words. Where the
cluster could not be read (`jobs` None) only the store speaks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xtl import render
from xtl.decide import gates
from xtl.pod_states import Exit, at, ended, lost, over, pending
from xtl.queues import Place, places
from xtl.states import SILENT_SECONDS, StageState, State, broken_parent, minutes, open_parents
from xtl.submit import condition

Object = dict[str, Any]

#: A Job's first pod is made this soon after its start; a later one follows another.
FIRST_POD_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Disruptions:
    """Attempts that began and ended without failing. without_progress: those after the last that saved a state."""

    count: int
    without_progress: int = 0

    def __str__(self) -> str:
        said = f"disrupted {self.count} time{'s' if self.count > 1 else ''}"
        if not self.without_progress:
            return said
        return f"{said}, {'' if self.without_progress == self.count else f'{self.without_progress} '}without progress"


@dataclass(frozen=True, kw_only=True)
class Observed:
    """jobs: of this grid and store, None where the cluster could not be read. done, failed and progress are the
    store's, by key; disruptions too, where they were looked for. now: seconds since the epoch."""

    jobs: Sequence[Object] | None
    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()
    workloads: Sequence[Object] = ()
    done: Collection[str] = ()
    failed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    progress: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    disruptions: Mapping[str, Disruptions] = field(default_factory=dict)
    now: float


@dataclass(frozen=True, kw_only=True)
class _Stage:
    key: str
    stage: Mapping[str, Any]
    job: Object | None
    pods: Sequence[Object]
    events: Sequence[Object]
    place: Place | None


def cluster_states(stages: Mapping[str, Mapping[str, Any]], seen: Observed) -> list[StageState]:
    """stages: as `store.grids.read` gives them, parents first."""
    jobs = by_key(seen.jobs or ())
    pods = pods_by_job(seen.pods)
    events: dict[str, list[Object]] = {}
    for event in seen.events:
        events.setdefault(str(event.get("involvedObject", {}).get("uid")), []).append(event)
    queue = places(seen.workloads)
    found: dict[str, StageState] = {}
    for key, stage in stages.items():
        job = jobs.get(key)
        uid = str(job["metadata"]["uid"]) if job else ""
        one = _Stage(
            key=key, stage=stage, job=job, pods=pods.get(uid, ()), events=events.get(uid, ()), place=queue.get(uid)
        )
        state, reason = _state(one, found, seen)
        beat = _beat(one, seen) if state == "running" else {}
        title, kind, name = stage["title"], stage["kind"], str(job["metadata"]["name"]) if job else ""
        found[key] = StageState(key=key, title=title, kind=kind, state=state, reason=reason, progress=beat, job=name)
    return list(found.values())


def by_key(jobs: Sequence[Object]) -> dict[str, Object]:
    return {job["metadata"]["annotations"][render.KEY]: job for job in jobs}


def pods_by_job(pods: Sequence[Object]) -> dict[str, list[Object]]:
    """Oldest first, by their Job's uid."""
    found: dict[str, list[Object]] = {}
    for pod in sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"]):
        for owner in pod["metadata"].get("ownerReferences") or []:
            found.setdefault(str(owner.get("uid")), []).append(pod)
    return found


def suspicious(job: Object, pods: Sequence[Object]) -> bool:
    """Whether something may stand behind what a released Job shows: no pod where one should be, or not its first."""
    if job["spec"].get("suspend") or condition(job, "Complete") or condition(job, "Failed"):
        return False
    live = [pod for pod in pods if not over(pod)]
    began = at(job["status"].get("startTime"))
    return not live or at(live[-1]["metadata"]["creationTimestamp"]) - began > FIRST_POD_SECONDS


def _state(one: _Stage, found: Mapping[str, StageState], seen: Observed) -> tuple[State, str]:
    if one.key in seen.done:
        return "done", ""
    if one.key in seen.failed:
        return "failed", _noted(seen.failed[one.key], one.pods)
    if one.job and (ending := _ending(one, found)):
        return ending
    broken = broken_parent(one.stage, found)
    if broken and one.stage["kind"] != "reduce":
        return "skipped", f"needs {broken.title}, which {'failed' if broken.state == 'failed' else 'was skipped'}"
    if one.job is None:
        return _jobless(one, found, seen)
    if one.job["spec"].get("suspend"):
        return _held(one, found, seen)
    return _released(one, seen)


def _noted(note: Mapping[str, Any], pods: Sequence[Object]) -> str:
    """What the controller (or a run) wrote of a failure, with what its exit code means."""
    said, status = str(note.get("reason", "")), note.get("status")
    if isinstance(status, int):
        last = _last_exit(pods)
        return str(last) if last and last.code == status and last.line else str(Exit(code=status, line=said))
    return said


def _ending(one: _Stage, found: Mapping[str, StageState]) -> tuple[State, str] | None:
    """Of a Job that has ended, and whose stage has neither a manifest nor a note of failure."""
    job = one.job
    assert job is not None
    failed = condition(job, "Failed")
    if failed:
        last = _last_exit(one.pods)
        why = f"{failed.get('reason', '')}: {failed.get('message', '')}"
        times = f"{_failures(one)} times, the last: " if _failures(one) > 1 else ""
        return "failed", f"{times}{last}" if last else why
    if condition(job, "Complete"):
        if one.stage["kind"] == "reduce":
            parents = [found[parent] for parent in one.stage["parents"]]
            lacking = sum(x.state != "done" for x in parents)
            return "partial", f"its report lacks {lacking} of {len(parents)} results; `xtl retry` makes it whole"
        return "failed", "its Job completed and its manifest is not there: `xtl submit` makes it again"
    return None


def _jobless(one: _Stage, found: Mapping[str, StageState], seen: Observed) -> tuple[State, str]:
    beat = seen.progress.get(one.key, {})
    if beat and not beat.get("ended") and seen.now - float(beat.get("at", 0.0)) <= SILENT_SECONDS:
        return "running", "; ".join(filter(None, (str(beat.get("state", "")), "" if seen.jobs is None else "no Job")))
    if seen.jobs is None:
        waits = open_parents(one.stage, found)
        return ("waiting", waits) if waits else ("unknown", "its Job could not be looked at")
    return "missing", "it has no Job: run `xtl submit`"


def _held(one: _Stage, found: Mapping[str, StageState], seen: Observed) -> tuple[State, str]:
    job = one.job
    assert job is not None
    if waits := open_parents(one.stage, found):
        return "waiting", waits
    meta = job["metadata"]
    queue = meta.get("labels", {}).get(render.QUEUE)
    if queue and render.GATED_BY not in gates(job):
        place = str(one.place or f"for quota of queue {queue}; its Workload is not made yet, or not ours to list")
        return "queued", _joined(place, _past(one, seen))
    free = "its parents are done" if one.stage["parents"] else "it waits for no other stage"
    return "ready", f"{free}; `xtl controller` or `xtl submit --wait` releases it"


def _released(one: _Stage, seen: Observed) -> tuple[State, str]:
    live = [pod for pod in one.pods if not over(pod)]
    if not live:
        return _podless(one, seen)
    pod = live[-1]
    if gone := lost(pod, seen.now):
        return "node lost", gone
    if pod["metadata"].get("deletionTimestamp"):
        stops = f"pod {pod['metadata']['name']} is being stopped; the next starts when it has ended"
        return "disrupted", _joined(stops, _past(one, seen))
    if pod.get("status", {}).get("phase") == "Pending":
        state, reason = pending(pod)
        if state == "starting" and (past := _past(one, seen)):
            return ("retrying" if _failures(one) else "disrupted"), _joined(past, reason)
        return state, _joined(reason, _past(one, seen))
    beat = _beat(one, seen)
    if not beat:
        return "running", _joined("no heartbeat yet", _past(one, seen))
    age = seen.now - float(beat.get("at", 0.0))
    silent = f"no heartbeat for {minutes(age)}" if age > SILENT_SECONDS else str(beat.get("state", ""))
    return "running", _joined(silent, _past(one, seen))


def _podless(one: _Stage, seen: Observed) -> tuple[State, str]:
    """A Job that is out and has no pod now: between two, refused by the API server, or not looked at yet."""
    refused = [event for event in one.events if event.get("reason") == "FailedCreate"]
    past = _past(one, seen)
    if refused and not one.pods:
        return "misconfigured", _joined(str(refused[-1].get("message", "")), past)
    if past:
        return ("retrying" if _failures(one) else "disrupted"), _joined(past, "its next pod is made after a pause")
    return "released", "its pod is not made yet"


def _past(one: _Stage, seen: Observed) -> str:
    """Attempts before the present one: failures that were counted, and disruptions that were not."""
    failures = _failures(one)
    said = ""
    if failures:
        job = one.job
        assert job is not None
        last = _last_exit(one.pods)
        of = int(job["spec"].get("backoffLimit", 3)) + 1
        said = f"attempt {failures + 1} of {of}" + (f", the last: {last}" if last else "")
    known = seen.disruptions.get(one.key, Disruptions(count=0))
    made = sum(event.get("reason") == "SuccessfulCreate" for event in one.events)
    by_events = made - failures - sum(not over(pod) for pod in one.pods)
    if known.count < by_events:
        known = Disruptions(count=by_events, without_progress=known.without_progress)
    return _joined(said, str(known) if known.count > 0 else "")


def _failures(one: _Stage) -> int:
    return int(one.job["status"].get("failed") or 0) if one.job else 0


def _last_exit(pods: Sequence[Object]) -> Exit | None:
    return next((found for pod in reversed(pods) if over(pod) and (found := ended(pod))), None)


def _beat(one: _Stage, seen: Observed) -> Mapping[str, Any]:
    """The heartbeat, where it is of the pod that runs: an earlier attempt's says nothing."""
    beat = seen.progress.get(one.key, {})
    live = [pod for pod in one.pods if not over(pod)]
    return beat if not live or beat.get("attempt") == live[-1]["metadata"]["uid"] else {}


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
