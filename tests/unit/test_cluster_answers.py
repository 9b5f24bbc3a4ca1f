"""What an API server may answer that no test cluster does: a login page, a redirect, a refused log. And kubeconfigs:
one that is named where a pod has its own way in, and files that are none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import kubeconfigs
from xtl import cluster
from xtl.cluster import JOBS, Cluster, ClusterError, ClusterRefused

LOGIN = b"<html><body>Log in to continue</body></html>"


class Server(ThreadingHTTPServer):
    """Gives one answer to everything, but to /elsewhere, where Kubernetes is."""

    daemon_threads = True
    status, body = 200, LOGIN

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        moved = self.path == "/elsewhere"
        body = b'{"gitVersion": "v1.36.0"}' if moved else self.server.body
        self.send_response(200 if moved else self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as one:
        threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True).start()
        config = kubeconfigs.at(f"http://127.0.0.1:{one.server_address[1]}", tmp_path / "config")
        monkeypatch.setenv("KUBECONFIG", str(config))
        yield one
        one.shutdown()


@pytest.mark.parametrize(("status", "body"), [(200, LOGIN), (200, b""), (200, b"[]"), (302, LOGIN), (302, b"{}")])
def test_what_is_not_kubernetes_is_told_and_not_believed(server: Server, status: int, body: bytes) -> None:
    server.status, server.body = status, body
    for ask in (lambda: Cluster().list(JOBS), lambda: list(Cluster().watch(JOBS)), lambda: Cluster().version()):
        with pytest.raises(ClusterRefused, match="does not answer as Kubernetes does"):
            ask()


@pytest.mark.parametrize("status", [302, 401, 403])
def test_a_log_that_may_not_be_read_is_no_empty_log(server: Server, status: int) -> None:
    server.status, server.body = status, b'{"message": "no pods/log for you"}'
    for read in (Cluster().log, lambda pod: list(Cluster().follow(pod))):
        with pytest.raises(ClusterRefused):
            read("a-pod")


@pytest.mark.parametrize("status", [400, 404, 429, 500, 502])
def test_a_log_that_is_not_there_now_may_be_asked_for_again(server: Server, status: int) -> None:
    server.status, server.body = status, b"{}"
    assert list(Cluster().follow("a-pod")) == []


def test_in_a_pod_a_kubeconfig_that_is_named_is_meant(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_IN_POD", tmp_path)
    (tmp_path / "token").write_text("the pod's own")
    assert Cluster().host == f"http://127.0.0.1:{server.server_address[1]}"


@pytest.mark.parametrize(
    "text", ["a: [", "just words", "[]", "", "clusters: 1", "current-context: c\ncontexts: [c]", b"\xff\xfe\x00"]
)
def test_a_kubeconfig_that_is_none(text: str | bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(ClusterRefused, match="set KUBECONFIG"):
        Cluster()


def test_a_server_in_trouble_is_no_refusal(server: Server) -> None:
    server.status, server.body = 503, LOGIN
    with pytest.raises(ClusterError, match="503"):
        Cluster(tries=1).list(JOBS)
