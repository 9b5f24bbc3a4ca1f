"""What `make kind-up` and its like need: kind's configuration as kind reads it, files that agree with each other and
the chart, and the script's commands. tests/cluster/test_kind.py runs the script on a cluster."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stand_in import NODE, ROOT, Programs
from xtl.grid import load

FILES = ROOT / "k8s/kind"
CALLS = ("kind", "docker", "kubectl", "helm")
#: kind v1alpha4 (pkg/apis/config/v1alpha4/types.go), which refuses any other field: names and types.
FIELDS: dict[str, dict[str, type | str]] = {
    "cluster": {
        "kind": str, "apiVersion": str, "name": str, "nodes": "node", "networking": dict, "featureGates": dict,
        "runtimeConfig": dict, "kubeadmConfigPatches": list, "kubeadmConfigPatchesJSON6902": list,
        "containerdConfigPatches": list, "containerdConfigPatchesJSON6902": list,
    },
    "node": {
        "role": str, "image": str, "labels": dict, "extraMounts": list, "extraPortMappings": "port", "gpus": str,
        "kubeadmConfigPatches": list, "kubeadmConfigPatchesJSON6902": list,
    },
    "port": {"containerPort": int, "hostPort": int, "listenAddress": str, "protocol": str},
}  # fmt: skip


def read(name: str) -> Any:
    return yaml.safe_load((FILES / name).read_text(encoding="utf-8"))


def misread(found: dict[str, Any], what: str) -> list[str]:
    """Fields that kind does not know, or reads as something else."""
    wrong = []
    for name, value in found.items():
        wanted = FIELDS[what].get(name)
        if isinstance(wanted, str):
            wrong += [problem for one in value for problem in misread(one, wanted)]
        elif wanted is None or not isinstance(value, wanted):
            wrong.append(f"{what}.{name}")
    return wrong


def test_kind_reads_its_configuration() -> None:
    config = read("cluster.yaml")
    assert misread(config, "cluster") == []
    assert (config["apiVersion"], config["kind"]) == ("kind.x-k8s.io/v1alpha4", "Cluster")
    assert [node["role"] for node in config["nodes"]] == ["control-plane"]
    (port,) = config["nodes"][0]["extraPortMappings"]
    assert ipaddress.ip_address(port["listenAddress"]).is_loopback
    assert port["protocol"] == "TCP"
    assert 0 < port["hostPort"] < 65536


@pytest.mark.parametrize("wrong", [{"nodes": [{"extraPortMapping": []}]}, {"nodes": [{"role": 1}]}, {"gates": {}}])
def test_a_field_that_kind_does_not_know_is_noticed(wrong: dict[str, Any]) -> None:
    assert misread(wrong, "cluster") != []


def test_the_stores_port_is_one_from_the_laptop_to_the_pod() -> None:
    (port,) = read("cluster.yaml")["nodes"][0]["extraPortMappings"]
    _, service = yaml.safe_load_all((FILES / "namespace.yaml").read_text())
    (outside,) = service["spec"]["ports"]
    assert outside["nodePort"] == port["containerPort"]
    assert 30000 <= outside["nodePort"] <= 32767  # what an API server gives out by default
    assert f"http://{port['listenAddress']}:{port['hostPort']}" in (FILES / "run").read_text()
    chart = list(yaml.safe_load_all((ROOT / "tests/golden/helm/trial.yaml").read_text()))
    (store,) = [one for one in chart if one["kind"] == "Deployment" and one["metadata"]["name"] == "xtl-store"]
    pod = store["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert outside["targetPort"] in [one["name"] for one in pod["spec"]["containers"][0]["ports"]]


def test_the_files_name_one_namespace_and_the_images_that_are_built() -> None:
    grid, values = read("grid.yaml"), read("values.yaml")
    namespace, service = yaml.safe_load_all((FILES / "namespace.yaml").read_text())
    name = namespace["metadata"]["name"]
    assert {grid["cluster"]["namespace"], service["metadata"]["namespace"]} == {name}
    assert f"\nnamespace={name}\n" in (FILES / "run").read_text()
    built = (ROOT / "Makefile").read_text()
    assert f"-t {grid['cluster']['image']} ." in built
    assert "-t {repository}:{tag} .".format(**values["image"]) in built
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}


def test_the_demo_with_kinds_lines_is_a_grid(tmp_path: Path) -> None:
    demo = (ROOT / "grids/demo.yaml").read_text().splitlines(keepends=True)
    kept = [line for line in demo if not line.startswith(("data:", "store:"))]
    assert len(demo) - len(kept) == 2
    path = tmp_path / "grid.yaml"
    path.write_text("".join(kept) + (FILES / "grid.yaml").read_text() + "store: s3://xtl/demo\n")
    grid = load(path)
    assert grid.cluster["gpu"] == {"simulated": True}
    assert grid.data == str(tmp_path / "data")


def test_up_makes_a_cluster_and_puts_xtl_on_it(tmp_path: Path) -> None:
    programs = Programs(tmp_path / "a", *CALLS)
    ended = programs.run("up", KIND_NODE_IMAGE="kindest/node:v1.36.1")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    mine = str(programs.folder / "kind-study/kubeconfig")
    (created,) = programs.to("kind", "create", "cluster")
    options = dict(zip(created[::2], created[1::2], strict=True))
    assert options == {"--name": "xtl", "--config": "k8s/kind/cluster.yaml", "--kubeconfig": mine, "--wait": "5m",
                       "--image": "kindest/node:v1.36.1"}  # fmt: skip
    runtime, cli = programs.to("docker", "build")
    assert "TORCH_INDEX=https://download.pytorch.org/whl/cpu" in runtime
    assert (runtime[-2:], cli[-2:]) == (["xtl:dev", "."], ["xtl-cli:dev", "."])
    loaded = [words[0] for words in programs.to("kind", "load", "docker-image")]
    assert loaded[0] == "xtl:dev"
    assert {image.partition(":")[0] for image in loaded[1:]} == {"chrislusf/seaweedfs", "xtl-cli"}
    (patch,) = programs.to("kubectl", "patch", NODE)
    steps = json.loads(patch[patch.index("--patch") + 1])
    assert [step["path"] for step in steps] == [f"/status/{x}/nvidia.com~1gpu" for x in ("capacity", "allocatable")]
    (helm,) = programs.to("helm", "upgrade", "--install", "xtl", "helm/xtl")
    assert f"controller.podAnnotations.image=sha256:{b'xtl-cli:dev'.hex()}" in helm


def test_up_again_takes_the_cluster_that_is_there_and_down_removes_it(tmp_path: Path) -> None:
    programs = Programs(tmp_path / "a", *CALLS)
    assert [programs.run(command).returncode for command in ("up", "up", "down", "down")] == [0, 0, 0, 0]
    assert len(programs.to("kind", "create", "cluster")) == 1
    assert len(programs.to("kind", "export", "kubeconfig")) == 1
    assert len(programs.to("kind", "delete", "cluster")) == 2
    assert not (programs.folder / "kind-study").exists()


def test_an_image_that_kind_does_not_load_goes_as_an_archive(tmp_path: Path) -> None:
    programs = Programs(tmp_path / "a", *CALLS, refuse=["xtl:dev"])
    ended = programs.run("up")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (saved,) = programs.to("docker", "image", "save")
    assert saved[:2] == ["--platform", "linux/amd64"]
    ((archive, *_),) = programs.to("kind", "load", "image-archive")
    assert not Path(archive).exists()


@pytest.mark.parametrize("command", ["up", "test", "down"])
def test_what_is_not_installed_is_named_with_where_to_get_it(command: str, tmp_path: Path) -> None:
    programs = Programs(tmp_path / "a", "docker", "helm")
    for name in ("env", "bash", "dirname", "sh"):
        os.symlink(shutil.which(name) or name, programs.folder / "bin" / name)
    ended = programs.run(command, PATH=str(programs.folder / "bin"))
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "error: not installed here:",
        "  kind: https://kind.sigs.k8s.io/docs/user/quick-start/",
        "  kubectl: https://kubernetes.io/docs/tasks/tools/",
    ]
    assert not (programs.folder / "kind-study").exists()


def test_docker_that_does_not_answer_is_said_before_anything_is_made(tmp_path: Path) -> None:
    programs = Programs(tmp_path / "a", *CALLS)
    (programs.folder / "bin/docker").write_text("#!/bin/sh\nexit 1\n")
    ended = programs.run("up")
    assert ended.returncode == 1
    assert "Docker does not answer: start it" in ended.stderr
    assert not (programs.folder / "calls").exists()


def test_an_environment_needs_a_cluster(tmp_path: Path) -> None:
    ended = Programs(tmp_path / "a", *CALLS).run("env")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "make kind-up" in ended.stderr


def test_a_study_that_takes_too_long_leaves_nothing_running(tmp_path: Path) -> None:
    """Whoever still ran would hold the script's output open, and the wait for its end would not come back in time."""
    tree, programs = tmp_path / "tree", Programs(tmp_path / "a", *CALLS)
    shutil.copytree(ROOT / "k8s", tree / "k8s")
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "grids"):
        (tree / name).symlink_to(ROOT / name)
    (tree / ".venv/bin").mkdir(parents=True)
    watches = tree / ".venv/bin/xtl"
    watches.write_text('#!/bin/sh\n[ "$1" != status ] || exec sleep 45\n')
    watches.chmod(0o755)
    ended = programs.run("test", timeout=30, root=tree, KIND_MINUTES="0")
    assert ended.returncode == 1
    assert "not over after 0 minutes" in ended.stderr, ended.stderr
