"""The grid's `train`: the preset, and hyperparameters that override it (what is then in force: `settings.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from xtl.arms import NONE, PROMPTED, Arm
from xtl.grid_errors import Problems, choose, show
from xtl.grid_schema import Hyper, TrainSheet
from xtl.settings import names
from xtl.tasks import TASKS
from xtl.tasks.base import Task
from xtl.yaml_lines import Loc


@dataclass(frozen=True, kw_only=True)
class Train:
    """The preset and what overrides it: hyperparameters by `default` and by task; an intermediate's by arm, too."""

    preset: Literal["jiant", "xtreme", "authors"] = "jiant"
    intermediate: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    target: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_train(raw: object, arms: Sequence[Arm], written: Sequence[str], problems: Problems) -> Train:
    """`written` are the spellings of all arms in the file, broken ones too."""
    if isinstance(raw, dict):
        for name in (name for name in raw if name in Hyper.model_fields):
            where = f"train.target.default.{name}, train.intermediate.default.{name}, or a task's name for default"
            problems.at(("train", name), f"train.{name}: a hyperparameter is of a role: write {where}", key=True)
        raw = {name: value for name, value in raw.items() if name not in Hyper.model_fields}
    sheet = problems.read(TrainSheet, {} if raw is None else raw, ("train",))
    if sheet is None:
        return Train()
    tasks: dict[str, Task | None] = {key: task for key, task in TASKS.items() if task.intermediate}
    single = {arm.spelling: TASKS[arm.parts[0].task] for arm in arms if len(arm.parts) == 1}
    named = {spelling: single.get(spelling) for spelling in written if spelling not in (NONE, PROMPTED)}
    targets: dict[str, Task | None] = {key: task for key, task in TASKS.items() if task.target}
    return Train(
        preset=sheet.preset,
        intermediate=_overrides(sheet.intermediate, "intermediate", {**named, **tasks}, problems),
        target=_overrides(sheet.target, "target", targets, problems),
    )


def _overrides(
    given: Mapping[str, Any], role: str, valid: Mapping[str, Task | None], problems: Problems
) -> dict[str, dict[str, Any]]:
    found = {}
    for name, raw in given.items():
        loc: Loc = ("train", role, name)
        if name != "default" and name not in valid:
            keys = choose(name, ["default", *valid], among="valid keys")
            problems.at(loc, f"unknown key {show(name)} in train.{role}{keys}", key=True)
        hyper = problems.read(Hyper, {} if raw is None else raw, loc)
        if hyper is not None:
            found[name] = hyper.model_dump(exclude_none=True)
            _check(found[name], valid.get(name), loc, problems)
    return found


def _check(values: Mapping[str, Any], task: Task | None, loc: Loc, problems: Problems) -> None:
    if "epochs" in values and "steps" in values:
        problems.at((*loc, "steps"), "both epochs and steps are given: keep one")
    for name in values:
        if task is not None and name not in names(task):
            what = f"{task.key} has no setting {name!r}; its settings: {' '.join(names(task))}"
            problems.at((*loc, name), what, key=True)
