"""A line of code changed and the images built again: the layers of dependencies stay, and what is new is small."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.engine import CLI, RUNTIME, Engine
from tests.readme import ROOT

CONTEXT = ("Dockerfile", ".dockerignore", "pyproject.toml", "constraints.txt", "README.md", "xtl", "jobs", "k8s")
NEW_BYTES = 10e6
UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
REBUILD_SECONDS = 120.0


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the images are built from."""
    folder = tmp_path / "tree"
    folder.mkdir()
    for name in CONTEXT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def tag(engine: Engine) -> Iterator[str]:
    name = f"xtl-test-{secrets.token_hex(4)}"
    yield name
    engine.call("image", "rm", "--force", name)


def build(engine: Engine, tree: Path, target: str, tag: str) -> float:
    """Seconds it took."""
    index = os.environ.get("TORCH_INDEX") if target == "runtime" else None
    argument = ["--build-arg", f"TORCH_INDEX={index}"] if index else []
    began = time.monotonic()
    engine.call("build", "--target", target, *argument, "-t", tag, tree)
    return time.monotonic() - began


def new_bytes(engine: Engine, image: str, layers: int) -> float:
    """The size of the last so many layers: history tells the newest first, and of what made no layer that it has 0.
    docker tells bytes, podman rounded figures with a unit."""
    sizes = engine.call("history", "--human=false", "--format", "{{.Size}}", image).out.splitlines()
    pairs = [(*size.split(), "B")[:2] for size in sizes]
    return sum([number for one, unit in pairs if (number := float(one) * UNITS[unit])][:layers])


@pytest.mark.parametrize(("target", "image"), [("cli", CLI), ("runtime", RUNTIME)])
def test_a_changed_line_adds_one_small_layer(target: str, image: str, engine: Engine, tree: Path, tag: str) -> None:
    secret = secrets.token_hex(16)
    (tree / ".env").write_text(secret)
    (tree / "xtl/.env").write_text(secret)
    with (tree / "xtl/errors.py").open("a", encoding="utf-8") as file:
        file.write("\nCHANGED = True\n")
    with (tree / "README.md").open("a", encoding="utf-8") as file:
        file.write("\nMore.\n")
    took = build(engine, tree, target, tag)

    before, after = (engine.inspect("image", name)["RootFS"]["Layers"] for name in (image, tag))
    same = next((n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b), len(before))
    added = new_bytes(engine, tag, len(after) - same)
    print(f"{target}: built again in {took:.1f} s; {same} of {len(after)} layers as before, {added / 1e6:.2f} MB new")
    assert 0 < added < NEW_BYTES
    assert took < REBUILD_SECONDS
    assert len(after) - same <= 2  # the wheel of the code, and its installation

    changed = engine.run(tag, "-c", "import xtl.errors; print(xtl.errors.CHANGED)", entrypoint="python")
    assert changed.out == "True\n", changed
    places = ["/opt", "/wheel", "/tmp", "/home", "/usr/local/lib/python3.11/site-packages/xtl"]
    leaked = engine.run(tag, "-rl", secret, *places, entrypoint="grep")
    assert leaked.status == 1, leaked
