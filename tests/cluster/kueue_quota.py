"""What Workloads and queues of the stand-in for Kueue say: who waits, what keeps one from fitting and who would have to
go, in Kueue's words and order. Pure. The sources are named in `kueue.py`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from xtl import render
from xtl.nodes import demand
from xtl.quantity import amount

#: type, status, reason, message
Condition = tuple[str, bool, str, str]
Object = dict[str, Any]

BYPASSED = "Bypassed scheduling evaluation because an equivalent workload recently failed"


def condition(one: Object, kind: str) -> Object:
    return next((x for x in (one.get("status") or {}).get("conditions") or [] if x["type"] == kind), {})


def holds(one: Object, kind: str) -> bool:
    return condition(one, kind).get("status") == "True"


def gate(one: Object) -> str:
    return (one["metadata"].get("annotations") or {}).get(render.GATE) or ""


def waits(workload: Object) -> bool:
    """In the queue (workload.IsAdmissible)."""
    return not gate(workload) and not holds(workload, "Finished") and not holds(workload, "QuotaReserved")


def reserves(workload: Object, queue: str) -> bool:
    """Holds quota of this ClusterQueue."""
    if not holds(workload, "QuotaReserved") or holds(workload, "Finished"):
        return False
    return str(workload["status"]["admission"]["clusterQueue"]) == queue


def priority(workload: Object) -> int:
    return int(workload["spec"].get("priority") or 0)


def order(workload: Object) -> tuple[int, str, str]:
    """In the queue: priority, age, uid."""
    meta = workload["metadata"]
    return -priority(workload), meta["creationTimestamp"], meta["uid"]


def shape(workload: Object) -> str:
    """Workloads of one shape fit or do not fit together."""
    return f"{priority(workload)} {requests(workload)}"


def untried(workload: Object) -> bool:
    """Not evaluated since it came, or came back, to the queue."""
    now = condition(workload, "QuotaReserved")
    return now.get("reason") == "PendingEvaluation" or now.get("message") == BYPASSED


def with_conditions(one: Object, new: Iterable[Condition]) -> list[Object]:
    """Its conditions and the new ones; one that holds as before keeps its time."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    there = {x["type"]: x for x in (one.get("status") or {}).get("conditions") or []}
    for kind, true, reason, message in new:
        old = there.get(kind, {})
        since = old["lastTransitionTime"] if old.get("status") == str(true) else now
        there[kind] = {
            "type": kind, "status": str(true), "reason": reason, "message": message, "lastTransitionTime": since
        }  # fmt: skip
    return list(there.values())


def requests(workload: Object) -> dict[str, Decimal]:
    """What its pod asks for, by resource."""
    return demand(workload["spec"]["podSets"][0]["template"]["spec"])


def quota(queue: Object) -> dict[str, tuple[str, Decimal]]:
    """Flavour and nominal quota by resource."""
    return {
        one["name"]: (group["flavors"][0]["name"], amount(str(one["nominalQuota"])))
        for group in queue["spec"].get("resourceGroups") or []
        for one in group["flavors"][0]["resources"]
    }


def used(workloads: Iterable[Object], resource: str) -> Decimal:
    return sum((requests(x).get(resource, Decimal(0)) for x in workloads), Decimal(0))


def usage(queue: Object, reserving: Sequence[Object]) -> list[Object]:
    """By flavour, every resource that the ClusterQueue covers, used or not."""
    found: dict[str, list[Object]] = {}
    for resource, (flavor, _) in quota(queue).items():
        found.setdefault(flavor, []).append({"name": resource, "total": f"{used(reserving, resource):f}"})
    return [{"name": flavor, "resources": resources} for flavor, resources in found.items()]


def missing(queue: Object, workload: Object, reserving: Sequence[Object]) -> tuple[str, list[str]]:
    """The reason and what keeps it from fitting; nothing where it fits."""
    quotas, said, reason = quota(queue), [], "WaitingForQuota"
    for resource, wanted in requests(workload).items():
        if resource not in quotas:
            return "NoMatchingFlavor", [f"resource {resource} unavailable in ClusterQueue"]
        flavor, nominal = quotas[resource]
        free = nominal - used(reserving, resource)
        if wanted > nominal:
            reason = "ExceedsMaxQuota"
            said.append(
                f"insufficient quota for {resource} in flavor {flavor}, previously considered podsets requests (0) + "
                f"current podset request ({wanted:f}) > maximum capacity ({nominal:f})"
            )
        elif wanted > free:
            said.append(f"insufficient unused quota for {resource} in flavor {flavor}, {wanted - free:f} more needed")
    return reason, said


def victims(queue: Object, workload: Object, reserving: Sequence[Object]) -> list[Object]:
    """Who would have to go: those on their way out already, then the lowest priority, then the latest admitted."""
    if (queue["spec"].get("preemption") or {}).get("withinClusterQueue") != "LowerPriority":
        return []
    lower = [x for x in reserving if priority(x) < priority(workload)]
    lower.sort(key=lambda x: condition(x, "QuotaReserved")["lastTransitionTime"], reverse=True)
    lower.sort(key=lambda x: (not holds(x, "Evicted"), priority(x)))
    for count in range(1, len(lower) + 1):
        gone = lower[:count]
        if not missing(queue, workload, [x for x in reserving if x not in gone])[1]:
            return gone
    return []
