"""Low-rank adapters (LoRA, Hu et al. 2021) through peft: the encoder's own weights stay as they are, what is trained
and kept are a few megabytes beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel

from xtl.errors import MissingPackage, ModelError, UserError

FOLDER = "adapter"
FILES = ("adapter_config.json", "adapter_model.safetensors")
_OUTSIDE = "base_model.model."  # how peft's own files call what its wrapper holds


def add(encoder: PreTrainedModel, lora: Mapping[str, Any], *, seed: int) -> None:
    """New adapters, which change nothing yet (the second matrix of each starts at zero), and nothing else to train.

    lora: rank, alpha, targets (`all-linear`, or names of layers). Raises UserError where no layer has such a name.
    """
    config = _peft().LoraConfig(
        r=lora["rank"], lora_alpha=lora["alpha"], target_modules=lora["targets"], lora_dropout=0.0, bias="none"
    )
    torch.manual_seed(int(np.random.SeedSequence([seed, 9]).generate_state(1)[0]))
    try:
        _adapted(encoder, config)
    except ValueError as error:
        names = sorted({name.split(".")[-1] for name, layer in encoder.named_modules() if isinstance(layer, nn.Linear)})
        raise UserError(
            f"train: targets: {' '.join(lora['targets'])}: no layer is called so, or none that adapters go with; this "
            f"model's linear layers: {' '.join(names)}"
        ) from error
    _only_adapters(encoder)


def go_on(encoder: PreTrainedModel, folder: Path) -> None:
    """The adapters in a folder, to be trained further."""
    _loaded(encoder, folder)
    _only_adapters(encoder)


def merge(encoder: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The encoder with the adapters in a folder made part of its weights."""
    merged: PreTrainedModel = _loaded(encoder, folder).merge_and_unload()
    return merged


def save(encoder: PreTrainedModel, folder: Path) -> None:
    """The adapters alone, as peft keeps them."""
    folder.mkdir(parents=True, exist_ok=True)
    found = _peft().get_peft_model_state_dict(encoder)
    tensors = {_OUTSIDE + name: value.detach().cpu().contiguous() for name, value in found.items()}
    save_file(tensors, folder / FILES[1], metadata={"format": "pt"})
    encoder.peft_config["default"].save_pretrained(folder)


def _loaded(encoder: PreTrainedModel, folder: Path) -> Any:
    """peft's side of an encoder that has the adapters in a folder, every weight accounted for."""
    peft = _peft()
    tuner = _adapted(encoder, peft.LoraConfig.from_pretrained(str(folder)))
    tensors = {name.removeprefix(_OUTSIDE): value for name, value in load_file(folder / FILES[1]).items()}
    wanted = peft.get_peft_model_state_dict(encoder)
    if wrong := sorted(wanted.keys() ^ tensors.keys()):
        raise ModelError(f"{len(wrong)} adapter weights missing or unexpected: {', '.join(wrong[:5])}")
    peft.set_peft_model_state_dict(encoder, tensors)
    return tuner


def _adapted(encoder: PreTrainedModel, config: Any) -> Any:
    """Not by `get_peft_model`, whose wrapper is nothing to the trainer."""
    from peft.tuners.lora import LoraModel

    return LoraModel(encoder, config, "default")


def _only_adapters(encoder: PreTrainedModel) -> None:
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_("lora_" in name)
        if parameter.requires_grad:
            parameter.data = parameter.data.float()  # whatever the encoder's own are


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise MissingPackage("peft", "jobs") from error
    return peft
