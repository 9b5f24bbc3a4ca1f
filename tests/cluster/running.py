"""`xtl controller` as a process of its own, for tests: its log, its pages, and how it is ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.cluster import kubeconfigs

Line = dict[str, Any]


class Running:
    """`xtl controller`; `lines` are what it logged, parsed."""

    def __init__(self, namespace: str, log: Path, name: str, *options: str, env: dict[str, str] | None = None) -> None:
        self.name, self.log, self.port = name, log, kubeconfigs.free_ports(1)
        words = ["controller", "-n", namespace, "--port", str(self.port), "--every", "1", "--lease-seconds", "4"]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "xtl.cli.app", *words, *options],
                env={**os.environ, **(env or {}), "POD_NAME": name}, stdin=subprocess.DEVNULL, stderr=file,
            )  # fmt: skip

    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def page(self, path: str) -> tuple[int, str]:
        """0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        found = [line for line in self.page("/metrics")[1].splitlines() if line.startswith(f"{name} ")]
        return float(found[0].split()[-1]) if found else 0.0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)
