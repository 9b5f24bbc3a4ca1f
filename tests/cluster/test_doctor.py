"""`xtl doctor` on a real cluster: a good one passes, and whatever is wrong is told with what to do about it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import kubeconfigs
from tests.run.study import Study
from xtl.cluster import SECRETS, Cluster
from xtl.cluster_check import check_cluster
from xtl.cluster_parts import ACCOUNTS, CLAIMS
from xtl.grid import load
from xtl.lease import Lease
from xtl.store import Store
from xtl.store.check import Finding

MakeStudy = Callable[..., Study]
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"


def checks(study: Study, **options: Any) -> dict[str, Finding]:
    """What doctor finds of the cluster, by check; of the store nothing."""
    return {finding.check: finding for finding in check_cluster(load(study.folder / "grid.yaml"), **options)}


def told(found: dict[str, Finding], check: str, state: str, *words: str) -> None:
    """That check has that state and says all of this."""
    assert found[check].state == state, found[check]
    for word in words:
        assert word in found[check].detail, found[check]


def test_a_good_cluster_and_store_pass(study: MakeStudy, cluster: Cluster, store: Store) -> None:
    assert Lease(cluster, "someone").attempt()
    ended = study(store={"secret": "xtl-store"}).xtl("doctor", "grid.yaml", "-o", "json")
    found = {finding["check"]: finding for finding in json.loads(ended.out)}
    assert {finding["state"] for finding in found.values()} == {"ok"}, found
    assert ended.status == 0
    assert "someone is alive" in found["controller"]["detail"]
    assert "'restricted'" in found["namespace"]["detail"]
    assert {"API server", "right to jobs.batch", "pods", "Kueue", "room for a GPU stage", "store credentials"} < set(
        found
    )
    assert {"create only if absent", "delete"} < set(found)
    assert list(store.list("")) == []
    assert cluster.list("/apis/batch/v1/namespaces/{namespace}/jobs") == []


def test_the_values_of_secrets_are_never_told(study: MakeStudy, cluster: Cluster, store: Store) -> None:
    cluster.create(SECRETS, secret("hub", token="hf_very_secret"))
    ended = study(store={"secret": "xtl-store"}, hub={"tokenSecret": "hub"}).xtl("doctor", "grid.yaml")
    assert "the Secret hub has token" in ended.out
    assert "hf_very_secret" not in ended.out + ended.err
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in ended.out + ended.err


def secret(name: str, **values: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def test_what_the_grid_names_and_is_not_there(study: MakeStudy, cluster: Cluster) -> None:
    cluster.create(SECRETS, secret("half", AWS_ACCESS_KEY_ID="a"))
    found = checks(
        study(
            store={"secret": "half"}, hub={"tokenSecret": "hub", "endpoint": "http://127.0.0.1:1"},
            imagePullSecrets=["pull"], serviceAccount="nobody", cache="cache", priority="first",
        )
    )  # fmt: skip
    told(found, "store credentials", "wrong", "the Secret half lacks AWS_SECRET_ACCESS_KEY", "kubectl create secret")
    told(found, "hub token", "wrong", f"no Secret hub in {cluster.namespace}", "--from-literal=token=...")
    told(found, "hub", "warning", "http://127.0.0.1:1 does not answer here")
    told(found, "image pull secret", "wrong", "docker-registry pull")
    told(found, "service account", "wrong", f"kubectl create serviceaccount -n {cluster.namespace} nobody")
    told(found, "cache claim", "wrong", "no cache claim cache")
    told(found, "priority class", "wrong", "no priority class first")
    told(found, "pods", "wrong", "nobody", "a pod of a fetch stage is refused")


def test_what_is_there_is_found(study: MakeStudy, cluster: Cluster) -> None:
    cluster.create(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "stage"}})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    cluster.create(
        CLAIMS, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": claim}
    )
    found = checks(study(store={}, serviceAccount="stage", cache="c", priority="system-cluster-critical"))
    for check in ("service account", "cache claim", "priority class"):
        told(found, check, "ok", "is there")
    told(found, "cache claim's mode", "warning", "c is ReadWriteOnce: all stages have to run on one node")
    told(found, "store credentials", "ok", "workload identity of the service account stage")


def test_no_node_could_ever_hold_the_pod(study: MakeStudy) -> None:
    found = checks(study(gpu={"resource": "example.com/gpu"}, cpu=100_000, nodeSelector={"zone": "nowhere"}))
    told(found, "room for a GPU stage", "wrong", "no example.com/gpu", "no label zone=nowhere", " cpu", "tolerations")
    told(found, "room for a CPU stage", "wrong", "no label zone=nowhere")


def test_pod_security_refuses_a_patch(study: MakeStudy) -> None:
    step = {"op": "add", "path": "/spec/template/spec/hostNetwork", "value": True}
    told(checks(study(patch=[step])), "pods", "wrong", "violates PodSecurity", "host namespaces")


def test_a_queue_without_kueue(study: MakeStudy, cluster: Cluster) -> None:
    found = checks(study(queue="no-such-queue"))
    if cluster.get("/apis", "kueue.x-k8s.io") is None:
        told(found, "Kueue", "wrong", "would wait for ever: leave `cluster.queue` out")
    else:
        told(found, "queue", "wrong", f"no LocalQueue no-such-queue in {cluster.namespace}")


def test_no_image(study: MakeStudy) -> None:
    told(checks(study(image=None)), "image", "wrong", "no image is named for fetch stages")
    told(checks(study(image="registry/xtl:1")), "image", "ok", "registry/xtl:1")


def test_no_controller(study: MakeStudy, cluster: Cluster) -> None:
    told(checks(study()), "controller", "warning", "helm install", "submit --wait")
    lease = Lease(cluster, "someone", seconds=1)
    assert lease.attempt()
    lease.release()
    told(checks(study()), "controller", "warning", "none is alive")


def test_a_namespace_that_is_not_there(study: MakeStudy) -> None:
    found = checks(study(namespace="xtl-no-such-namespace"))
    told(found, "namespace", "wrong", "kubectl create namespace xtl-no-such-namespace")
    assert "pods" not in found


def token(cluster: Cluster, name: str, rules: list[dict[str, Any]]) -> dict[str, str]:
    """A kubeconfig's user: a service account of the namespace that may do just this."""
    meta = {"name": name}
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": cluster.namespace}
    cluster.create(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    cluster.create(ROLES, {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": rules})
    binding = {"subjects": [subject], "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name}}
    cluster.create(BINDINGS, {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": meta, **binding})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    found = cluster._ask("POST", f"{ACCOUNTS}/{name}/token", body=request)
    return {"token": found["status"]["token"]}


def test_a_user_with_few_rights(
    study: MakeStudy, cluster: Cluster, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = token(cluster, "few", [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list"]}])
    chosen = kubeconfigs.with_user(kubeconfig, user, tmp_path / "few")
    monkeypatch.setenv("KUBECONFIG", str(chosen))
    made = study(store={"secret": "xtl-store"}, queue="team-a")
    ended = made.xtl("doctor", "grid.yaml", "-o", "json")
    assert ended.status == 1
    found = {finding["check"]: Finding(**finding) for finding in json.loads(ended.out)}
    told(
        found, "right to jobs.batch", "wrong", "may not create patch delete", "needed for submit", "kubectl create role"
    )
    told(found, "right to pods", "wrong", "may not list")
    told(found, "right to pods/log", "warning", "may not get")
    told(found, "right to workloads.kueue.x-k8s.io", "warning", "may not list")
    told(found, "pods", "warning", "not tried")
    told(found, "room", "warning", "may not list the nodes")
    told(found, "controller", "warning", "may not read its Lease")
    told(found, "store credentials", "warning", "not ours to read")
    told(found, "namespace", "ok", "may not look at it")
    assert user["token"] not in ended.out + ended.err


def test_rights_that_suffice(
    study: MakeStudy, cluster: Cluster, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What doctor asks for is what the role `edit` gives, as its advice says."""
    edit = cluster.get("/apis/rbac.authorization.k8s.io/v1/clusterroles", "edit")
    assert edit is not None
    user = token(cluster, "editor", edit["rules"])
    monkeypatch.setenv("KUBECONFIG", str(kubeconfigs.with_user(kubeconfig, user, tmp_path / "editor")))
    found = checks(study(store={"secret": "xtl-store"}))
    rights = {check: finding.state for check, finding in found.items() if check.startswith("right to ")}
    assert len(rights) == 5
    assert set(rights.values()) == {"ok"}, rights
    told(found, "pods", "ok")
    told(found, "store credentials", "ok")


def test_credentials_that_have_run_out(
    study: MakeStudy, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = kubeconfigs.with_user(kubeconfig, {"token": "not-any-more"}, tmp_path / "old")
    monkeypatch.setenv("KUBECONFIG", str(chosen))
    found = checks(study())
    told(found, "API server", "wrong", "does not know these credentials: log in again")
    assert len(found) == 1


def test_a_server_that_does_not_answer(study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = kubeconfigs.free_ports(1)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfigs.at(f"http://127.0.0.1:{port}", tmp_path / "gone")))
    told(checks(study()), "API server", "wrong", "does not answer")


def test_a_context_that_is_not_there(study: MakeStudy) -> None:
    told(checks(study(), context="elsewhere"), "API server", "wrong", "no cluster", "elsewhere", "--context")
