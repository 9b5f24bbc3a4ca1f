"""What `xtl render` prints, held against a real API server: valid, and admitted under Pod Security "restricted"."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import THIN
from tests.manifests import EVERYTHING, STORE, plan
from tests.run.study import Study
from xtl import render
from xtl.cluster import JOBS, PODS, Cluster, ClusterRefused
from xtl.cluster_parts import ACCOUNTS, PRIORITIES
from xtl.quantity import amount

BREACHES = [
    "{op: add, path: /spec/template/spec/hostNetwork, value: true}",
    "{op: remove, path: /spec/template/spec/containers/0/securityContext}",
    "{op: replace, path: /spec/template/spec/securityContext, value: {runAsUser: 0}}",
    "{op: add, path: /spec/template/spec/volumes/-, value: {name: host, hostPath: {path: /}}}",
]


def rendered(folder: Path, namespace: str, cluster: str) -> list[dict[str, Any]]:
    """The Jobs of the golden grid with this cluster block, for this namespace."""
    found = plan(folder, cluster.replace("namespace: research", f"namespace: {namespace}"))
    return list(render.render(found, STORE).values())


def admitted(cluster: Cluster, job: dict[str, Any]) -> None:
    """The Job's pod in a dry run; raises what the API server says. A Job alone is let in whatever its pods are."""
    template = job["spec"]["template"]
    meta = {"generateName": "try-", "labels": template["metadata"]["labels"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
    assert cluster.create(PODS, pod, dry_run=True)


@pytest.fixture
def named(cluster: Cluster) -> Iterator[None]:
    """What the golden grid names and admission asks for: a service account and a priority class."""
    cluster.create(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "xtl-stage"}})
    low = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "batch-low"}, "value": 1}
    nvidia = {
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia",
    }  # fmt: skip
    runtimes = "/apis/node.k8s.io/v1/runtimeclasses"
    made = [(path, one["metadata"]["name"]) for path, one in ((PRIORITIES, low), (runtimes, nvidia))
            if cluster.create(path, one)]  # fmt: skip
    yield
    for path, name in made:
        cluster.delete(path, name)


@pytest.mark.parametrize("block", [EVERYTHING, "cluster: {namespace: research}\n"], ids=["everything", "nothing"])
def test_every_job_and_its_pods_are_admitted(block: str, cluster: Cluster, named: None, tmp_path: Path) -> None:
    jobs = rendered(tmp_path, cluster.namespace, block)
    assert {job["metadata"]["labels"]["xtl.dev/kind"] for job in jobs} == {"fetch", "intermediate", "target", "reduce"}
    for job in jobs:
        assert cluster.create(JOBS, job, dry_run=True)
        admitted(cluster, job)
    assert cluster.list(JOBS) == cluster.list(PODS) == []


@pytest.mark.parametrize("step", BREACHES)
def test_a_patch_that_breaks_pod_security_is_refused(step: str, cluster: Cluster, tmp_path: Path) -> None:
    job = rendered(tmp_path, cluster.namespace, f"cluster: {{namespace: research, patch: [{step}]}}\n")[0]
    with pytest.raises(ClusterRefused, match='violates PodSecurity "restricted'):
        admitted(cluster, job)


def test_what_the_server_keeps_is_what_was_rendered(cluster: Cluster, tmp_path: Path) -> None:
    """Nothing is dropped for a misspelt field: everything comes back, beside the server's defaults."""
    for job in rendered(tmp_path, cluster.namespace, EVERYTHING):
        assert cluster.create(JOBS, job)
        kept = cluster.get(JOBS, job["metadata"]["name"])
        assert kept is not None
        assert list(lost(job, kept)) == []


def test_how_much_a_job_can_name(cluster: Cluster, tmp_path: Path) -> None:
    """The renderer's bound on parents is the server's."""
    job = rendered(tmp_path, cluster.namespace, "cluster: {namespace: research}\n")[-1]
    notes = job["metadata"]["annotations"]
    spare = render._ANNOTATIONS_BYTES - sum(len(name) + len(value) for name, value in notes.items())
    notes[render.PARENTS] += "k" * spare
    assert cluster.create(JOBS, job, dry_run=True)
    notes[render.PARENTS] += "k"
    with pytest.raises(ClusterRefused, match="may not be more than 262144 bytes"):
        cluster.create(JOBS, job, dry_run=True)


def lost(sent: Any, kept: Any, at: str = "") -> Iterator[str]:
    """Where `kept` lacks what was sent."""
    if isinstance(sent, dict):
        for key, value in sent.items():
            yield from lost(value, kept.get(key) if isinstance(kept, dict) else None, f"{at}/{key}")
    elif isinstance(sent, list):
        for index, value in enumerate(sent):
            yield from lost(value, kept[index] if kept and index < len(kept) else None, f"{at}/{index}")
    elif str(sent) != str(kept) and not ("/resources/" in at and amount(str(sent)) == amount(str(kept))):
        yield f"{at}: {sent!r} became {kept!r}"


def test_kubectl_takes_what_the_command_prints(study: Callable[..., Study], cluster: Cluster) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("NOT RUN: no kubectl here")
    printed = study(THIN).xtl("render", "grid.yaml")
    assert printed.status == 0, printed
    done = subprocess.run(
        [kubectl, "apply", "--dry-run=server", "-f", "-"], input=printed.out, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # a warning is a field that will go, or Pod Security's
    assert done.stdout.count("(server dry run)") == 4
    assert cluster.list(JOBS) == []
