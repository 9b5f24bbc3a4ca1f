"""README's longer promises, carried out: the data set that it adds, and a study of one's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.readme import ROOT, blocks, section

GRID = """
name: added
model: tiny
seeds: [1]
intermediates: [none, headlines]
targets: [{task: pawsx, languages: [en]}]
train: {target: {default: {epochs: 1}}}
precision: fp32
data: data
store: store
"""
HEADLINES = 'id\tfirst\tsecond\tfollows\n7\tIt rains\tIt is wet\tyes\n8\tIt rains\tIt is "dry"\tno\n'
PAWS = "id\tsentence1\tsentence2\tlabel\n1\ta b\tb a\t0\n2\ta b\ta b\t1\n"


@pytest.fixture
def added(tmp_path: Path) -> Path:
    """A copy of the packages with README's file in it, since nothing but that file is meant to be needed."""
    (code,) = blocks("python", (ROOT / "docs/data-sets.md").read_text(encoding="utf-8"))
    for package in ("xtl", "jobs"):
        copytree(ROOT / package, tmp_path / package, ignore=ignore_patterns("__pycache__"))
    put(tmp_path, {"xtl/tasks/headlines.py": code, "grid.yaml": GRID})
    put(tmp_path / "data/headlines", {"train.tsv": HEADLINES, "dev.tsv": HEADLINES})
    put(tmp_path / "data/paws-x/x-final/en", {f"{name}.tsv": PAWS for name in ("train", "dev_2k", "test_2k")})
    return tmp_path


def put(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def xtl(folder: Path, *arguments: str) -> str:
    """What the command line of the packages in that folder prints."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "xtl.cli.app", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_data_set_that_it_adds_is_one_file(added: Path) -> None:
    listed = json.loads(xtl(added, "data", "ls", "--from", "data", "-o", "json", "headlines"))
    assert listed["headlines"]["en"]["train"]["labels"] == {"no": 1, "yes": 1}
    shown = xtl(added, "data", "show", "headlines", "--from", "data", "-o", "jsonl")
    assert json.loads(shown.splitlines()[1]) == {
        "id": "8",
        "text_a": "It rains",
        "text_b": 'It is "dry"',
        "label": "no",
    }
    titles = {stage["title"] for stage in json.loads(xtl(added, "plan", "grid.yaml", "-o", "json"))["stages"]}
    assert titles >= {"fetch headlines", "intermediate headlines seed 1", "target pawsx after headlines seed 1"}


@pytest.mark.slow
def test_the_data_set_that_it_adds_trains(added: Path) -> None:
    assert "headlines" in xtl(added, "run", "grid.yaml")
    (log,) = [
        path for path in added.glob("store/stages/*/attempts/*/log.txt") if "headlines dev en" in path.read_text()
    ]
    assert "committed by this attempt" in log.read_text()


@pytest.mark.slow
def test_the_study_of_ones_own_runs_as_written(tmp_path: Path) -> None:
    """Its commands, in order, in the folder that they are written for."""
    text = section("A study of your own")
    before, after, *_ = blocks("sh", text)
    (grid,) = blocks("yaml", text)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(script: str) -> str:
        lines = [line for line in script.splitlines() if not line.startswith(". ")]  # this environment stands in
        done = subprocess.run(
            ["bash", "-euc", "\n".join(lines)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("xtl data demo demo-study/data")
    assert "1,200" in run(before)
    (tmp_path / "my-study.yaml").write_text(grid, encoding="utf-8")
    shown = run(after)
    assert "my-study: zero-shot scores" in shown
    assert "committed by this attempt" in shown
    results = tmp_path / "runs/grids/my-study"
    assert {path.name for path in results.iterdir()} >= {"scores.csv", "scores.parquet", "scores.md", "submissions"}
