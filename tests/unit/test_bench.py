"""What the benches of a cluster say and how they end: a figure past its bound, and requests that were turned away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import controller, status
from bench._cluster import Figure, refusals, tell

METRICS = """\
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",resource="jobs",verb="POST"} 1000
apiserver_request_total{code="429",component="apiserver",resource="jobs",verb="POST"} 2
apiserver_request_total{code="429",component="apiserver",resource="leases",verb="PATCH"} 1
apiserver_request_terminations_total{code="429",component="apiserver"} 7
"""


@pytest.mark.parametrize(("value", "most", "ends"), [(1.99, 2.0, 0), (2.0, 2.0, 0), (2.01, 2.0, 1), (99.0, None, 0)])
def test_a_figure_past_its_bound_ends_it_with_1(
    value: float, most: float | None, ends: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell("A bench", [Figure(what="look", value=value, most=most), Figure(what="another", value=1.0)]) == ends
    title, first, other = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"A bench \(\d+ processors, load average [\d.]+ before\)", title)
    assert f"{value:.2f} s" in first or f"{value:.0f} s" in first
    assert ("PAST at most 2" in first) == bool(ends)
    assert "PAST" not in other


def kubectl(folder: Path, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "kubectl"
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_every_429_of_the_api_server_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics").write_text(METRICS)
    kubectl(tmp_path, f'[ "$*" = "get --raw /metrics --context mine" ] && cat {tmp_path}/metrics', monkeypatch)
    assert refusals("mine") == 3


def test_metrics_that_we_may_not_read_are_no_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl(tmp_path, "echo Forbidden >&2; exit 1", monkeypatch)
    assert refusals() is None


@pytest.mark.parametrize("bench", [controller, status])
def test_without_a_cluster_it_says_what_to_give(
    bench: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("XTL_TEST_KUBECONFIG", raising=False)
    monkeypatch.setattr("sys.argv", ["bench", "--up", str(tmp_path / "none")])
    assert bench.main() == 0  # type: ignore[attr-defined]
    said = capsys.readouterr().out
    assert "NOT RUN" in said
    assert "--up" in said or "XTL_TEST_KUBECONFIG" in said
