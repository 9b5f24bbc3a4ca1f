"""Plan to Job manifests. Pure and byte-stable: the templates in k8s/ are parsed, values are put in, nothing is
substituted as text. What a cluster needs beside the values below is a JSON Patch in the grid (`cluster.patch`), applied
last.

No secret is ever in a manifest: credentials are named, as Secrets of the namespace. The store's reach every stage, the
hub's token the fetch stages alone.
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
from xtl.grid_cluster import seconds
from xtl.plan import Plan, Stage
from xtl.quantity import amount

GATE = "kueue.x-k8s.io/admission-gated-by"
GATED_BY = "xtl.dev/parents"
QUEUE = "kueue.x-k8s.io/queue-name"
KEY = "xtl.dev/key"  # an annotation: a key is longer than a label may be
PARENTS = "xtl.dev/parent-keys"
TITLE = "xtl.dev/title"
STORE = "xtl.dev/store"
GRID_PREFIX = "grid.xtl.dev/"
GPU_KINDS = ("intermediate", "target")
TOKEN_KEY = "token"  # of the hub's Secret
_GPU = "nvidia.com/gpu"  # in the templates
_ANNOTATIONS_BYTES = 256 << 10  # what the API server takes, all of an object's together

Manifest = dict[str, Any]


def job_name(kind: str, key: str, store_url: str) -> str:
    """`xtl-<kind>-<12 hex>`: the same stage of the same store is one Job, whoever asks."""
    return f"xtl-{kind}-{hashlib.sha256(f'{key}{store_url}'.encode()).hexdigest()[:12]}"


def render(plan: Plan, store_url: str) -> dict[str, Manifest]:
    """One Job a stage, by key, parents first. Raises UserError for a patch that does not apply, and for a study that is
    so large that its reduce stage cannot name what it builds on."""
    return {key: job(stage, plan, store_url) for key, stage in plan.stages.items()}


def job(stage: Stage, plan: Plan, store_url: str) -> Manifest:
    """The stage's Job, suspended and gated."""
    cluster = plan.grid.cluster
    manifest = template(stage.kind)
    meta, spec = manifest["metadata"], manifest["spec"]
    pod = spec["template"]["spec"]
    meta["name"] = job_name(stage.kind, stage.key, store_url)
    if "namespace" in cluster:
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
    if "queue" in cluster:
        meta["labels"][QUEUE] = cluster["queue"]
    if "ttl" in cluster:
        spec["ttlSecondsAfterFinished"] = seconds(cluster["ttl"])
    if sum(len(name) + len(value.encode()) for name, value in meta["annotations"].items()) > _ANNOTATIONS_BYTES:
        raise UserError(
            f"{stage.title} builds on {len(stage.parents)} stages, more than a Job can name: split the grid"
        )
    _pod(pod, stage, cluster, store_url)
    return _patched(manifest, cluster.get("patch", []))


def stage_labels(stage: Stage) -> dict[str, str]:
    """`xtl.dev/{kind,stage,task,intermediate,seed}`, each a valid label value."""
    named = {"stage": stage.key[:12], **{k: v for k, v in stage.labels.items() if k != "model"}}
    return {f"xtl.dev/{name}": label(value.lower())[:63].strip("-") for name, value in named.items()}


def template(kind: str) -> Manifest:
    """A kind's template, to be changed at will."""
    return deepcopy(_parsed(kind))


@cache
def _parsed(kind: str) -> Manifest:
    """Parsed once: that takes 10 ms, a copy far less, and studies have a thousand stages."""
    return yaml.safe_load(resources.files("k8s").joinpath(f"job-{kind}.yaml").read_text(encoding="utf-8"))


def _pod(pod: dict[str, Any], stage: Stage, cluster: Mapping[str, Any], store_url: str) -> None:
    container = pod["containers"][0]
    container["image"] = cluster.get("image", container["image"])
    container["env"] += [{"name": "XTL_STORE", "value": store_url}, {"name": "XTL_KEY", "value": stage.key}]
    container["env"] += [{"name": "OMP_NUM_THREADS", "value": str(stage.spec.get("threads", 1))}]
    if "grace" in cluster:
        pod["terminationGracePeriodSeconds"] = seconds(cluster["grace"])
    for key, field in (("serviceAccount", "serviceAccountName"), ("priority", "priorityClassName")):
        if key in cluster:
            pod[field] = cluster[key]
    for field in ("tolerations", "nodeSelector"):
        if cluster.get(field):
            pod[field] = deepcopy(cluster[field])
    if cluster.get("imagePullSecrets"):
        pod["imagePullSecrets"] = [{"name": name} for name in cluster["imagePullSecrets"]]
    for volume in pod["volumes"]:
        if size := cluster.get(volume["name"]) if volume["name"] in ("scratch", "shm") else None:
            volume["emptyDir"]["sizeLimit"] = str(size)
    _resources(container, stage.kind, cluster)
    _store(container, cluster.get("store", {}))
    if stage.kind == "fetch":
        _hub(container, cluster.get("hub", {}))
        _cache(pod, cluster, "XDG_CACHE_HOME", "/cache")
    elif stage.kind in GPU_KINDS:
        _cache(pod, cluster, "XTL_CACHE", "/cache/stages")


def _resources(container: dict[str, Any], kind: str, cluster: Mapping[str, Any]) -> None:
    """`cpu` and `memory` are a GPU stage's; a stage without a GPU asks for no more than that, nor than its template."""
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    for name in ("cpu", "memory"):
        if name in cluster and (kind in GPU_KINDS or amount(str(cluster[name])) < amount(requests[name])):
            for amounts in (requests, limits):
                amounts |= {name: str(cluster[name])} if name in amounts else {}
    if kind not in GPU_KINDS:
        return
    gpu = cluster.get("gpu", {})
    for amounts in (requests, limits):
        amounts[gpu.get("resource", _GPU)] = amounts.pop(_GPU)
    if gpu.get("simulated"):
        container["env"] = [entry for entry in container["env"] if entry["name"] != "XTL_GPU"]


def _store(container: dict[str, Any], store: Mapping[str, Any]) -> None:
    """Credentials as environment variables from the Secret; without one, the pod has the cloud's workload identity."""
    if "secret" in store:
        container["envFrom"] = [{"secretRef": {"name": store["secret"]}}]
    for key, name in (("endpoint", "AWS_ENDPOINT_URL"), ("region", "AWS_DEFAULT_REGION")):
        if key in store:
            container["env"].append({"name": name, "value": store[key]})


def _hub(container: dict[str, Any], hub: Mapping[str, Any]) -> None:
    if "tokenSecret" in hub:
        source = {"secretKeyRef": {"name": hub["tokenSecret"], "key": TOKEN_KEY}}
        container["env"].append({"name": "HF_TOKEN", "valueFrom": source})
    if "endpoint" in hub:
        container["env"].append({"name": "HF_ENDPOINT", "value": hub["endpoint"]})


def _cache(pod: dict[str, Any], cluster: Mapping[str, Any], variable: str, place: str) -> None:
    """The claim takes what the hub's client (`$XDG_CACHE_HOME/huggingface`) and mirrors of `s3://` data keep, and what
    training stages have fetched from the store (xtl/store/cache.py)."""
    if "cache" not in cluster:
        return
    container = pod["containers"][0]
    container["env"].append({"name": variable, "value": place})
    container["volumeMounts"].append({"name": "cache", "mountPath": "/cache"})
    pod["volumes"].append({"name": "cache", "persistentVolumeClaim": {"claimName": cluster["cache"]}})


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
