"""A plain HTTP proxy in front of a real API server, for what a test cannot ask of one: to be busy, or to stall."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from kubernetes import client, config


class Proxy:
    """Passes everything on with the kubeconfig's own credentials.

    busy: so many of the next POSTs are answered 429 with `Retry-After: 1`. creations: after so many Jobs the next
    creations never get an answer and are not passed on. together: the first so many creations are passed on once all
    of them have been asked for. most: the largest number of POSTs in flight so far.
    """

    def __init__(
        self, kubeconfig: Path, *, busy: int = 0, creations: int | None = None, together: int = 0, port: int = 0
    ) -> None:
        settings = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=settings)
        self._host, self._pool = settings.host, client.ApiClient(settings).rest_client.pool_manager
        self.busy, self.creations = busy, creations
        self.refused = self.most = self._flying = 0
        self.stalled, self._over = threading.Event(), threading.Event()
        self._missing, self.gathered = together, threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def verdict(self, method: str, path: str) -> str:
        """pass, refuse, stall, gather, or hang up: connections outlive the server that accepted them."""
        if self._over.is_set():
            return "hang up"
        if method != "POST" or "dryRun" in path:
            return "pass"
        with self._lock:
            if self.busy > 0:
                self.busy -= 1
                self.refused += 1
                return "refuse"
            if self.creations is not None:
                self.creations -= 1
                if self.creations < 0:
                    return "stall"
            if self._missing > 0:
                self._missing -= 1
                if self._missing > 0:
                    return "gather"
                self.gathered.set()
        return "pass"

    def forward(self, method: str, path: str, body: bytes | None, kind: str | None) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", **({"Content-Type": kind} if kind else {})}
        with self._counted(method):
            answer = self._pool.request(method, self._host + path, body=body, headers=headers, retries=False)
        return answer.status, answer.data

    @contextmanager
    def _counted(self, method: str) -> Iterator[None]:
        with self._lock:
            self._flying += method == "POST"
            self.most = max(self.most, self._flying)
        yield
        with self._lock:
            self._flying -= method == "POST"

    def stall(self) -> None:
        self.stalled.set()
        self._over.wait()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else None
                verdict = proxy.verdict(self.command, self.path)
                if verdict == "gather":
                    proxy.gathered.wait(25)  # a client gives up after 30
                if verdict in ("stall", "hang up"):
                    if verdict == "stall":
                        proxy.stall()
                    self.close_connection = True
                elif verdict == "refuse":
                    self._answer(429, b"{}", {"Retry-After": "1"})
                else:
                    self._answer(*proxy.forward(self.command, self.path, body, self.headers.get("Content-Type")), {})

            do_GET = do_POST = do_PATCH = do_DELETE = _pass

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler
