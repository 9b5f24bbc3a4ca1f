"""What the benches of a cluster share: a control plane of their own, what an API server has turned away, and one table
of figures with their bounds.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import samples
from tests.cluster.kubeconfigs import free_ports

#: Starts a control plane: in the folder beside the checkout, where a developer has it.
UP = samples.SHARED / "kube/up"
#: Of the last minute before the bench began: bounds are for a machine that does nothing else.
LOAD = os.getloadavg()[0]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """most: its bound, where it has one; None for what is only told."""

    what: str
    value: float
    unit: str = "s"
    most: float | None = None

    @property
    def past(self) -> bool:
        return self.most is not None and self.value > self.most

    @property
    def cells(self) -> tuple[str, str, str]:
        digits = 0 if self.value == int(self.value) or self.value >= 100 else 2 if self.value < 10 else 1
        bound = "" if self.most is None else f"at most {self.most:g}"
        return self.what, f"{self.value:.{digits}f} {self.unit}".rstrip(), f"PAST {bound}" if self.past else bound


def tell(title: str, figures: Sequence[Figure]) -> int:
    """Print the table. The exit status: 1 where a figure is past its bound."""
    what, value = (max(len(one.cells[column]) for one in figures) for column in (0, 1))
    print(f"{title} ({os.cpu_count()} processors, load average {LOAD:.1f} before)")
    for one in figures:
        cells = one.cells
        print(f"  {cells[0]:<{what}}  {cells[1]:>{value}}  {cells[2]}".rstrip())
    return int(any(one.past for one in figures))


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
