"""Whether a node could ever hold a pod, and why not: size, selector and taints. Pure.

What passes by itself does not count: other pods that are running there, a node that is cordoned or not ready. Affinity,
topology and quota are the scheduler's business: see `xtl status`, which tells its own message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from xtl.quantity import amount

Spec = Mapping[str, Any]

#: Taints that Kubernetes sets and lifts by itself: not ready, cordoned, short of memory.
_PASSING = "node.kubernetes.io/"


def demand(pod: Spec) -> dict[str, Decimal]:
    """What the scheduler counts for a pod: its containers' requests, or limits where there is no request, together."""
    total: dict[str, Decimal] = {}
    for container in pod["containers"]:
        resources = container.get("resources", {})
        for name, quantity in {**resources.get("limits", {}), **resources.get("requests", {})}.items():
            total[name] = total.get(name, Decimal(0)) + amount(str(quantity))
    return total


def obstacles(pod: Spec, node: Mapping[str, Any]) -> Iterator[str]:
    """Each reason why this node can never hold the pod; none if it could."""
    has = node.get("status", {}).get("allocatable", {})
    for name, wanted in demand(pod).items():
        if amount(str(has.get(name, "0"))) < wanted:
            yield f"has {has[name]} {name}" if has.get(name) not in (None, "0") else f"no {name}"
    labels = node["metadata"].get("labels", {})
    for name, value in (pod.get("nodeSelector") or {}).items():
        if labels.get(name) != value:
            yield f"no label {name}={value}"
    for taint in node.get("spec", {}).get("taints") or []:
        bars = taint.get("effect") in ("NoSchedule", "NoExecute") and not taint["key"].startswith(_PASSING)
        if bars and not any(tolerates(toleration, taint) for toleration in pod.get("tolerations") or []):
            yield f"taint {taint['key']}"


def tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """As the scheduler matches them: no effect is any effect, `Exists` without a key is any taint."""
    exists = toleration.get("operator", "Equal") == "Exists"
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if not toleration.get("key"):
        return exists
    return toleration["key"] == taint["key"] and (exists or toleration.get("value", "") == taint.get("value", ""))


def room(pod: Spec, nodes: Sequence[Mapping[str, Any]]) -> tuple[int, str]:
    """How many of the nodes could hold the pod, and what is wrong with the others: `3: no nvidia.com/gpu; ...`."""
    wrong = [list(obstacles(pod, node)) for node in nodes]
    counts = Counter(reason for reasons in wrong for reason in reasons)
    return sum(not reasons for reasons in wrong), "; ".join(f"{n}: {reason}" for reason, n in counts.most_common(6))
