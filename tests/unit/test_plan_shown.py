"""`xtl plan` on terminals of several widths: nothing is cut, and what needs a stage is always told."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.grids import GRID, estimated, grid, inventory
from xtl.cli import common
from xtl.cli.plan import as_json, settings_in_force, show
from xtl.forecast import Need
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


def test_memory_is_told_of_models_whose_size_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    have = inventory(of)
    found = build(of, have)
    out = io.StringIO()
    monkeypatch.setattr(common, "console", lambda: Console(file=out, width=160, highlight=False))
    known = [
        Need(model="org/a", gpu="H100", trains=True, needs=8.72, has=80, with_adapters=2.0),
        Need(model="org/b", gpu="H100", trains=True, needs=134.2, has=80, with_adapters=16.4),
        Need(model="org/c", gpu="H100", trains=False, needs=32.1, has=80, with_adapters=None),
    ]
    show(of, found, set(), estimated(found, have), [], known)
    lines = [line for line in out.getvalue().splitlines() if line.startswith("Memory: ")]
    assert lines == [
        "Memory: org/a: training needs about 8.7 GB of a GPU's memory, and H100 has 80",
        "Memory: org/b: too large: training needs about 134 GB of a GPU's memory, and H100 has 80; "
        "`train: {method: lora}` needs about 16 GB",
        "Memory: org/c: scoring needs about 32 GB of a GPU's memory, and H100 has 80",
    ]
    body = as_json(of, found, set(), estimated(found, have), [], known)
    assert [(one["model"], one["fits"]) for one in body["memory"]] == [
        ("org/a", True),
        ("org/b", False),
        ("org/c", True),
    ]
