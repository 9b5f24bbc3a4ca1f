"""Where a Job stands in its Kueue queue, and what Kueue itself says: from the Workloads of a namespace. Pure.

The order is Kueue's: priority, then age, then uid; a Workload whose Job is gated has no place in it. It is an estimate
of what comes next, not a promise: Kueue may take a smaller workload first, and other namespaces share the quota.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xtl import render

Object = dict[str, Any]

#: Since 0.18 (feature gate SchedulingEquivalenceHashing), in pkg/controller/core/workload_controller.go of Kueue.
_UNTRIED = "Bypassed scheduling evaluation"


@dataclass(frozen=True, kw_only=True)
class Place:
    """position: 1 is next; 0 where the workload is not waiting. message: Kueue's."""

    queue: str
    position: int
    waiting: int
    message: str
    evicted: bool = False

    def __str__(self) -> str:
        where = f"queue {self.queue}"
        if self.position:
            where += f", {self.position} of {self.waiting} waiting"
        return where + (f": {self.message}" if self.message else "")


def places(workloads: Sequence[Object]) -> dict[str, Place]:
    """By the uid of the Job that owns the Workload."""
    waiting: dict[str, list[Object]] = {}
    for workload in workloads:
        if _waits(workload):
            waiting.setdefault(_queue(workload), []).append(workload)
    position: dict[str, int] = {}
    for line in waiting.values():
        line.sort(key=_order)
        position |= {str(x["metadata"]["uid"]): number for number, x in enumerate(line, 1)}
    found: dict[str, Place] = {}
    for workload in workloads:
        queue = _queue(workload)
        line = waiting.get(queue, [])
        place = Place(
            queue=queue,
            position=position.get(str(workload["metadata"]["uid"]), 0),
            waiting=len(line),
            message=_plain_message(workload, line),
            evicted=bool(_condition(workload, "Evicted")),
        )
        for owner in workload["metadata"].get("ownerReferences") or []:
            found[str(owner.get("uid"))] = place
    return found


def _queue(workload: Object) -> str:
    return str(workload["spec"].get("queueName", ""))


def _order(workload: Object) -> tuple[int, str, str]:
    meta = workload["metadata"]
    return -int(workload["spec"].get("priority") or 0), meta["creationTimestamp"], str(meta["uid"])


def _waits(workload: Object) -> bool:
    gated = (workload["metadata"].get("annotations") or {}).get(render.GATE)  # a copy of its Job's
    reserved = _condition(workload, "QuotaReserved").get("status") == "True"
    over = _condition(workload, "Finished").get("status") == "True"
    return not gated and not reserved and not over and workload["spec"].get("active", True)


def _plain_message(workload: Object, line: Sequence[Object]) -> str:
    """Where Kueue only says that it did not try this one, since one like it did not fit: what it says of that one."""
    own = _message(workload)
    if not own.startswith(_UNTRIED):
        return own
    like = (_message(one) for one in line if _shape(one) == _shape(workload))
    return next((said for said in like if not said.startswith(_UNTRIED)), own)


def _shape(workload: Object) -> tuple[int, list[Object]]:
    """By what Kueue takes Workloads for equivalent, as far as stages of a study differ in it."""
    pods = [x.get("template", {}).get("spec", {}) for x in workload["spec"].get("podSets") or []]
    return int(workload["spec"].get("priority") or 0), [
        one.get("resources", {}) for pod in pods for one in pod.get("containers") or []
    ]


def _message(workload: Object) -> str:
    """Why it is not admitted: what stands against the quota, else against admission, else why it was evicted."""
    for kind in ("QuotaReserved", "Admitted"):
        found = _condition(workload, kind)
        if found.get("status") == "False" and found.get("message"):
            return str(found["message"])
    evicted = _condition(workload, "Evicted")
    return str(evicted.get("message", "")) if evicted.get("status") == "True" else ""


def _condition(workload: Object, kind: str) -> Object:
    conditions = workload.get("status", {}).get("conditions") or []
    return next((x for x in conditions if x["type"] == kind), {})
