"""The chart: what it renders, byte for byte; what it refuses; and that a namespace's own admin can install it and have
a study released by it, with no right more than the Role lists."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import kubeconfigs
from tests.cluster.conftest import SECRET
from tests.run.study import Study
from xtl.cluster import EVENTS, JOBS, LEASES, PODS, Cluster
from xtl.decide import RELEASED
from xtl.lease import alive

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/xtl"
GOLDEN = ROOT / "tests/golden/helm"
ACCOUNTS = "/api/v1/namespaces/{namespace}/serviceaccounts"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "secret": {
        "image": {"repository": "registry.example/xtl", "tag": "1.2"},
        "imagePullSecrets": [{"name": "registry"}],
        "store": {"secret": "bucket", "endpoint": "https://s3.example:9000", "region": "eu-1"},
        "controller": {
            "replicas": 2, "stores": ["s3://bucket/team"], "nodeSelector": {"pool": "cpu"},
            "tolerations": [{"key": "cpu", "operator": "Exists"}], "podAnnotations": {"note": "x"},
            "env": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
        },
    },
    "identity": {"serviceAccounts": {"controller": {"annotations": {"iam.example/role": "controller"}},
                                     "stage": {"annotations": {"iam.example/role": "stage"}}}},
    "trial": {"trialStore": {"enabled": True, "secretKey": "for-the-golden-file", "storageClass": "fast"},
              "cache": {"enabled": True, "storageClass": "shared"}},
}  # fmt: skip

pytestmark = pytest.mark.skipif(shutil.which("helm") is None, reason="NOT RUN: needs helm on the PATH")


def helm(*words: str | Path, values: dict[str, Any] | None = None, fails: bool = False) -> str:
    """What it printed, standard error included."""
    done = subprocess.run(
        ["helm", *map(str, words), *(["--values", "-"] if values is not None else [])],
        input=yaml.safe_dump(values or {}), capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    text = done.stdout + done.stderr
    assert (done.returncode != 0) == fails, text
    return text


def rendered(settings: str) -> str:
    return helm("template", "xtl", CHART, "--namespace", "research", values=SETTINGS[settings])


@pytest.mark.parametrize("settings", SETTINGS)
def test_golden_manifests(settings: str) -> None:
    path, text = GOLDEN / f"{settings}.yaml", rendered(settings)
    if os.environ.get("XTL_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), "the chart renders something else now: `make golden`, and look at the diff"


@pytest.mark.parametrize("settings", SETTINGS)
def test_lint_finds_nothing(settings: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART, values=SETTINGS[settings])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"contoller": {}}, "contoller"),
        ({"controller": {"replica": 1}}, "replica"),
        ({"controller": {"replicas": "two"}}, "replicas"),
        ({"controller": {"stores": ["/a/folder"]}}, "stores"),
        ({"store": {"endpoint": "https://user:secret@s3.example"}}, "endpoint"),
        ({"store": {"secret": "No_Name"}}, "secret"),
        ({"trialStore": {"size": 20}}, "size"),
        ({"cache": {"accessModes": ["ReadWriteAll"]}}, "accessModes"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(values: dict[str, Any], said: str) -> None:
    assert said in helm("template", "xtl", CHART, values=values, fails=True)


def test_everything_stays_in_the_namespace() -> None:
    for settings in SETTINGS:
        for manifest in yaml.safe_load_all(rendered(settings)):
            assert manifest["metadata"]["namespace"] == "research"
            assert not manifest["kind"].startswith("Cluster")


def test_no_pod_but_the_controllers_gets_a_token() -> None:
    tokens = {}
    for manifest in yaml.safe_load_all(rendered("trial")):
        spec = manifest.get("spec", {})
        pod = spec if manifest["kind"] == "Pod" else spec.get("template", {}).get("spec")
        if pod:
            tokens[manifest["metadata"]["name"]] = pod["automountServiceAccountToken"]
    assert tokens == {"xtl-controller": True, "xtl-test": True, "xtl-store": False, "xtl-store-bucket": False}


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_api_server_takes_it_in_a_restricted_namespace(settings: str, namespace: str) -> None:
    text = helm("template", "xtl", CHART, "--namespace", namespace, "--skip-tests", values=SETTINGS[settings])
    done = subprocess.run(
        ["kubectl", "apply", "--dry-run=server", "--warnings-as-errors", "-n", namespace, "-f", "-"],
        input=text, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# -- installed --------------------------------------------------------------------------------------------------------


def image() -> dict[str, str]:
    repository, _, tag = os.environ.get("XTL_TEST_CLI_IMAGE", os.environ.get("XTL_TEST_IMAGE", "xtl:dev")).partition(
        ":"
    )
    return {"repository": repository, "tag": tag}


@pytest.fixture
def installed(cluster: Cluster) -> Iterator[Callable[..., str]]:
    """Installs as the namespace's admin, who has no right outside it."""
    cluster.create(BINDINGS, {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "its-admin"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "researcher"}],
    })  # fmt: skip
    where = ("--namespace", cluster.namespace, "--kube-as-user", "researcher")

    def install(**values: Any) -> str:
        values = {"image": image(), "controller": {"port": kubeconfigs.free_ports(1), "every": 2}, **values}
        return helm("install", "xtl", CHART, *where, "--wait", "--timeout", "150s", values=values)

    yield install
    helm("uninstall", "xtl", *where, "--wait", "--timeout", "60s")


