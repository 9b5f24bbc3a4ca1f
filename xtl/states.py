"""What state every stage of a grid is in, and why: a function of what the store holds. Pure.

done is decided by the manifest alone; what is not done is told apart by the note of a failure, the heartbeat and the
parents. Where a cluster runs the study, `cluster_states.py` says more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal[
    "done", "running", "silent", "stopped", "failed", "skipped", "ready", "waiting",
    # on a cluster alone:
    "queued", "unschedulable", "image pull", "misconfigured", "starting", "retrying", "disrupted", "node lost",
    "released", "partial", "missing", "unknown",
]  # fmt: skip

#: A running stage beats every few seconds; after this long without, it is taken for dead.
SILENT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class StageState:
    """One stage. progress: its last heartbeat (step, steps, loss, tokens_per_second, seconds_left), if it runs. job:
    the name of its Job, where there is one. seconds: what it took, once it is done; predicted_seconds: as estimated
    when the grid was first run or submitted, None where nothing was."""

    key: str
    title: str
    kind: str
    state: State
    reason: str = ""
    progress: Mapping[str, Any] = field(default_factory=dict)
    job: str = ""
    seconds: float | None = None
    predicted_seconds: float | None = None


def states(
    stages: Mapping[str, Mapping[str, Any]],
    *,
    done: Collection[str],
    failed: Mapping[str, Mapping[str, Any]],
    progress: Mapping[str, Mapping[str, Any]],
    now: float,
) -> list[StageState]:
    """stages: as `store.grids.read` gives them, parents first. now: seconds since the epoch."""
    found: dict[str, StageState] = {}
    for key, stage in stages.items():
        state, reason = _state(key, stage, found, done, failed, progress, now)
        beat = progress.get(key, {}) if state in ("running", "silent", "stopped") else {}
        found[key] = StageState(
            key=key, title=stage["title"], kind=stage["kind"], state=state, reason=reason, progress=beat
        )
    return list(found.values())


def _state(
    key: str,
    stage: Mapping[str, Any],
    found: Mapping[str, StageState],
    done: Collection[str],
    failed: Mapping[str, Mapping[str, Any]],
    progress: Mapping[str, Mapping[str, Any]],
    now: float,
) -> tuple[State, str]:
    if key in done:
        return "done", ""
    if key in failed:
        return "failed", str(failed[key].get("reason", ""))
    beat = progress.get(key, {})
    if beat and not beat.get("ended"):
        age = now - float(beat.get("at", 0.0))
        if age <= SILENT_SECONDS:
            return "running", str(beat.get("state", ""))
        return "silent", f"no heartbeat for {minutes(age)}: killed, or cut off; `xtl run` goes on"
    broken = broken_parent(stage, found)
    if broken and stage["kind"] != "reduce":
        return "skipped", f"needs {broken.title}, which {'failed' if broken.state == 'failed' else 'was skipped'}"
    if waits := open_parents(stage, found):
        return "waiting", waits
    if broken:
        parents = [found[parent] for parent in stage["parents"]]
        count = sum(x.state != "done" for x in parents)
        return "waiting", f"for {count} of {len(parents)} results that failed or were skipped; its report is partial"
    if beat.get("state") == "stopped":
        return "stopped", "`xtl run` goes on, from its saved state where it has one"
    if beat.get("state") == "failed":
        return "ready", "its last attempt failed (`xtl logs` says why); `xtl run` tries again"
    return "ready", "`xtl run` starts it"


def broken_parent(stage: Mapping[str, Any], found: Mapping[str, StageState]) -> StageState | None:
    """The first parent that will never be done as things stand."""
    return next((x for key in stage["parents"] if (x := found[key]).state in ("failed", "skipped")), None)


def open_parents(stage: Mapping[str, Any], found: Mapping[str, StageState]) -> str:
    """`for TITLE and N more`: the parents that are still to come; "" for none."""
    open_ = [x for key in stage["parents"] if (x := found[key]).state not in ("done", "failed", "skipped")]
    more = f" and {len(open_) - 1} more" if len(open_) > 1 else ""
    return f"for {open_[0].title}{more}" if open_ else ""


def minutes(seconds: float) -> str:
    whole = max(1, round(seconds / 60))
    return f"{whole} minute{'s' if whole > 1 else ''}"
