"""Hyperparameters: the value in force for every task of a grid, and where each comes from.

From weakest to strongest: the preset (the published settings, on the task; of `authors`, the model's own over those of
XTREME's scripts; with adapters, LoRA's learning rate),
`train.ROLE.default`, `train.ROLE.TASK`, for an intermediate `train.intermediate.ARM` under the arm's spelling in the
grid, and what the grid says of a model alone. A mixture is optimised as a whole
with what holds for no task in particular (`task_key=None`), while each of its tasks keeps its own lengths.

Dropout is the model's own and no setting. Nothing here depends on the machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from xtl.authors import published
from xtl.tasks import TASKS, presets
from xtl.tasks.base import Settings, Task

if TYPE_CHECKING:
    from xtl.arms import Arm
    from xtl.grid import Grid
    from xtl.grid_models import StudyModel

Role = Literal["intermediate", "target"]

XTREME = "xtreme scripts"
XTL = "xtl default"

#: What trains: one set for an arm or a target. `steps` is in force where the grid gives it, and then epochs are not.
OPTIMISER = ("lr", "epochs", "steps", "batch", "warmup", "weight_decay", "adam_eps", "clip", "micro_tokens")

_REAL = {"lr", "warmup", "weight_decay", "adam_eps", "clip", "mask"}  # 0 and 0.0 are one value, and one key
#: Adapters want larger steps than weights: the rate at which Dettmers et al. 2023 (arXiv 2305.14314, appendix B) train
#: models of 7 B and 13 B.
LORA_RATE = (2e-4, "Dettmers et al. 2023")
MICRO_TOKENS = 16384  # any cut of a step gives the same update within rounding: this is memory against speed alone
_BY_FORM: Mapping[str, Mapping[str, tuple[Any, str]]] = {
    "span": {
        "stride": (128, XTREME),
        "question_length": (64, XTREME),
        "answer_length": (30, XTREME),
        "n_best": (20, XTREME),
    },
    "text": {"mask": (0.15, "Devlin et al. 2019")},
    "sentence": {"length": (512, XTREME), "layer": ("published", XTREME), "micro_tokens": (MICRO_TOKENS, XTL)},
}


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """values: plain JSON, what a stage's key holds. sources: for each of them, where it comes from."""

    values: Mapping[str, Any]
    sources: Mapping[str, str]


def layer_for(depth: int) -> int:
    """The hidden state that retrieval pools, 0 being the embeddings, for an encoder of `depth` blocks: 14 of 24 and 8
    of 12 as published for XTREME, else ceil(7 depth / 12)."""
    return {24: 14, 12: 8}.get(depth, math.ceil(7 * depth / 12))


def names(task: Task | None) -> tuple[str, ...]:
    """The hyperparameters a task has, in the order they are shown; those of a mixture as a whole for None."""
    if task is None:
        return OPTIMISER
    own = tuple(_BY_FORM.get(task.form, ()))
    if task.form == "sentence":
        return (*own, *(("neighbours",) if task.key == "bucc2018" else ()))
    return (*OPTIMISER, "length", *own)


def resolve(
    grid: Grid,
    role: Role,
    task_key: str | None,
    arm: Arm | None = None,
    model: StudyModel | None = None,
    config: Mapping[str, Any] | None = None,
) -> Resolved:
    """What is in force for a task in that role, for a model if one is given, with its config.json where that is at
    hand. For a mixture (`arm` with several parts) the optimiser's values are those of the whole (`task_key` None), and
    a task in it has only the others."""
    task = TASKS[task_key] if task_key else None
    mixed = task is not None and arm is not None and len(arm.parts) > 1
    allowed = tuple(name for name in names(task) if not (mixed and name in OPTIMISER))
    found = {name: value for name, value in _preset(task, role, grid.train.preset, config).items() if name in allowed}
    if model is not None and model.lora is not None and "lr" in found:
        found["lr"] = LORA_RATE
    overrides = [*_overrides(grid, role, (task_key, arm.spelling if arm else None))]
    if model is not None and model.hyper:
        overrides.append((f"model {model.name}", model.hyper))
    for where, override in overrides:
        for name, value in override.items():
            if name in allowed:
                found[name] = (value, f"grid {where}")
        for given, dropped in (("steps", "epochs"), ("epochs", "steps")):
            if given in override:
                found.pop(dropped, None)
    order = [name for name in allowed if name in found]
    values = {name: float(found[name][0]) if name in _REAL else found[name][0] for name in order}
    return Resolved(values=values, sources={name: found[name][1] for name in order})


def lengths(grid: Grid, model: StudyModel, config: Mapping[str, Any]) -> Iterator[tuple[str, int, bool]]:
    """The longest input, in word pieces, of each task of an arm and of each target, and whether it is trained on."""
    for arm in grid.arms:
        for part in arm.parts:
            yield arm.spelling, resolve(grid, "intermediate", part.task, arm, model, config).values["length"], True
    for target in grid.targets:
        found = resolve(grid, "target", target.task, model=model, config=config).values
        yield target.task, found["length"], bool(target.train_languages)


def _overrides(grid: Grid, role: Role, keys: tuple[str | None, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    given = grid.train.intermediate if role == "intermediate" else grid.train.target
    for name in dict.fromkeys(("default", *keys)):
        if name is not None and name in given:
            yield f"train.{role}.{name}", given[name]


def _preset(task: Task | None, role: Role, preset: str, config: Mapping[str, Any] | None) -> dict[str, tuple[Any, str]]:
    """Before any override."""
    own = dict(_BY_FORM.get(task.form, {})) if task else {}
    if task is not None and task.form == "sentence":
        return own | ({"neighbours": (4, XTREME)} if task.key == "bucc2018" else {})
    target = task is not None and role == "target"
    settings = task.settings["xtreme" if preset == "authors" else preset] if target and task else _intermediate(task)
    figures = {entry.name: (getattr(settings, entry.name), settings.source) for entry in fields(settings)}
    if target and task and preset == "authors" and (theirs := published(config or {}, task.key)):
        figures |= {name: (value, theirs.source) for name, value in theirs.settings.items()}
        if "steps" in theirs.settings:
            del figures["epochs"]
    return figures | {"micro_tokens": (MICRO_TOKENS, XTL)} | own


def _intermediate(task: Task | None) -> Settings:
    """jiant's defaults under any preset, since the XTREME scripts train no intermediates; also for a target's own
    task when it comes first (`xnli@de`)."""
    return presets.intermediate(384 if task is not None and task.form == "span" else 256)
