"""The watch that only wakes: lines as they come, its time limit passed on, and an end without a fuss at 410 Gone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from xtl.cluster import JOBS, Cluster, ClusterError

ADDED = b'{"type":"ADDED","object":{"kind":"Job"}}\n'
GONE = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n'


class Server(ThreadingHTTPServer):
    """Answers a list with a resourceVersion, and a watch with `status` and then `chunks`."""

    daemon_threads = True
    chunks: list[bytes]
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, list[str]]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.server.asked.append(query)
        watching = "watch" in query
        self.send_response(self.server.status if watching else 200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        page = json.dumps({"items": [], "metadata": {"resourceVersion": "7"}}).encode()
        for chunk in [*(self.server.chunks if watching else [page]), b""]:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        where = {"server": f"http://127.0.0.1:{one.server_address[1]}"}
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
            "clusters": [{"name": "k", "cluster": where}],
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "research"}}],
        }  # fmt: skip
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        yield one
        one.shutdown()


def test_lines_come_whole_however_they_are_cut(server: Server) -> None:
    server.chunks = [ADDED[:9], ADDED[9:] + ADDED + ADDED[:5], ADDED[5:]]
    assert list(Cluster().watch(JOBS, selector="a=b", seconds=9)) == [ADDED.strip()] * 3
    listing, watch = server.asked
    assert listing["limit"] == ["1"]
    assert (watch["resourceVersion"], watch["timeoutSeconds"], watch["labelSelector"]) == (["7"], ["9"], ["a=b"])


def test_gone_is_an_end_and_no_error(server: Server) -> None:
    server.chunks = [ADDED + GONE + ADDED]
    assert list(Cluster().watch(JOBS)) == [ADDED.strip()]


@pytest.mark.parametrize("status", [410, 500])
def test_a_refused_watch_says_so(server: Server, status: int) -> None:
    server.chunks, server.status = [b'{"message": "too old"}'], status
    with pytest.raises(ClusterError, match="too old") as caught:
        list(Cluster().watch(JOBS))
    assert caught.value.code == status
