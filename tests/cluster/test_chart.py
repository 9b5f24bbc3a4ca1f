"""The chart: what it renders, byte for byte; what it refuses; and that a namespace's own admin can install it and have
a study released by it, with no right more than the Role lists."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import kubeconfigs
from tests.cluster.conftest import SECRET
from tests.run.study import Study, wait
from xtl.cluster import EVENTS, JOBS, LEASES, PODS, SECRETS, Cluster
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


def trial(**values: Any) -> dict[str, dict[str, Any]]:
    """The chart with its store switched on: manifests by kind and name."""
    text = helm("template", "xtl", CHART, values={"trialStore": {"enabled": True, **values}})
    return {f"{one['kind']} {one['metadata']['name']}": one for one in yaml.safe_load_all(text)}


def test_other_keys_of_the_trial_store_start_the_pods_that_read_them_anew() -> None:
    def sums(**values: Any) -> list[str]:
        found = trial(**values)
        pods = [found[f"Deployment {name}"]["spec"]["template"] for name in ("xtl-store", "xtl-controller")]
        return [pod["metadata"]["annotations"]["checksum/keys"] for pod in pods]

    first = sums(secretKey="one")
    assert first == sums(secretKey="one", size="1Gi")
    for other in (sums(secretKey="two"), sums(secretKey="one", accessKey="me"), sums(secretKey="one", port=9000)):
        assert all(a != b for a, b in zip(first, other, strict=True))


def test_a_key_that_is_made_up_is_the_same_for_server_and_clients() -> None:
    found = trial()
    key = found["Secret xtl-store"]["stringData"]["AWS_SECRET_ACCESS_KEY"]
    assert len(key) == 32
    assert f'"secretKey":"{key}"' in found["Secret xtl-store-server"]["stringData"]["s3.json"]
    assert trial()["Secret xtl-store"]["stringData"]["AWS_SECRET_ACCESS_KEY"] != key


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
    """Beside what a namespace's every account may do, such as ask what it may."""
    installed(controller={"replicas": 0})
    common = rights("default", cluster.namespace)
    assert rights("xtl-controller", cluster.namespace) - common == ROLE
    assert rights("xtl-stage", cluster.namespace) == common
    assert common & ROLE == set()


#: verb, API group, resource, name.
ROLE = {
    ("list", "batch", "jobs", "*"), ("watch", "batch", "jobs", "*"), ("patch", "batch", "jobs", "*"),
    ("list", "", "pods", "*"), ("create", "", "events", "*"), ("create", "coordination.k8s.io", "leases", "*"),
    ("get", "coordination.k8s.io", "leases", "xtl-controller"),
    ("patch", "coordination.k8s.io", "leases", "xtl-controller"),
}  # fmt: skip


def rights(account: str, namespace: str) -> set[tuple[str, ...]]:
    """Every right of a service account there, as the API server counts them up; URLs that are no resource, too."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    user = f"system:serviceaccount:{namespace}:{account}"
    done = subprocess.run(
        ["kubectl", "create", "-f", "-", "-o", "json", "--validate=false", "--as", user],
        input=json.dumps(review), capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["status"]
    assert not found["incomplete"], found
    wide = {
        right
        for rule in found["resourceRules"]
        for right in product(rule["verbs"], rule["apiGroups"], rule["resources"], rule.get("resourceNames") or ["*"])
    }
    return wide | {(*pair, "", "") for rule in found["nonResourceRules"]
                   for pair in product(rule["verbs"], rule["nonResourceURLs"])}  # fmt: skip


def test_a_store_to_try_things_out(installed: Callable[..., str], cluster: Cluster) -> None:
    """Only where pods share this machine's network and the image has the server, is it reached by its port here."""
    if os.environ.get("XTL_TEST_KUBECONFIG") and not os.environ.get("XTL_TEST_HOST_NETWORK"):
        pytest.skip("NOT RUN: needs pods on this machine's network (XTL_TEST_HOST_NETWORK=1)")
    port = 20000 + kubeconfigs.free_ports(1) % 2000
    values = {
        "enabled": True, "image": os.environ.get("XTL_TEST_IMAGE", "xtl:dev"), "port": port, "size": "1Gi",
        "endpoint": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    installed(trialStore=values)
    assert kept_by_the_store(cluster, "ours", "theirs") == "ours\n"
    assert cluster.list(PODS, selector=STORE_PODS)
    assert cluster.get(LEASES, "xtl-controller") is not None
    assert cluster.get(ACCOUNTS, "xtl-stage") is not None

    helm("uninstall", "xtl", "--namespace", cluster.namespace, "--wait", "--timeout", "60s")
    wait(lambda: not cluster.list(PODS, selector=STORE_PODS), "the store's pod to go", 60)
    installed(trialStore=values)
    assert kept_by_the_store(cluster, "what outlived it") == "ours\n"


def kept_by_the_store(cluster: Cluster, *tried: str) -> str:
    """Each in turn is written where nothing is yet; what is there in the end."""
    secret = cluster.get(SECRETS, "xtl-store")
    assert secret is not None
    env = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    checked = subprocess.run(
        [sys.executable, "-c", CHECK, "s3://xtl/a", *tried], env={**os.environ, **env, **NO_CONFIG},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    return checked.stdout


NO_CONFIG = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
STORE_PODS = "app.kubernetes.io/component=store"
CHECK = """
import sys
from contextlib import suppress
from xtl.errors import Conflict
from xtl.store import open_store
store = open_store(sys.argv[1])
for one in sys.argv[2:]:
    with suppress(Conflict):
        store.put("manifests/a.json", one.encode(), create=True)
print(store.get("manifests/a.json")[0].decode())
"""
