"""A real Kubernetes for the tests of this folder: what the environment names, else one that `kube/up` beside the
samples starts for the session and takes down; never the user's default.

    XTL_TEST_KUBECONFIG   a kubeconfig file; XTL_TEST_CONTEXT: which of its contexts (default: its current one)
    XTL_TEST_IMAGE        the image its nodes have (default xtl:dev)
    XTL_TEST_STORE        s3://bucket/prefix that its pods and this machine reach, with the AWS_* of this environment;
                          default: a server on this machine's loopback, which pods see that share its network
    XTL_TEST_POD_ENDPOINT that store's address as pods see it, where theirs is another than this machine's

After `make kind-up`, `eval "$(k8s/kind/run env)"` sets them for the cluster and the store that kind has.

Every test has a namespace of its own that enforces Pod Security "restricted". All tests here carry the mark `cluster`.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import samples
from tests.cluster import kubeconfigs
from tests.run.study import Study
from tests.s3server import S3Server
from xtl.cluster import SECRETS, Cluster
from xtl.store import Store, open_store

UP = samples.SHARED / "kube/up"
REPOSITORY = Path(__file__).resolve().parents[2]
NAMESPACES = "/api/v1/namespaces"
SECRET = "xtl-store"
GPUS = 4

#: The smallest study: one retrieval target, all of it a few seconds of work.
THIN = """\
name: thin
model: tiny
seeds: [1]
intermediates: [none]
targets: [tatoeba]
precision: fp32
data: ./data
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kubeconfig whose current context is the cluster under test."""
    named = os.environ.get("XTL_TEST_KUBECONFIG")
    if named:
        chosen = tmp_path_factory.mktemp("kube") / "config"
        yield kubeconfigs.with_context(Path(named), os.environ.get("XTL_TEST_CONTEXT"), chosen)
        return
    if not UP.exists():
        pytest.skip(f"NOT RUN: needs a cluster: set XTL_TEST_KUBECONFIG (there is no {UP} to start one)")
    if Path("/tmp") in REPOSITORY.parents:  # its node shows this checkout to pods, whose own /tmp would cover it
        pytest.skip("NOT RUN: needs a cluster whose pods see this checkout: move it out of /tmp")
    folder = tmp_path_factory.mktemp("kube")
    image = f"xtl:dev={REPOSITORY},user=1000,entrypoint=xtl"
    try:
        subprocess.run(
            [UP, "--dir", folder, "--port", str(kubeconfigs.free_ports(4)), "--image", image]
            + ["--gpus", str(GPUS), "--cpu", "32", "--memory", "256Gi"],
            check=True, timeout=180, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        yield folder / "admin.conf"
    finally:
        subprocess.run([UP.with_name("down"), "--dir", folder], check=False, timeout=60, stdout=subprocess.DEVNULL)


@pytest.fixture
def namespace(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh namespace that enforces Pod Security "restricted", and KUBECONFIG set to where it is."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    name = f"xtl-test-{secrets.token_hex(4)}"
    everywhere = Cluster(namespace=name)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    everywhere.create(
        NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    )
    yield name
    everywhere.delete(NAMESPACES, name)


@pytest.fixture
def cluster(namespace: str) -> Cluster:
    """That namespace; `cluster.requests` counts from here on."""
    return Cluster(namespace=namespace)


@pytest.fixture
def store(request: pytest.FixtureRequest, cluster: Cluster) -> Store:
    """An empty store, its credentials in this environment and, as the Secret `xtl-store`, in the namespace."""
    if named := os.environ.get("XTL_TEST_STORE"):
        url, env = (
            f"{named.rstrip('/')}/{secrets.token_hex(6)}",
            {k: v for k, v in os.environ.items() if k[:4] == "AWS_"},
        )
    else:
        server: S3Server = request.getfixturevalue("s3")
        url, env = server.fresh_url(), dict(server.env)
    if inside := os.environ.get("XTL_TEST_POD_ENDPOINT"):
        env["AWS_ENDPOINT_URL_S3"] = inside
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": env}
    cluster.create(SECRETS, secret)
    cluster.requests.clear()
    return open_store(url)


@pytest.fixture
def study(tmp_path: Path, namespace: str, store: Store) -> Callable[..., Study]:
    """Makes a folder with a grid for this namespace and store, its data, and `xtl` run there: study(text, name)."""

    def make(text: str = THIN, folder: str = "study", **cluster: Any) -> Study:
        block = {"namespace": namespace, **cluster}
        return Study(tmp_path / folder, text + cluster_block(block, store.url), store.url)

    return make


@pytest.fixture
def grid_file(study: Callable[..., Study]) -> Path:
    """The thin grid, its data beside it."""
    return study().folder / "grid.yaml"


def cluster_block(values: dict[str, Any], store_url: str) -> str:
    """`store:` and `cluster:` of a grid: small pods, no real GPU, credentials from the Secret."""
    import yaml

    block = {
        "image": os.environ.get("XTL_TEST_IMAGE", "xtl:dev"),
        "cpu": "250m",  # a laptop's node has little over one to spare
        "memory": "2Gi",
        "gpu": {"simulated": True},
        "store": {"secret": SECRET},
        **values,
    }
    return yaml.safe_dump({"store": store_url, "cluster": block}, sort_keys=False)
