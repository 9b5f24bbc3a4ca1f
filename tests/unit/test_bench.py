"""What benches say and how they end: figures past their bounds, the suite of all, what a cluster turned away."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import LlamaConfig

from bench import controller, gpu, status
from bench._cluster import refusals
from bench._figures import Figure, ratios, tell
from jobs.device import open_device
from tests.readme import ROOT
from xtl import memory

METRICS = """\
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",resource="jobs",verb="POST"} 1000
apiserver_request_total{code="429",component="apiserver",resource="jobs",verb="POST"} 2
apiserver_request_total{code="429",component="apiserver",resource="leases",verb="PATCH"} 1
apiserver_request_terminations_total{code="429",component="apiserver"} 7
"""


def test_a_goal_that_is_missed_ends_it_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell("A bench", [ratios("xtl beside a peer", [1.0, 2.0, 1.0], [3.0, 4.0, 2.5], least=2.8)]) == 1
    said = capsys.readouterr().out.splitlines()[1]
    assert re.fullmatch(r" +xtl beside a peer +2.50 times as fast +2 to 3 +PAST at least 2.8", said)
    assert not ratios("xtl beside a peer", [1.0], [3.0], least=2.8).past


GOOD = """
from bench._figures import Figure, tell
raise SystemExit(tell("a good one", [Figure(what="look", value={value}, most=2.0)]))
"""


def suite(folder: Path, *words: str, **benches: str) -> subprocess.CompletedProcess[str]:
    """`python -m bench` over made-up benches."""
    (folder / "bench").mkdir()
    for name in ("_figures.py", "__main__.py"):
        (folder / "bench" / name).symlink_to(ROOT / "bench" / name)
    for name, text in benches.items():
        (folder / "bench" / f"{name}.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "bench", *words], cwd=folder, env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_suite_runs_all_and_tells_in_one_table_and_in_json(tmp_path: Path) -> None:
    ended = suite(
        tmp_path,
        slow=GOOD.format(value=2.5),
        quick=GOOD.format(value=1.0),
        broken="print('half'); raise ValueError('no such thing')",
        gpu="from bench._figures import not_run; raise SystemExit(not_run('on a GPU', 'torch finds no GPU'))",
    )
    assert ended.returncode == 1
    found = json.loads((tmp_path / "bench.json").read_text())
    assert {"commit", "processor", "cpus", "memory_gb", "gpu", "python", "versions", "load_before"} < found.keys()
    assert list(found["benches"]) == ["gpu", "broken", "quick", "slow"]
    assert found["benches"]["slow"]["past"] == ["look"]
    assert found["benches"]["quick"]["figures"][0]["value"] == 1.0
    assert found["benches"]["broken"]["broke"] == "exit status 1: ValueError: no such thing"
    assert "not run: torch finds no GPU" in ended.stdout
    assert re.search(r"look +2.50 s +PAST at most 2", ended.stdout)
    assert "BROKE: exit status 1" in ended.stdout


def test_the_suite_of_one(tmp_path: Path) -> None:
    assert suite(tmp_path, "quick", "--json", "mine.json", quick=GOOD.format(value=1.0), slow="1/0").returncode == 0
    assert list(json.loads((tmp_path / "mine.json").read_text())["benches"]) == ["quick"]


def test_a_bench_that_is_not_there_is_named(tmp_path: Path) -> None:
    ended = suite(tmp_path, "qick", quick=GOOD.format(value=1.0))
    assert ended.returncode == 2
    assert "no bench qick: there are quick" in ended.stderr


def test_every_bench_is_in_the_suite_and_says_what_it_is() -> None:
    names = [path.stem for path in (ROOT / "bench").glob("[a-z]*.py")]
    assert {"training", "evaluation", "mining", "store", "plan", "startup", "demo", "gpu"} <= set(names)
    for name in names:
        text = (ROOT / "bench" / f"{name}.py").read_text()
        assert f"python -m bench.{name}" in text, name
        assert "tell(" in text, name


@pytest.mark.parametrize("task", ["mnli", "squad_v1"])
def test_the_gpus_bench_computes_on_a_cpu_what_it_would_on_a_gpu(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "VOCABULARY", 1000)
    monkeypatch.setattr(gpu, "WARM", 1)
    monkeypatch.setattr(gpu, "BATCH", 4)
    device = open_device("fp32", 1)
    found = gpu.figures(task, "tiny", (1, 16, 2), device, steps=3)
    assert [one.unit for one in found] == ["times as fast"] * 2 + ["real pieces/s", "GiB", "GiB"]
    assert all(one.value > 0 for one in found[:3])
    study = gpu.Study(task, gpu.SHAPES["large"], device, 1)
    weights = 6 * 12 * 24 * 1024**2  # XLM-R large's layers have 302 million
    assert weights < study.flops() < 1.1 * weights
    assert gpu.peak("NVIDIA H200") == gpu.peak("NVIDIA H100 80GB HBM3") == 989e12
    assert gpu.peak("Radeon") is None


@pytest.mark.parametrize("lora", [False, True])
def test_the_decoder_that_the_gpu_bench_trains_is_trained(lora: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "WARM", 1)
    monkeypatch.setattr(gpu, "BATCH", 4)
    small = LlamaConfig(
        vocab_size=1000, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=32, use_cache=False,
    )  # fmt: skip
    found = {
        one.what.split(": ")[1]: one.value
        for one in gpu.decoder(open_device("fp32", 1), lora=lora, config=small, steps=3)
    }
    assert found["xtl"] > 0
    assert found["xtl beside (ii)"] > 0
    assert found["said by xtl plan, without activations"] > 0
    assert sum(memory.parameters(gpu.BILLION.to_dict())) == pytest.approx(1.24e9, rel=0.01), "Llama 3.2 1B's own figure"


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
