"""AdamW without decay on biases and LayerNorm, linear warm-up and decay, clipping: the published recipe of both
jiant and XTREME's scripts (FACTS: settings), which differ in the figures only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

#: torch's own normalisation layers and the ones that transformers defines; by class and by name, as models differ.
_NORMS = ("LayerNorm", "RMSNorm", "layer_norm", "layernorm", "norm.")


def parameter_groups(modules: Iterable[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: decayed, and biases and norms. Each parameter once, in the order of the modules."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    seen: set[int] = set()
    for module in modules:
        for name, parameter in module.named_parameters():
            if id(parameter) in seen or not parameter.requires_grad:
                continue
            seen.add(id(parameter))
            exempt = name.endswith("bias") or any(norm in name for norm in _NORMS)
            (plain if exempt else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def make_optimizer(modules: Iterable[nn.Module], settings: Mapping[str, Any]) -> torch.optim.AdamW:
    """AdamW over every parameter of the modules, in one pass over them a step."""
    groups = parameter_groups(modules, settings["weight_decay"])
    return torch.optim.AdamW(groups, lr=settings["lr"], eps=settings["adam_eps"], betas=(0.9, 0.999), fused=True)


def rate(step: int, steps: int, warmup: float) -> float:
    """The factor on the learning rate at `step` (from 0): linear up over the warm-up, linear down to 0 at `steps`.

    warmup: a share of all steps if below 1, else a number of steps.
    """
    rising = round(warmup * steps) if warmup < 1 else int(warmup)
    if step < rising:
        return step / max(1, rising)
    return max(0.0, (steps - step) / max(1, steps - rising))
