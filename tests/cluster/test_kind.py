"""`make kind-test`'s script on this session's cluster, with stand-ins for kind and Docker alone: kubectl, helm and xtl
are real, and so is the study. Only kind shows images built and loaded, and the store by its Service's name and port."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster import kubeconfigs
from tests.cluster.conftest import GPUS
from tests.cluster.test_chart import helm
from tests.stand_in import ROOT, Programs

FILES = ROOT / "k8s/kind"
NAMESPACE = "xtl-demo"
#: Of the demo's stages a few, and short ones.
SMALL = """\
name: small-demo
model: tiny
seeds: [1]
intermediates: [none]
targets: [pawsx, tatoeba]
train: {target: {default: {lr: 1e-3, epochs: 1, length: 128}}}
precision: fp32
data: ../demo-study/data
store: ../demo-study/store
"""

pytestmark = pytest.mark.skipif(
    shutil.which("helm") is None or shutil.which("kubectl") is None, reason="NOT RUN: needs helm and kubectl"
)


@pytest.fixture
def programs(kubeconfig: Path, tmp_path: Path) -> Iterator[Programs]:
    if os.environ.get("XTL_TEST_KUBECONFIG") and not os.environ.get("XTL_TEST_HOST_NETWORK"):
        pytest.skip("NOT RUN: needs pods on this machine's network (XTL_TEST_HOST_NETWORK=1)")
    whole = tmp_path / "kubeconfig"
    flat = ["kubectl", "--kubeconfig", kubeconfig, "config", "view", "--flatten", "--raw"]
    whole.write_bytes(subprocess.run(flat, check=True, capture_output=True, timeout=30).stdout)
    yield Programs(tmp_path / "programs", "kind", "docker", kubeconfig=whole)
    clean = ["kubectl", "--kubeconfig", whole, "delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=90s"]
    subprocess.run(clean, check=True, capture_output=True, timeout=120)


def environment(folder: Path) -> dict[str, str]:
    """What a laptop's user need not say: all pods share this machine's network, and one image is there for all."""
    port = 22000 + kubeconfigs.free_ports(1) % 2000
    values = {
        "image": {"repository": "xtl", "tag": "dev"}, "controller": {"port": kubeconfigs.free_ports(1), "every": 1},
        "trialStore": {"image": "xtl:dev", "port": port, "endpoint": f"http://127.0.0.1:{port}"},
    }  # fmt: skip
    (folder / "values.yaml").write_text(yaml.safe_dump(values))
    (folder / "grid.yaml").write_text(SMALL)
    return {
        "KIND_VALUES": str(folder / "values.yaml"), "KIND_GRID": str(folder / "grid.yaml"), "KIND_MINUTES": "4",
        "KIND_ENDPOINT": values["trialStore"]["endpoint"], "OMP_NUM_THREADS": "1",
    }  # fmt: skip


def test_a_study_on_kind_scores_as_a_run_in_the_same_image(programs: Programs, tmp_path: Path) -> None:
    ended = programs.run("test", timeout=500, **environment(tmp_path))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "equal to xtl run's to the last digit" in ended.stdout
    assert "Complete" in ended.stdout  # what kubectl says of the Jobs
    (run,) = programs.to("docker", "run")
    assert run[: run.index("xtl:dev")] == ["--rm", "--interactive", "--network", "none"]
    assert programs.to("kind", "load", "docker-image")[0][0] == "xtl:dev"
    lines = programs.run("env", KIND_ENDPOINT="http://127.0.0.1:1").stdout
    (secret,) = re.findall(r"AWS_SECRET_ACCESS_KEY='(.+)'", lines)
    assert secret not in ended.stdout + ended.stderr
    assert not (programs.folder / "kind-study/study").exists()
    assert programs.run("down").returncode == 0
    assert not (programs.folder / "kind-study").exists()


def test_kinds_node_announces_the_gpus_that_these_tests_count_on() -> None:
    assert f"\ngpus={GPUS}\n" in (FILES / "run").read_text()


def test_kinds_manifests_and_the_chart_for_it_are_taken_by_the_api_server(namespace: str) -> None:
    text = (FILES / "namespace.yaml").read_text().replace(NAMESPACE, namespace)
    text += "---\n" + helm("template", "xtl", ROOT / "helm/xtl", "--namespace", namespace, "--skip-tests",
                           "--values", FILES / "values.yaml")  # fmt: skip
    done = subprocess.run(
        ["kubectl", "apply", "--dry-run=server", "--warnings-as-errors", "-f", "-"],
        input=text, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
