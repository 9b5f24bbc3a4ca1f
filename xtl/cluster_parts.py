"""Checks that what a grid's `cluster:` names is there: Secrets with their keys, claim, service account, hub.

Of a Secret only the names of its keys are looked at. What we may not read is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from xtl.cluster import SECRETS, Cluster, ClusterRefused
from xtl.grid import Grid
from xtl.render import TOKEN_KEY
from xtl.store import open_store
from xtl.store.check import Finding
from xtl.store.s3errors import redact

ACCOUNTS = "/api/v1/namespaces/{namespace}/serviceaccounts"
CLAIMS = "/api/v1/namespaces/{namespace}/persistentvolumeclaims"
PRIORITIES = "/apis/scheduling.k8s.io/v1/priorityclasses"
STORE_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
ENDPOINT_KEYS = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}
_SECONDS = 10.0


def check_parts(cluster: Cluster, grid: Grid) -> Iterator[Finding]:
    """One finding for each object that the grid names, and for the hub's address."""
    named = grid.cluster
    yield _credentials(cluster, grid)
    if found := endpoint(cluster, grid):
        yield found
    hub = named.get("hub", {})
    if name := hub.get("tokenSecret"):
        yield _secret(cluster, "hub token", name, (TOKEN_KEY,))
    if address := hub.get("endpoint"):
        yield _answers(address)
    for name in named.get("imagePullSecrets", ()):
        yield _secret(cluster, "image pull secret", name, (".dockerconfigjson",))
    for check, key, path, how in (
        ("service account", "serviceAccount", ACCOUNTS, f"kubectl create serviceaccount -n {cluster.namespace} NAME"),
        ("cache claim", "cache", CLAIMS, "make a PersistentVolumeClaim, or leave `cluster.cache` out"),
        ("priority class", "priority", PRIORITIES, "kubectl get priorityclasses lists them"),
    ):
        if key in named:
            yield _there(cluster, check, path, named[key], how)
    if "cache" in named and (found := _one_node(cluster, named["cache"])):
        yield found


def _credentials(cluster: Cluster, grid: Grid) -> Finding:
    check = "store credentials"
    if name := grid.cluster.get("store", {}).get("secret"):
        return _secret(cluster, check, name, STORE_KEYS)
    if "serviceAccount" in grid.cluster:
        detail = f"by workload identity of the service account {grid.cluster['serviceAccount']}: cannot be tried here"
        return Finding(check=check, state="ok", detail=detail)
    if grid.cluster.get("patch"):
        return Finding(check=check, state="ok", detail="none named: `cluster.patch` may bring them, or the nodes")
    detail = (
        "pods get none: name a Secret in `cluster.store.secret`, or, for the cloud's workload identity, a "
        "`cluster.serviceAccount`"
    )
    return Finding(check=check, state="warning", detail=detail)


def endpoint(cluster: Cluster, grid: Grid) -> Finding | None:
    """Where this machine has an address for the store, which pods do not inherit: whether they are told one, the same
    or another. None where the store is Amazon's or no bucket."""
    bucket = grid.store if grid.store and grid.store.startswith("s3://") else None
    here = redact(getattr(open_store(bucket), "endpoint", "")) if bucket else ""
    access = grid.cluster.get("store", {})
    if not here:
        return None
    check = "store's address in pods"
    if given := access.get("endpoint"):
        return Finding(check=check, state="ok", detail=f"{given}; from here, {here}")
    patched = str(grid.cluster.get("patch", ""))
    if any(key in patched for key in ENDPOINT_KEYS):
        return Finding(check=check, state="ok", detail=f"by `cluster.patch`; from here, {here}")
    told = f"from here the store is at {here}, and nothing tells pods so, which look for the bucket at Amazon: "
    told += "`cluster: {store: {endpoint: URL}}`, a URL that pods reach"
    try:
        secret = (cluster.get(SECRETS, name) or {}) if (name := access.get("secret")) else {}
    except ClusterRefused:
        return Finding(check=check, state="warning", detail=f"unless the Secret {name} does (not ours to read): {told}")
    if ENDPOINT_KEYS & set(secret.get("data") or {}):
        return Finding(check=check, state="ok", detail=f"by the Secret {name}; from here, {here}")
    return Finding(check=check, state="warning", detail=told)


def _secret(cluster: Cluster, check: str, name: str, keys: Sequence[str]) -> Finding:
    literals = " ".join(f"--from-literal={key}=..." for key in keys)
    make = f"kubectl create secret generic {name} -n {cluster.namespace} {literals}"
    if keys == (".dockerconfigjson",):
        make = f"kubectl create secret docker-registry {name} -n {cluster.namespace} --docker-server=..."
    try:
        found = cluster.get(SECRETS, name)
    except ClusterRefused:
        return Finding(
            check=check, state="warning", detail=f"cannot tell whether there is a Secret {name}: not ours to read"
        )
    if found is None:
        return Finding(check=check, state="wrong", detail=f"no Secret {name} in {cluster.namespace}: {make}")
    missing = sorted(set(keys) - set(found.get("data") or {}))
    if missing:
        detail = f"the Secret {name} lacks {', '.join(missing)}: delete it, then {make}"
        return Finding(check=check, state="wrong", detail=detail)
    return Finding(check=check, state="ok", detail=f"the Secret {name} has {', '.join(keys)}")


def _there(cluster: Cluster, check: str, path: str, name: str, how: str) -> Finding:
    try:
        found = cluster.get(path, name)
    except ClusterRefused:
        return Finding(check=check, state="warning", detail=f"cannot tell whether {name} is there: not ours to read")
    if found is None:
        return Finding(check=check, state="wrong", detail=f"no {check} {name}: {how.replace('NAME', name)}")
    if (found.get("status") or {}).get("phase") == "Lost":
        return Finding(check=check, state="wrong", detail=f"{name} has lost its volume: {how}")
    return Finding(check=check, state="ok", detail=f"{name} is there")


def _one_node(cluster: Cluster, claim: str) -> Finding | None:
    """A volume that one node alone may mount makes every other node's pods wait."""
    try:
        found = cluster.get(CLAIMS, claim) or {}
    except ClusterRefused:
        return None
    modes = found.get("spec", {}).get("accessModes", [])
    if not modes or "ReadWriteMany" in modes:
        return None
    detail = f"{claim} is {', '.join(modes)}: all stages have to run on one node; ReadWriteMany lets them run on any"
    return Finding(check="cache claim's mode", state="warning", detail=detail)


def _answers(address: str) -> Finding:
    """Any answer counts: the token is not tried, it stays in its Secret."""
    try:
        with urlopen(Request(address, method="HEAD"), timeout=_SECONDS):
            pass
    except HTTPError as error:
        error.close()
    except (OSError, ValueError) as error:
        detail = f"{address} does not answer here ({getattr(error, 'reason', error)}): see that pods reach it"
        return Finding(check="hub", state="warning", detail=detail)
    return Finding(check="hub", state="ok", detail=f"{address} answers")
