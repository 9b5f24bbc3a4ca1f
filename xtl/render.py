"""Plan to Job manifests. Pure and byte-stable: the templates in k8s/ are parsed, values are put in, nothing is
substituted as text. What a cluster needs beside the values below is a JSON Patch in the grid (`cluster.patch`), applied
last.

No secret is ever in a manifest: credentials are named, as Secrets of the namespace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from importlib import resources
from typing import Any

import yaml

from xtl.arms import label
from xtl.errors import UserError
from xtl.plan import Plan, Stage

GATE = "kueue.x-k8s.io/admission-gated-by"
GATED_BY = "xtl.dev/parents"
QUEUE = "kueue.x-k8s.io/queue-name"
KEY = "xtl.dev/key"  # an annotation: a key is longer than a label may be
PARENTS = "xtl.dev/parent-keys"
TITLE = "xtl.dev/title"
STORE = "xtl.dev/store"
GRID_PREFIX = "grid.xtl.dev/"
GPU_KINDS = ("intermediate", "target")

Manifest = dict[str, Any]


def job_name(kind: str, key: str, store_url: str) -> str:
    """`xtl-<kind>-<12 hex>`: the same stage of the same store is one Job, whoever asks."""
    return f"xtl-{kind}-{hashlib.sha256(f'{key}{store_url}'.encode()).hexdigest()[:12]}"


def render(plan: Plan, store_url: str) -> dict[str, Manifest]:
    """One Job a stage, by key, parents first. Raises UserError for a patch that does not apply."""
    return {key: job(stage, plan, store_url) for key, stage in plan.stages.items()}


def job(stage: Stage, plan: Plan, store_url: str) -> Manifest:
    """The stage's Job, suspended and gated."""
    cluster = plan.grid.cluster
    manifest = template(stage.kind)
    meta, spec = manifest["metadata"], manifest["spec"]
    pod = spec["template"]["spec"]
    meta["name"] = job_name(stage.kind, stage.key, store_url)
    if cluster.get("namespace"):
        meta["namespace"] = cluster["namespace"]
    labels = stage_labels(stage)
    meta["labels"] |= {**labels, f"{GRID_PREFIX}{plan.grid.name}": "true"}
    spec["template"]["metadata"]["labels"] |= labels
    meta["annotations"] |= {
        KEY: stage.key,
        PARENTS: " ".join(stage.parents),
        TITLE: stage.title,
        STORE: store_url,
    }
    if cluster.get("queue"):
        meta["labels"][QUEUE] = cluster["queue"]
    _pod(pod, stage, cluster, store_url)
    return _patched(manifest, cluster.get("patch", []))


def stage_labels(stage: Stage) -> dict[str, str]:
    """`xtl.dev/{kind,stage,task,intermediate,seed}`, each a valid label value."""
    named = {"stage": stage.key[:12], **{k: v for k, v in stage.labels.items() if k != "model"}}
    return {f"xtl.dev/{name}": label(value.lower()).strip("-")[:63] for name, value in named.items()}


@cache
def _text(kind: str) -> str:
    return resources.files("k8s").joinpath(f"job-{kind}.yaml").read_text(encoding="utf-8")


def template(kind: str) -> Manifest:
    """A kind's template, parsed afresh."""
    return yaml.safe_load(_text(kind))


def _pod(pod: dict[str, Any], stage: Stage, cluster: Mapping[str, Any], store_url: str) -> None:
    container = pod["containers"][0]
    container["image"] = cluster.get("image", container["image"])
    container["env"] += [{"name": "XTL_STORE", "value": store_url}, {"name": "XTL_KEY", "value": stage.key}]
    container["env"] += [{"name": "OMP_NUM_THREADS", "value": str(stage.spec.get("threads", 1))}]
    if grace := cluster.get("grace"):
        pod["terminationGracePeriodSeconds"] = seconds(grace)
    if stage.kind in GPU_KINDS:
        _gpu(container, cluster)


def _gpu(container: dict[str, Any], cluster: Mapping[str, Any]) -> None:
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    gpu = cluster.get("gpu") or {}
    resource = gpu.get("resource", "nvidia.com/gpu")
    for amounts in (requests, limits):
        count = amounts.pop("nvidia.com/gpu")
        amounts[resource] = count
    if "cpu" in cluster:
        requests["cpu"] = str(cluster["cpu"])
    if "memory" in cluster:
        requests["memory"] = limits["memory"] = cluster["memory"]
    if gpu.get("simulated"):
        container["env"] = [entry for entry in container["env"] if entry["name"] != "XTL_GPU"]


def seconds(duration: str) -> int:
    """`120s`, `10m`, `1h` in seconds."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


def _patched(manifest: Manifest, steps: list[Mapping[str, Any]]) -> Manifest:
    if not steps:
        return manifest
    import jsonpatch
    from jsonpointer import JsonPointerException

    try:
        return jsonpatch.apply_patch(deepcopy(manifest), list(steps))
    except (jsonpatch.JsonPatchException, JsonPointerException) as error:
        raise UserError(f"cluster.patch does not apply to {manifest['metadata']['name']}: {error}") from error


def dump(manifest: Manifest) -> str:
    """YAML for a person and for kubectl, keys in the template's order."""
    return yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=120)
