"""What one pod says of itself: why it does not run, whether it is being stopped, and how it ended. Pure, over the API
server's JSON; the words are the scheduler's, the node's and the stage's own, with what to do next where xtl knows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from xtl.errors import EXIT_COMMITTED, EXIT_NEVER, EXIT_STOPPED
from xtl.states import State

Object = dict[str, Any]

#: What the exit codes mean (xtl/errors.py), and SIGKILL's, which no stage gives by itself.
MEANING = {
    EXIT_COMMITTED: "committed",
    EXIT_NEVER: "it will never work as it is",
    EXIT_STOPPED: "stopped by SIGTERM",
    137: "killed",
}
OUT_OF_MEMORY = "out of memory: raise cluster.memory"

#: A node has this long after a pod's deadline to say that the pod has ended.
LOST_SECONDS = 10.0

_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_CONFIG = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a pod's stage ended. line: the last that it printed, "" where the node kept nothing."""

    code: int
    line: str
    memory: bool = False

    def __str__(self) -> str:
        meaning = OUT_OF_MEMORY if self.memory else MEANING.get(self.code, "")
        return f"exit {self.code}" + (f" ({meaning})" if meaning else "") + (f": {self.line}" if self.line else "")


def at(timestamp: str | None) -> float:
    """An API timestamp in seconds since the epoch; 0.0 for none."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else 0.0


def ended(pod: Object) -> Exit | None:
    """How its stage ended, or None while it has not."""
    for container in pod.get("status", {}).get("containerStatuses") or []:
        found = container.get("state", {}).get("terminated")
        if container.get("name") == "stage" and found:
            memory = found.get("reason") == "OOMKilled"
            return Exit(code=int(found.get("exitCode", 1)), line=last_line(found.get("message")), memory=memory)
    return None


def last_line(message: str | None) -> str:
    """The last line of a log's end, without the time and level that xtl's own lines begin with."""
    lines = [line for line in str(message or "").splitlines() if line.strip()]
    return lines[-1].rsplit(" ERROR ", 1)[-1].strip() if lines else ""


def over(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def lost(pod: Object, now: float) -> str | None:
    """What to say where the pod's node does not answer, for no other pod of the Job starts before it ends."""
    meta, node = pod["metadata"], pod.get("spec", {}).get("nodeName", "its node")
    deadline = at(meta.get("deletionTimestamp"))
    name = meta["name"]
    free = f"if the node is gone for good: kubectl delete pod {name} --force"
    if deadline and now > deadline + LOST_SECONDS:
        return f"node {node} does not say that pod {name} has ended, and it must end first; {free}"
    ready, containers = _condition(pod, "Ready"), _condition(pod, "ContainersReady")
    silent = ready.get("status") in ("False", "Unknown") and containers.get("status") == "True"
    if silent and not deadline:  # no readiness gate is xtl's: only the node controller says this of a running pod
        return f"node {node} does not answer, and pod {name} must end first; {free}"
    return None


def pending(pod: Object) -> tuple[State, str]:
    """State and reason of a pod whose container does not run yet."""
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        said = str(scheduled.get("message") or scheduled.get("reason") or "no node takes it")
        return "unschedulable", said
    for container in _statuses(pod):
        waiting = container.get("state", {}).get("waiting") or {}
        reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
        said = f"{reason}: {message}" if message else reason
        if reason in _IMAGE:
            return "image pull", said
        if reason in _CONFIG:
            return "misconfigured", said
    node = pod.get("spec", {}).get("nodeName")
    return "starting", f"its container is being made on {node}" if node else "looking for a node"


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _condition(pod: Object, kind: str) -> Object:
    conditions = pod.get("status", {}).get("conditions") or []
    return next((x for x in conditions if x["type"] == kind), {})
