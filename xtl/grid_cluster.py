"""The grid's `cluster:` block: its shape, and what is wrong with it. What it means is the renderer's (`render.py`).

Secrets are given by name alone. None of it enters a key: the same study on other machines is the same study.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from xtl.grid_errors import Problems, show
from xtl.grid_schema import Mapping, Name, matching
from xtl.yaml_lines import Loc


def object_name(value: str) -> str:
    """A DNS subdomain (RFC 1123), as Secrets, claims and classes are named."""
    if len(value) > 253 or not all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", part) for part in value.split(".")):
        raise ValueError(f"{show(value)} names no Kubernetes object: lower-case letters, digits, inner '-' and '.'")
    return value


def _duration(value: object) -> object:
    if seconds(str(value)) > 2**31 - 1:
        raise ValueError(f"{show(value)} is longer than Kubernetes counts (68 years)")
    return value


def seconds(duration: str) -> int:
    """`120s`, `10m`, `1h`, `7d` in seconds."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]


def _words(value: object) -> object:
    """A mapping of labels: Kubernetes takes no number or truth value there."""
    for key, word in value.items() if isinstance(value, dict) else ():
        if not isinstance(key, str) or not re.fullmatch(_LABEL_KEY, key) or len(key.rpartition("/")[2]) > 63:
            raise ValueError(f"{show(key)} is no label's name, such as topology.kubernetes.io/zone")
        if not isinstance(word, str):
            raise ValueError(f"{key}: {show(word)} is not a word: put it in quotes")
        if not re.fullmatch(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?", word, re.ASCII):
            raise ValueError(
                f"{key}: {show(word)} is no label's value: at most 63 letters, digits, inner '-', '_', '.'"
            )
    return value


_LABEL_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", re.ASCII)

Object = Annotated[str, BeforeValidator(lambda value: object_name(value) if isinstance(value, str) else value)]
Quantity = Annotated[str, matching(r"[0-9]{1,15}(\.[0-9]{1,9})?(m|[kMGTP]|[KMGTP]i)?", "8, 500m or 48Gi")]
Duration = Annotated[str, BeforeValidator(_duration), matching(r"[0-9]{1,9}[smhd]", "120s, 10m, 1h or 7d")]
Address = Annotated[str, matching(r"https?://[^\s@]+", "https://host:port, without a user or password")]


class Cluster(Mapping):
    """Where and how stages run on Kubernetes; what is not given stands in `k8s/job-*.yaml`."""

    namespace: Name | None = None
    image: Annotated[str, matching(r"[A-Za-z0-9][^\s@]*(@sha256:[0-9a-f]{64})?", "registry/name:tag")] | None = None
    imagePullSecrets: list[Object] = Field([])
    serviceAccount: Object | None = None
    queue: Name | None = None
    priority: Object | None = None
    gpu: Any = None
    cpu: Quantity | None = None
    memory: Quantity | None = None
    scratch: Quantity | None = None
    shm: Quantity | None = None
    cache: Object | None = None
    grace: Duration | None = None
    ttl: Duration | None = None
    tolerations: list[Any] = Field([])
    nodeSelector: Annotated[dict[str, str], BeforeValidator(_words)] = Field({})
    store: Any = None
    hub: Any = None
    patch: list[Any] = Field([])


class Gpu(Mapping):
    resource: Annotated[str, matching(r"[a-z0-9.-]+/[A-Za-z0-9._-]+", "nvidia.com/gpu")] = "nvidia.com/gpu"
    simulated: bool = False


class StoreAccess(Mapping):
    """How pods reach the store: a Secret whose keys are environment variables (AWS_ACCESS_KEY_ID, ...), by name."""

    secret: Object | None = None
    endpoint: Address | None = None
    region: Annotated[str, matching(r"[A-Za-z0-9-]+", "us-east-1")] | None = None


class HubAccess(Mapping):
    """How fetch stages reach the hub: a Secret whose key `token` is the access token, by name."""

    tokenSecret: Object | None = None
    endpoint: Address | None = None


class Toleration(Mapping):
    """As in a pod's spec."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    tolerationSeconds: Annotated[int, Field(ge=0)] | None = None


class PatchStep(Mapping):
    """One operation of a JSON Patch (RFC 6902)."""

    op: Literal["add", "remove", "replace", "move", "copy", "test"] | None = None
    path: Annotated[str, matching(r"(/.*)?", "/spec/template/...")] | None = None
    value: Any = None
    source: str | None = Field(None, alias="from")


_INNER: dict[str, type[Mapping]] = {"gpu": Gpu, "store": StoreAccess, "hub": HubAccess}


def read_cluster(raw: object, loc: Loc, problems: Problems) -> dict[str, Any]:
    """The `cluster:` block as written but for what is null, checked for its shape: what it means is the renderer's."""
    raw = _without_null(raw) if isinstance(raw, dict) else raw
    sheet = problems.read(Cluster, raw, loc)
    if sheet is None or not isinstance(raw, dict):
        return {}
    for key, model in _INNER.items():
        if raw.get(key) is not None:
            problems.read(model, raw[key], (*loc, key))
    for index, toleration in enumerate(sheet.tolerations):
        at = (*loc, "tolerations", index)
        read = problems.read(Toleration, toleration, at)
        if read is not None and read.key is None and toleration.get("operator") in (None, "Equal"):
            problems.at(at, "a toleration without 'key': write {key: nvidia.com/gpu, operator: Exists}")
    for index, step in enumerate(sheet.patch):
        patch = problems.read(PatchStep, step, (*loc, "patch", index))
        if patch is not None and isinstance(step, dict) and not {"op", "path"} <= set(step):
            problems.at((*loc, "patch", index), "a JSON Patch step needs 'op' and 'path'")
    return raw


def _without_null(raw: dict[str, Any]) -> dict[str, Any]:
    """A key without a value is a key that was not given; a patch's `value: null` means null."""
    inner = {key: _without_null(raw[key]) for key in _INNER if isinstance(raw.get(key), dict)}
    return {key: value for key, value in {**raw, **inner}.items() if value is not None}
