"""What the Makefile does that no other test sees: which torch the images get, and benches that go on after one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.readme import ROOT

INDEX = "https://download.pytorch.org/whl/cpu"


def make(*words: str, folder: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    mine = {name: value for name, value in os.environ.items() if name not in ("TORCH_INDEX", "PIP_FIND_LINKS")}
    return subprocess.run(
        ["make", "--no-print-directory", *words], cwd=folder, env={**mine, **env}, capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("env", [{}, {"PIP_FIND_LINKS": "wheels"}])
def test_the_stages_image_gets_pypis_torch_whatever_the_machine_has(env: dict[str, str]) -> None:
    asked = make("-n", "image", **env)
    assert "--target runtime" in asked.stdout, asked.stderr
    assert "TORCH_INDEX" not in asked.stdout


@pytest.mark.parametrize(("words", "env"), [([f"TORCH_INDEX={INDEX}"], {}), ([], {"TORCH_INDEX": INDEX})])
def test_or_that_of_the_index_that_was_named(words: list[str], env: dict[str, str]) -> None:
    runtime, cli = [line for line in make("-n", "image", *words, **env).stdout.splitlines() if " build " in line]
    assert f"--build-arg TORCH_INDEX={INDEX}" in runtime
    assert "TORCH_INDEX" not in cli


@pytest.mark.parametrize(("broken", "status"), [("bench.b", 2), ("none", 0)])
def test_benches_go_on_after_one_that_is_past_its_bound(broken: str, status: int, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("bench/_shared.py", "bench/a.py", "bench/b.py", "bench/c.py", ".venv/bin/python", ".venv/installed"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    python = tmp_path / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\necho "$2"; [ "$2" != {broken} ]\n')
    python.chmod(0o755)
    ended = make("bench", folder=tmp_path)
    assert ended.stdout.split() == ["bench.a", "bench.b", "bench.c"]
    assert ended.returncode == status
    assert (broken in ended.stderr) == bool(status)
