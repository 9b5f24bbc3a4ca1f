"""What may be imported where: the control plane stays light, and only the modules named here speak to the outside."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "datasets", "accelerate", "tokenizers")
SLOW = ("pydantic", "yaml", "boto3", "botocore", "numpy", "pyarrow", "scipy", "rich", "huggingface_hub", "kubernetes")
PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE = {"torch.load", "torch.save"} | {
    f"yaml.{name}"
    for name in ("load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all")
    + ("Loader", "CLoader", "FullLoader", "CFullLoader", "UnsafeLoader", "CUnsafeLoader")
}

WALK = """
import importlib, json, pkgutil, sys, xtl
names = [module.name for module in pkgutil.walk_packages(xtl.__path__, "xtl.")]
for name in names:
    importlib.import_module(name)
print(json.dumps([names, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
START = """
import json, sys, xtl.cli.app
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def fresh(code: str) -> list:
    """What the code prints, in a process of its own: this one has imported too much already."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_no_module_of_the_control_plane_imports_what_trains() -> None:
    names, loaded = fresh(WALK)
    files = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in sources("xtl")}
    assert {name.removesuffix(".__init__") for name in files} - {"xtl"} == set(names)
    assert not set(HEAVY) & set(loaded)


def test_the_command_line_starts_without_what_it_may_not_need() -> None:
    assert not {*HEAVY, *SLOW} - {"rich"} & set(fresh(START))  # typer prints its help with rich


@cache
def sources(*folders: str) -> tuple[Path, ...]:
    return tuple(sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> Iterator[str]:
    """Top-level names of the packages a file imports, wherever in the file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def importers(package: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in sources("xtl", "jobs") if package in imported(path)}


def test_the_store_alone_speaks_s3() -> None:
    found = importers("boto3") | importers("botocore") | importers("s3transfer")
    assert found
    assert all(name.startswith("xtl/store/") for name in found), found


def test_one_module_at_most_speaks_to_kubernetes() -> None:
    assert importers("kubernetes") <= {"xtl/cluster.py"}


def unsafe(path: Path) -> Iterator[str]:
    """What in a file could run code that comes with its data."""
    yield from sorted(PICKLES & set(imported(path)))
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (whole := f"{node.value.id}.{node.attr}") in UNSAFE:
                yield f"line {node.lineno}: {whole}"
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            yield f"line {node.value.lineno}: allow_pickle"


def test_nothing_is_unpickled_and_yaml_is_read_safely() -> None:
    found = {str(path.relative_to(ROOT)): list(unsafe(path)) for path in sources("xtl", "jobs", "tests", "bench")}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "code", ["import pickle", "import yaml\nyaml.load(text)", "import torch\ntorch.load(path)", "f(allow_pickle=True)"]
)
def test_the_check_finds_what_it_looks_for(code: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(code, encoding="utf-8")
    assert list(unsafe(path))
