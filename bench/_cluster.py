"""What the benches of a cluster share: a control plane of their own, and what an API server has turned away."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import samples
from tests.cluster.kubeconfigs import free_ports

#: Starts a control plane: in the folder beside the checkout, where a developer has it.
UP = samples.SHARED / "kube/up"


@contextmanager
def started(up: Path, folder: Path, *options: str) -> Iterator[None]:
    """A control plane of our own, KUBECONFIG set to it; gone afterwards."""
    try:
        words = [up, "--dir", folder, "--port", str(free_ports(4)), *options]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        os.environ["KUBECONFIG"] = str(folder / "admin.conf")
        yield
    finally:
        subprocess.run([up.with_name("down"), "--dir", folder], check=False, stdout=subprocess.DEVNULL)


def refusals(context: str | None = None) -> int | None:
    """How many requests the API server has answered with 429 since it began, whoever sent them; None where we may not
    ask for its metrics."""
    words = ["kubectl", "get", "--raw", "/metrics", *(["--context", context] if context else [])]
    asked = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if asked.returncode:
        return None
    return int(sum(map(float, re.findall(r'^apiserver_request_total\{[^}]*code="429".*\} (\S+)$', asked.stdout, re.M))))
