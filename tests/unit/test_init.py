"""`xtl init`: the grid that it writes loads as it is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from xtl.cli.init import TEMPLATE
from xtl.grid import load


def init(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import typer; from xtl.cli.init import init; from xtl.errors import XtlError\n"
        "app = typer.Typer(pretty_exceptions_enable=False); app.command()(init)\n"
        "try: app()\n"
        "except XtlError as error: print(error); raise SystemExit(error.status)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_the_written_grid_loads(tmp_path: Path) -> None:
    assert init(cwd=tmp_path).returncode == 0
    grid = load(tmp_path / "grid.yaml")
    assert [arm.spelling for arm in grid.arms] == ["none", "mnli", "xnli@de"]
    assert len(grid.contrasts) == 2


def test_it_writes_over_nothing_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    refused = init("mine.yaml", cwd=tmp_path)
    assert (refused.returncode, path.read_text()) == (2, "precious")
    assert refused.stdout == "mine.yaml is there already: name another file, or give --force to write over it\n"
    assert init("mine.yaml", "--force", cwd=tmp_path).returncode == 0
    assert path.read_text() == TEMPLATE


def test_to_standard_output(tmp_path: Path) -> None:
    assert init("-", cwd=tmp_path).stdout == TEMPLATE
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", ["no/such/folder.yaml", "."])
def test_where_nothing_can_be_written(tmp_path: Path, where: str) -> None:
    result = init(where, "--force", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout.startswith(f"{where}: cannot be written: ")
    assert "Traceback" not in result.stderr


def test_what_the_comments_offer_works_too(tmp_path: Path) -> None:
    """Every commented-out line of the template, without its `#`, is as good as the rest."""
    path = tmp_path / "grid.yaml"
    path.write_text(re.sub(r"(?m)^  # (- |intermediate: |target: )", r"  \1", TEMPLATE))
    grid = load(path)
    assert [arm.label for arm in grid.arms] == ["none", "mnli", "xnli-de", "tydiqa-ko-1625", "prompted", "multi"]
    assert grid.train.intermediate["mnli"] == {"lr": 1e-5}
