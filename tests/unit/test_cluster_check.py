"""Checks of a cluster that no test cluster can show: an old server, a wrong clock, and what Kueue's objects say."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.grid import MINIMAL, write
from xtl import cluster_check, cluster_parts, kueue_check
from xtl.cli.submit import cluster_store
from xtl.cluster import SECRETS, Cluster, ClusterRefused
from xtl.errors import UserError
from xtl.grid import Grid, load


@dataclass
class Objects(Cluster):
    """Objects by path and name, as a cluster would give them; a path in `closed` is not ours to read."""

    there: dict[str, dict[str, Any]] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    namespace: str = "research"
    host: str = "https://example"
    date: str = ""
    release: str = "v1.36.3"

    def get(self, path: str, name: str) -> dict[str, Any] | None:
        if path in self.closed:
            raise ClusterRefused("not allowed")
        return self.there.get(f"{path}/{name}")

    def list(self, path: str, *, selector: str = "", fields: str = "") -> list[dict[str, Any]]:
        return [value for key, value in self.there.items() if key.startswith(f"{path}/")]

    def version(self) -> str:
        return self.release


@pytest.mark.parametrize(
    ("release", "state"),
    [("v1.28.9", "wrong"), ("v1.29.0", "ok"), ("v1.36.3", "ok"), ("v1.30.4-gke.1200", "ok"), ("v2.0.0", "ok")],
)
def test_an_old_server_is_told(release: str, state: str) -> None:
    found = cluster_check._server(Objects(release=release))
    assert found.state == state
    assert release in found.detail
    assert ("podReplacementPolicy" in found.detail) == (state == "wrong")


@pytest.mark.parametrize(("ahead", "state"), [(0, "ok"), (3, "ok"), (-3, "ok"), (60, "warning"), (-60, "warning")])
def test_a_wrong_clock_is_told(ahead: int, state: str) -> None:
    found = cluster_check._clock(Objects(date=formatdate(time.time() + ahead, usegmt=True)))
    assert found.state == state
    assert ("set the clock" in found.detail) == (state != "ok")


def test_a_server_without_a_clock_is_no_fault() -> None:
    assert cluster_check._clock(Objects(date="")).state == "warning"


GROUP = {"/apis/kueue.x-k8s.io": {"versions": [{"version": "v1beta1"}, {"version": "v1beta2"}]}}


def manager(image: str) -> dict[str, Any]:
    spec = {"template": {"spec": {"containers": [{"image": image}]}}}
    return {f"{kueue_check.MANAGER}/kueue-controller-manager": {"spec": spec}}


def queue(
    name: str, active: str | None = "True", message: str = "Can submit new workloads", covers: str = ""
) -> dict[str, Any]:
    conditions = [{"type": "Active", "status": active, "reason": "Ready", "message": message}] if active else []
    resources = [{"name": resource, "total": "0"} for resource in covers.split()]
    status: dict[str, Any] = {"conditions": conditions, "pendingWorkloads": 3}
    status["flavorsReservation"] = [{"name": "a10", "resources": resources}]
    return {f"{kueue_check.QUEUES}/{name}": {"metadata": {"name": name}, "status": status}}


def asking(folder: Path, queue: str | None) -> Grid:
    return load(write(folder, MINIMAL + (f"cluster: {{queue: {queue}}}\n" if queue else "")))


@pytest.mark.parametrize(
    ("there", "wanted", "states", "said"),
    [
        ({}, None, "ok", "asks for no queue"),
        ({}, "team-a", "wrong", "would wait for ever: leave `cluster.queue` out"),
        ({"/apis/kueue.x-k8s.io": {"versions": [{"version": "v1beta1"}]}}, "team-a", "wrong", "too old"),
        (GROUP | queue("team-a"), "team-a", "ok ok", "team-a is active, 3 workloads wait"),
        (GROUP | queue("team-b"), "team-a", "ok wrong", "no LocalQueue team-a in research; there are: team-b"),
        (GROUP, "team-a", "ok wrong", "there is none"),
        (GROUP, None, "ok ok", "no LocalQueue is named `default`"),
        (GROUP | queue("default"), None, "ok ok", "Jobs get it by themselves"),
        (GROUP | queue("team-a", "False", "no ClusterQueue"), "team-a", "ok wrong", "Ready: no ClusterQueue"),
        (GROUP | queue("team-a", None), "team-a", "ok wrong", "is Kueue running?"),
        (GROUP | queue("a", covers="cpu memory nvidia.com/gpu"), "a", "ok ok", "a is active"),
        (GROUP | queue("a", covers="nvidia.com/gpu"), "a", "ok warning", "a has no quota for cpu memory, which stages"),
        (GROUP | manager("registry.k8s.io/kueue/kueue:v0.19.1") | queue("a"), "a", "ok ok", "release v0.19.1"),
        (GROUP | manager("registry.k8s.io/kueue/kueue:v0.18.0") | queue("a"), "a", "warning ok", "AdmissionGatedBy"),
        (GROUP | manager("mirror/kueue@sha256:ab") | queue("a"), "a", "ok ok", "release cannot be seen"),
    ],
)
def test_what_kueue_says(there: dict[str, Any], wanted: str | None, states: str, said: str, tmp_path: Path) -> None:
    found = list(kueue_check.check_kueue(Objects(there=there), asking(tmp_path, wanted)))
    assert " ".join(finding.state for finding in found) == states
    assert any(said in finding.detail for finding in found)


def test_what_is_not_ours_to_read_is_a_warning(tmp_path: Path) -> None:
    cluster = Objects(there=GROUP, closed=frozenset({kueue_check.QUEUES, kueue_check.MANAGER}))
    found = list(kueue_check.check_kueue(cluster, asking(tmp_path, "team-a")))
    assert [finding.state for finding in found] == ["ok", "warning"]
    assert "not ours to read" in found[1].detail


SECRET = f"{SECRETS}/keys"


@pytest.mark.parametrize(
    ("block", "secret", "state", "said"),
    [
        ("{endpoint: 'http://inside:9000'}", {}, "ok", "http://inside:9000; from here, http://127.0.0.1:8333"),
        ("{secret: keys}", {"AWS_ENDPOINT_URL": "aA=="}, "ok", "by the Secret keys"),
        ("{secret: keys}", {"AWS_ACCESS_KEY_ID": "aA=="}, "warning", "which look for the bucket at Amazon"),
        ("{secret: keys}", None, "warning", "unless the Secret keys does (not ours to read)"),
        ("{region: eu-west-1}", {}, "warning", "`cluster: {store: {endpoint: URL}}`"),
    ],
)
def test_pods_without_the_address_that_this_machine_has_are_told(
    block: str, secret: dict[str, str] | None, state: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:8333")
    grid = load(write(tmp_path, MINIMAL + f"store: s3://bucket/prefix\ncluster: {{store: {block}}}\n"))
    cluster = Objects(there={SECRET: {"data": secret}}, closed=frozenset({SECRETS} if secret is None else ()))
    found = cluster_parts.endpoint(cluster, grid)
    assert found is not None
    assert found.state == state
    assert said in found.detail


@pytest.mark.parametrize("store", ["s3://bucket/prefix", "./folder"])
def test_amazons_own_address_needs_no_telling(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    grid = load(write(tmp_path, MINIMAL + f"store: {store}\ncluster: {{namespace: research}}\n"))
    assert cluster_parts.endpoint(Objects(), grid) is None


IMAGE = "op: replace, path: /spec/template/spec/containers/0/image, value: mirror/xtl:1"


@pytest.mark.parametrize(
    ("block", "state"),
    [
        ("cpu: 8", "wrong"),
        ("image: registry/xtl:1", "ok"),
        (f"patch: [{{{IMAGE}}}]", "ok"),
        ("patch: [{op: add, path: /spec/template/spec/containers/0, value: {name: sidecar, image: other}}]", "wrong"),
    ],
)
def test_pods_without_an_image_of_their_own_are_told(block: str, state: str, tmp_path: Path) -> None:
    (found,) = cluster_check._image(Objects(), load(write(tmp_path, MINIMAL + f"cluster: {{{block}}}\n")))
    assert found.state == state
    assert ("`cluster: {image: registry/name:tag}`" in found.detail) == (state == "wrong")


@pytest.mark.parametrize(
    ("block", "context", "creates", "said"),
    [
        ("", None, True, "does not say where it runs"),
        ("", None, False, "does not say where it runs"),
        ("", "my-cluster", True, "no image is named"),
        ("", "my-cluster", False, None),
        ("cluster: {namespace: research}\n", None, True, "no image is named"),
        ("cluster: {namespace: research}\n", None, False, None),
        ("cluster: {image: registry/xtl:1}\n", None, True, None),
    ],
)
def test_what_is_asked_for_before_a_cluster_is_touched(
    block: str, context: str | None, creates: bool, said: str | None, tmp_path: Path
) -> None:
    grid = load(write(tmp_path, MINIMAL + "store: s3://bucket/prefix\n" + block))
    if said is None:
        assert cluster_store(grid, context, creates=creates).url == "s3://bucket/prefix"
        return
    with pytest.raises(UserError, match=said):
        cluster_store(grid, context, creates=creates)