def test_a_study_is_released_by_the_installed_controller(
    installed: Callable[..., str], study: Callable[..., Study], cluster: Cluster, grid_file: Path
) -> None:
    notes = installed(store={"secret": SECRET})
    assert f"helm test xtl -n {cluster.namespace}" in notes
    assert str(alive(cluster)).startswith("xtl-controller-")
    assert "Succeeded" in helm("test", "xtl", "--namespace", cluster.namespace, "--timeout", "120s")

    thin = study(serviceAccount="xtl-stage", store={"secret": SECRET}, patch=[])
    ended = thin.xtl("submit", "grid.yaml", "--yes", "--wait", timeout=300)
    assert ended.status == 0, ended
    jobs = cluster.list(JOBS, selector="app.kubernetes.io/managed-by=xtl")
    assert jobs
    assert all(RELEASED in job["metadata"]["annotations"] for job in jobs)
    says = [event for event in cluster.list(EVENTS) if event.get("source", {}).get("component") == "xtl-controller"]
    assert sorted(event["involvedObject"]["name"] for event in says) == sorted(job["metadata"]["name"] for job in jobs)


def test_the_accounts_may_do_what_the_role_lists_and_no_more(installed: Callable[..., str], cluster: Cluster) -> None:
    installed(controller={"replicas": 0})

    def may(account: str, verb: str, what: str) -> bool:
        user = f"system:serviceaccount:{cluster.namespace}:{account}"
        words = ["kubectl", "auth", "can-i", verb, what, "-n", cluster.namespace, "--as", user]
        return subprocess.run(words, capture_output=True, text=True, timeout=30).stdout.strip() == "yes"

    allowed = [("list", "jobs.batch"), ("watch", "jobs.batch"), ("patch", "jobs.batch"), ("list", "pods"),
               ("create", "events"), ("create", "leases.coordination.k8s.io"),
               ("patch", "leases.coordination.k8s.io/xtl-controller")]  # fmt: skip
    refused = [("create", "jobs.batch"), ("delete", "jobs.batch"), ("get", "secrets"), ("list", "secrets"),
               ("create", "pods"), ("delete", "pods"), ("patch", "leases.coordination.k8s.io/another"),
               ("delete", "leases.coordination.k8s.io/xtl-controller")]  # fmt: skip
    assert [pair for pair in allowed if not may("xtl-controller", *pair)] == []
    assert [pair for pair in refused if may("xtl-controller", *pair)] == []
    assert [pair for pair in allowed + refused if may("xtl-stage", *pair)] == []


def test_a_store_to_try_things_out(installed: Callable[..., str], cluster: Cluster) -> None:
    """Only where pods share this machine's network and the image has the server, is it reached by its port here."""
    if os.environ.get("XTL_TEST_KUBECONFIG") and not os.environ.get("XTL_TEST_HOST_NETWORK"):
        pytest.skip("NOT RUN: needs pods on this machine's network (XTL_TEST_HOST_NETWORK=1)")
    port = 20000 + kubeconfigs.free_ports(1) % 2000
    installed(trialStore={
        "enabled": True, "image": os.environ.get("XTL_TEST_IMAGE", "xtl:dev"), "port": port, "size": "1Gi",
        "endpoint": f"http://127.0.0.1:{port}",
    })  # fmt: skip
    secret = cluster.get("/api/v1/namespaces/{namespace}/secrets", "xtl-store")
    assert secret is not None
    env = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    checked = subprocess.run(
        [sys.executable, "-c", CHECK, "s3://xtl/a"], env={**os.environ, **env, **NO_CONFIG},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert checked.stdout == "ours\n", checked.stderr
    assert cluster.list(PODS, selector="app.kubernetes.io/component=store")
    assert cluster.get(LEASES, "xtl-controller") is not None
    assert cluster.get(ACCOUNTS, "xtl-stage") is not None


NO_CONFIG = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
#: Two creations of one object: the store keeps the first.
CHECK = """
import sys
from xtl.errors import Conflict
from xtl.store import open_store
store = open_store(sys.argv[1])
store.put("manifests/a.json", b"ours", create=True)
try:
    store.put("manifests/a.json", b"theirs", create=True)
except Conflict:
    print(store.get("manifests/a.json")[0].decode())
"""
