"""`xtl plan` on terminals of several widths: nothing is cut, and what needs a stage is always told."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.grids import GRID, estimated, grid, inventory
from xtl.cli import common
from xtl.cli.plan import settings_in_force, show
from xtl.plan import build


@pytest.mark.parametrize("width", [60, 80, 160])
def test_no_cell_is_cut(width: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    have = inventory(of)
    found = build(of, have)
    out = io.StringIO()
    monkeypatch.setattr(common, "console", lambda: Console(file=out, width=width, highlight=False))
    show(of, found, set(), estimated(found, have), settings_in_force(of, have))
    shown = out.getvalue()
    assert "…" not in shown
    assert all(len(line) <= width for line in shown.splitlines())
    assert shown.count("to run") == len(found.stages)
    assert "To run: less than 0.1 GPU hours" in " ".join(shown.split())
    show(of, found, set(found.stages), estimated(found, have), settings_in_force(of, have))
    assert " ".join(out.getvalue().split()).count("All is done.") == 1
    assert " stages" in shown.split("settings in force")[0].split("needed by")[1]
    keys = sum(stage.key[:12] in shown for stage in found.stages.values())
    assert keys == (len(found.stages) if width == 160 else 0), "keys where there is room for all"


def test_settings_that_are_alike_are_shown_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    of = grid(GRID.replace("  - mnli\n", "  - mnli\n  - qqp\n"), tmp_path)
    out = io.StringIO()
    monkeypatch.setattr(common, "console", lambda: Console(file=out, width=100, highlight=False))
    have = inventory(of)
    found = build(of, have)
    show(of, found, set(), estimated(found, have), settings_in_force(of, have))
    shown = out.getvalue()
    assert "intermediate mnli, qqp " in shown
    assert shown.count("grid train.intermediate.default") == 2, "once for both arms, once for the mixture"
    assert "target tydiqa " in shown, "its rate is its own"
