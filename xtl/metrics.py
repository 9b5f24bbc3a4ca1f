"""What a running controller tells: Prometheus' text format on /metrics, /healthz and /readyz, on one port.

Hand-written, since it is a dozen numbers; no labels but those listed here, and no client library.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_HELP = {
    "xtl_controller_actions_total": ("counter", "What was done to Jobs, by kind."),
    "xtl_controller_errors_total": ("counter", "What went wrong: store, cluster, action (of one Job), bug."),
    "xtl_controller_rounds_total": ("counter", "Rounds, whether or not all went well."),
    "xtl_controller_round_seconds": ("summary", "How long rounds took."),
    "xtl_controller_last_success_timestamp_seconds": ("gauge", "When a round last went well for every store."),
    "xtl_controller_leader": ("gauge", "1 while this process holds the Lease."),
    "xtl_controller_jobs": ("gauge", "xtl's Jobs in the namespace, by state."),
    "process_resident_memory_bytes": ("gauge", "Resident memory."),
}
_ACTIONS = ("release", "skip", "unskip", "fail", "forget")
_ERRORS = ("store", "cluster", "action", "bug")


class Metrics:
    """Numbers by name, as Prometheus spells them; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, float] = {
            **{f'xtl_controller_actions_total{{kind="{kind}"}}': 0.0 for kind in _ACTIONS},
            **{f'xtl_controller_errors_total{{what="{what}"}}': 0.0 for what in _ERRORS},
            "xtl_controller_rounds_total": 0.0,
            "xtl_controller_round_seconds_sum": 0.0,
            "xtl_controller_round_seconds_count": 0.0,
            "xtl_controller_last_success_timestamp_seconds": 0.0,
            "xtl_controller_leader": 0.0,
        }

    def add(self, name: str, amount: float = 1.0) -> None:
        with self._lock:
            self._values[name] = self._values.get(name, 0.0) + amount

    def set(self, name: str, value: float) -> None:
        with self._lock:
            self._values[name] = value

    def error(self, what: str) -> None:
        self.add(f'xtl_controller_errors_total{{what="{what}"}}')

    def text(self) -> str:
        """The exposition format, version 0.0.4."""
        with self._lock:
            values = {**self._values, "process_resident_memory_bytes": float(resident_bytes())}
        lines = []
        for name, (kind, what) in _HELP.items():
            lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]
            wanted = (name, f"{name}_sum", f"{name}_count") if kind == "summary" else (name,)
            lines += [f"{full} {value!r}" for full, value in values.items() if full.partition("{")[0] in wanted]
        return "\n".join(lines) + "\n"


def resident_bytes() -> int:
    """Of this process; 0 where there is no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


class _Server(ThreadingHTTPServer):
    """Pages by path: what to answer, and "" or why it is not well."""

    daemon_threads = True
    pages: dict[str, Callable[[], tuple[str, str]]]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path.partition("?")[0])
        body, trouble = page() if page else ("", "")
        data = (trouble or body or "no such page: /healthz, /readyz, /metrics").encode()
        self.send_response(404 if page is None else 503 if trouble else 200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass  # probes ask every few seconds


def serve(port: int, metrics: Metrics, healthy: Callable[[], str], ready: Callable[[], str]) -> int:
    """Answer in the background; the port, which is a free one for 0. `healthy`, `ready`: "" or why not. Raises OSError
    where the port is taken."""
    server = _Server(("0.0.0.0", port), _Handler)
    server.pages = {
        "/metrics": lambda: (metrics.text(), ""),
        "/healthz": lambda: ("ok\n", healthy()),
        "/readyz": lambda: ("ok\n", ready()),
    }
    threading.Thread(target=server.serve_forever, name="xtl-http", daemon=True).start()
    return int(server.server_address[1])
