"""Quantities, and which node could ever hold which pod."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl.nodes import demand, obstacles, room, tolerates
from xtl.quantity import amount


@pytest.mark.parametrize(
    ("quantity", "number"),
    [("8", 8), ("500m", "0.5"), ("1.5", "1.5"), ("2k", 2000), ("48Gi", 48 * 2**30), ("1M", 10**6), ("0.5Ki", 512),
     ("1e3", 1000), ("100n", "1e-7"), ("1Ei", 2**60), ("3E", 3 * 10**18)],
)  # fmt: skip
def test_quantities(quantity: str, number: int | str) -> None:
    assert amount(quantity) == Decimal(number)


@pytest.mark.parametrize("text", ["", "Gi", "lots", "8 Gi", "8GB", "--1"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity such as"):
        amount(text)


@given(st.integers(0, 10**12), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_a_thousand_and_1024_thousandths(number: int, suffix: str) -> None:
    """Exact, however large: a float would lose the last digits."""
    assert amount(f"{number}{suffix}") + amount(f"1{suffix}") == amount(f"{number + 1}{suffix}")


def pod(requests: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    resources = {"requests": requests or {"cpu": "8", "memory": "48Gi", "nvidia.com/gpu": "1"}}
    return {"containers": [{"name": "stage", "resources": resources}], **more}


def node(
    taints: list[dict[str, str]] | None = None, labels: dict[str, str] | None = None, **has: str
) -> dict[str, Any]:
    allocatable = {"cpu": "32", "memory": "256Gi", "nvidia.com/gpu": "4", **has}
    return {
        "metadata": {"name": "n", "labels": labels or {}},
        "spec": {"taints": taints} if taints else {},
        "status": {"allocatable": allocatable},
    }


GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("wanted", "there", "reasons"),
    [
        (pod(), node(), []),
        (pod(), node(cpu="7900m"), ["has 7900m cpu"]),
        (pod(), node(memory="50331648Ki"), []),
        (pod(), node(memory="50331647Ki"), ["has 50331647Ki memory"]),
        (pod(), node(**{"nvidia.com/gpu": "0"}), ["no nvidia.com/gpu"]),
        (pod({"amd.com/gpu": "1"}), node(), ["no amd.com/gpu"]),
        (pod(nodeSelector={"zone": "a"}), node(labels={"zone": "a"}), []),
        (pod(nodeSelector={"zone": "a"}), node(labels={"zone": "b"}), ["no label zone=a"]),
        (pod(), node([GPU_TAINT]), ["taint nvidia.com/gpu"]),
        (pod(tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}]), node([GPU_TAINT]), []),
        (pod(), node([{**GPU_TAINT, "effect": "PreferNoSchedule"}]), []),
        (pod(), node([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]), []),
    ],
)
def test_what_keeps_a_pod_from_a_node(wanted: dict[str, Any], there: dict[str, Any], reasons: list[str]) -> None:
    assert list(obstacles(wanted, there)) == reasons


@pytest.mark.parametrize(
    ("toleration", "held"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "nvidia.com/gpu", "operator": "Exists"}, True),
        ({"key": "nvidia.com/gpu", "value": "present"}, True),
        ({"key": "nvidia.com/gpu"}, False),
        ({"key": "nvidia.com/gpu", "value": "other"}, False),
        ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration: dict[str, str], held: bool) -> None:
    assert tolerates(toleration, GPU_TAINT) == held


def test_a_sidecar_counts_and_limits_stand_for_requests() -> None:
    sidecar = {"name": "side", "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}}
    spec = {"containers": [*pod()["containers"], sidecar]}
    assert demand(spec) == {"cpu": Decimal("8.5"), "memory": 49 * 2**30, "nvidia.com/gpu": 1}


def test_room_counts_nodes_and_reasons() -> None:
    nodes = [node(), node([GPU_TAINT]), node([GPU_TAINT], cpu="4")]
    assert room(pod(), nodes) == (1, "2: taint nvidia.com/gpu; 1: has 4 cpu")
    assert room(pod(), []) == (0, "")
