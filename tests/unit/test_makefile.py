"""What the Makefile does that no other test sees: which torch the images get."""

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
