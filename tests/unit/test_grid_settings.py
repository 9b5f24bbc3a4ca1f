"""Hyperparameters in force: which wins, where each comes from, and the published values."""

from __future__ import annotations

from pathlib import Path

import pytest

from xtl.grid import Grid, load
from xtl.settings import layer_for, names, resolve
from xtl.tasks import TASKS

GRID = """\
name: a
model: tiny
seeds: [1]
intermediates: [none, mnli, "xnli@de", {name: multi, tasks: [mnli, squad_v2]}, {name: nothing, tasks: ["xnli@fr"]}]
targets: all
"""


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    return with_train(tmp_path, "{}")


def with_train(folder: Path, train: str) -> Grid:
    path = folder / "g.yaml"
    path.write_text(f"{GRID}train: {train}\n")
    return load(path)


# lr, epochs, batch, length: shared FACTS' table of settings, its two rows.
PUBLISHED = [
    ("jiant", "xnli", (1e-5, 2, 32, 256)),
    ("jiant", "pawsx", (1e-5, 5, 32, 256)),
    ("jiant", "udpos", (1e-5, 10, 32, 256)),
    ("jiant", "panx", (1e-5, 10, 32, 256)),
    ("jiant", "xquad", (1e-5, 2, 16, 384)),
    ("jiant", "mlqa", (1e-5, 2, 16, 384)),
    ("jiant", "tydiqa", (1e-5, 2, 16, 384)),
    ("xtreme", "xnli", (3e-5, 5, 32, 128)),
    ("xtreme", "pawsx", (2e-5, 5, 32, 128)),
    ("xtreme", "udpos", (2e-5, 10, 32, 128)),
    ("xtreme", "panx", (2e-5, 10, 32, 128)),
    ("xtreme", "xquad", (3e-5, 3, 32, 384)),
    ("xtreme", "tydiqa", (3e-5, 3, 32, 384)),
]


@pytest.mark.parametrize(("preset", "task", "expected"), PUBLISHED)
def test_targets_have_the_preset_s_settings(tmp_path: Path, preset: str, task: str, expected: tuple) -> None:
    found = resolve(with_train(tmp_path, f"{{preset: {preset}}}"), "target", task)
    assert tuple(found.values[name] for name in ("lr", "epochs", "batch", "length")) == expected
    assert found.sources["lr"].lower().startswith(preset)


@pytest.mark.parametrize("preset", ["jiant", "xtreme", "authors"])
@pytest.mark.parametrize(("task", "length"), [("mnli", 256), ("xnli", 256), ("squad_v2", 384), ("tydiqa", 384)])
def test_intermediates_have_jiant_s_defaults_under_either_preset(
    tmp_path: Path, preset: str, task: str, length: int
) -> None:
    found = resolve(with_train(tmp_path, f"{{preset: {preset}}}"), "intermediate", task)
    assert [found.values[name] for name in ("lr", "epochs", "batch", "length")] == [1e-5, 3, 32, length]
    assert "jiant" in found.sources["epochs"]


def test_every_task_has_exactly_its_own_settings(grid: Grid) -> None:
    for key, task in TASKS.items():
        found = resolve(grid, "target" if task.target else "intermediate", key)
        assert set(found.values) == set(found.sources) == set(names(task)) - {"steps"}
    assert "lr" not in resolve(grid, "target", "tatoeba").values
    assert resolve(grid, "target", "bucc2018").values["neighbours"] == 4
    assert resolve(grid, "intermediate", "mlm").values["mask"] == 0.15


def test_the_narrower_override_wins_and_is_named(tmp_path: Path) -> None:
    train = "{intermediate: {default: {lr: 1, batch: 8}, xnli: {lr: 0.5, epochs: 7}, nothing: {lr: 0}}}"
    grid = with_train(tmp_path, train)
    arm = grid.arms[4]
    found = resolve(grid, "intermediate", "xnli", arm)
    assert (found.values["lr"], found.sources["lr"]) == (0, "grid train.intermediate.nothing")
    assert (found.values["epochs"], found.sources["epochs"]) == (7, "grid train.intermediate.xnli")
    assert (found.values["batch"], found.sources["batch"]) == (8, "grid train.intermediate.default")
    assert resolve(grid, "intermediate", "xnli", grid.arms[2]).values["lr"] == 0.5
    assert resolve(grid, "target", "xnli").values["lr"] == 1e-5


def test_a_mixture_is_optimised_as_a_whole(tmp_path: Path) -> None:
    grid = with_train(tmp_path, "{intermediate: {mnli: {epochs: 9, length: 64}, multi: {batch: 4}}}")
    whole = resolve(grid, "intermediate", None, grid.arms[3]).values
    assert (whole["epochs"], whole["batch"]) == (3, 4)
    assert "length" not in whole
    assert resolve(grid, "intermediate", "mnli", grid.arms[3]).values == {"length": 64}
    assert resolve(grid, "intermediate", "mnli", grid.arms[1]).values["epochs"] == 9


def test_steps_and_epochs_exclude_each_other(tmp_path: Path) -> None:
    grid = with_train(tmp_path, "{target: {default: {steps: 100}, xnli: {epochs: 1}}}")
    pawsx, xnli = resolve(grid, "target", "pawsx").values, resolve(grid, "target", "xnli").values
    assert (pawsx.get("steps"), pawsx.get("epochs")) == (100, None)
    assert (xnli.get("steps"), xnli.get("epochs")) == (None, 1)


def test_equal_values_are_equal_json(tmp_path: Path) -> None:
    """`warmup: 500` in a grid and 500 in a preset must not give two keys."""
    grid = with_train(tmp_path, "{preset: xtreme, target: {mlqa: {warmup: 500, weight_decay: 0.0001}}}")
    mlqa, xquad = (resolve(grid, "target", task).values for task in ("mlqa", "xquad"))
    assert repr(mlqa) == repr(xquad)


@pytest.mark.parametrize(("depth", "layer"), [(24, 14), (12, 8), (2, 2), (6, 4), (32, 19)])
def test_the_layer_that_retrieval_pools(depth: int, layer: int) -> None:
    assert layer_for(depth) == layer
