"""A training state on disk: weights, AdamW's moments, the step, and whatever the stage adds; safetensors and JSON only.

No generator's state is needed: the trainer seeds torch anew at each step.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from jobs.context import Context, log
from jobs.train import Trainer
from xtl.store import resume as resumable


def save(context: Context, trainer: Trainer, extra: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Put the trainer's state into the store; `extra` (JSON) and `tensors` are the stage's own."""
    folder = context.work / "state"
    shutil.rmtree(folder, ignore_errors=True)  # one at a time: XLM-R large's has 7 GB
    folder.mkdir()
    with context.phase("saving"):
        save_file(_cpu(_weights(trainer)), folder / "weights.safetensors")
        save_file(_cpu(_moments(trainer)), folder / "moments.safetensors")
        save_file(_cpu(tensors), folder / "extra.safetensors")
        state = {"step": trainer.step, "looked": trainer.looked, "loss": trainer.loss, "extra": extra}
        (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
        resumable.save(context.store, context.key, context.attempt, trainer.step, folder)
    shutil.rmtree(folder)
    log.info("saved the state at step %d of %d", trainer.step, trainer.steps)


def load(context: Context, trainer: Trainer) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Bring the newest whole state into the trainer; the stage's own part of it, or None where there is none."""
    found = resumable.latest(context.store, context.key, context.work / "resume")
    if found is None:
        return None
    _, folder = found
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    weights = load_file(folder / "weights.safetensors")
    with torch.no_grad():
        for name, tensor in _weights(trainer).items():
            tensor.copy_(weights[name])
    _set_moments(trainer, load_file(folder / "moments.safetensors"))
    trainer.step, trainer.looked, trainer.loss = state["step"], state["looked"], state["loss"]
    extra = load_file(folder / "extra.safetensors")
    shutil.rmtree(folder)
    log.info("going on from step %d of %d", trainer.step, trainer.steps)
    return state["extra"], extra


def _weights(trainer: Trainer) -> dict[str, Tensor]:
    """Every parameter that is trained, once (tied ones by their first name), and every buffer that is saved."""
    buffers = {name: value for name, value in trainer.modules.state_dict().items() if name in _buffers(trainer)}
    return {**trainer.trained, **buffers}


def _buffers(trainer: Trainer) -> set[str]:
    return {name for name, _ in trainer.modules.named_buffers()}


def _moments(trainer: Trainer) -> dict[str, Tensor]:
    names = {id(parameter): name for name, parameter in trainer.modules.named_parameters()}
    return {
        f"{names[id(parameter)]}|{moment}": value
        for parameter, state in trainer.optimizer.state.items()
        for moment, value in state.items()
    }


def _set_moments(trainer: Trainer, moments: Mapping[str, Tensor]) -> None:
    parameters = dict(trainer.modules.named_parameters())
    for full, value in moments.items():
        name, moment = full.rsplit("|", 1)
        parameter = parameters[name]
        trainer.optimizer.state[parameter][moment] = value.to(parameter.device)


def _cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
