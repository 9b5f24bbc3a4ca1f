"""How many word pieces a micro-batch may hold: the setting, or less where the GPU's memory has shown its limit.

Nothing is guessed. What does not fit is cut in half and goes on; where a single input does not fit, activations are
computed anew in the backward pass (gradient checkpointing). What was found is kept in the store for the next stage on a
GPU of the same kind.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from jobs.context import log
from jobs.device import Device
from xtl.errors import StoreError, UserError
from xtl.store import commit, layout
from xtl.store.base import Store

#: Of a GPU's memory, what steps may fill: the rest is for what the allocator cannot use.
USABLE = 0.9


@dataclass(kw_only=True)
class Limits:
    """pieces: the most word pieces of a micro-batch that fit, None while nothing is known. checkpointing: whether even
    one input needs gradient checkpointing. bytes_a_piece: measured, of activations and gradients."""

    pieces: int | None = None
    checkpointing: bool = False
    bytes_a_piece: int | None = None


@dataclass(kw_only=True)
class Budget:
    """setting: the grid's `micro_tokens`. remember: called with what was found out, each time."""

    setting: int
    limits: Limits = field(default_factory=Limits)
    remember: Callable[[dict[str, Any]], None] = lambda limits: None

    @property
    def pieces(self) -> int:
        return min(self.setting, self.limits.pieces or self.setting)

    def shrink(self, encoder: Any, held: int, least: int, name: str) -> None:
        """After a micro-batch did not fit: half of it, or gradient checkpointing where it cannot be cut.

        held: the word pieces of the largest micro-batch; least: of the largest input (or inputs that stay together).
        Raises UserError where nothing is left to try.
        """
        if held > least:
            self.limits.pieces = max(least, min(held, self.pieces) // 2)
            log.warning(
                "%s: %d word pieces do not fit into the GPU's memory: going on with %d", name, held, self.limits.pieces
            )
        elif not self.limits.checkpointing and encoder.supports_gradient_checkpointing:
            self.limits.checkpointing = True
            log.warning("%s: %d word pieces do not fit: going on with gradient checkpointing, slower", name, held)
        else:
            raise UserError(
                f"{name}: one input of {held} word pieces does not fit into the GPU's memory, even with gradient "
                "checkpointing: lower `length` in the grid, or take a GPU with more memory"
            )
        self.apply(encoder)
        self.remember(asdict(self.limits))

    def apply(self, encoder: Any) -> None:
        """Gradient checkpointing as the limits say."""
        if self.limits.checkpointing and not encoder.is_activation_checkpointing:
            encoder.activation_checkpointing_enable({"use_reentrant": False})

    def measure(self, device: torch.device, held: int) -> None:
        """After some steps on a GPU: what a word piece took, and so how many fit. held: of the largest micro-batch."""
        if device.type != "cuda" or self.limits.bytes_a_piece is not None:
            return
        kept = torch.cuda.memory_allocated(device)  # weights, moments, and what the last step left
        each = max(1, (torch.cuda.max_memory_allocated(device) - kept) // held)
        self.limits.bytes_a_piece = each
        room = int(USABLE * torch.cuda.get_device_properties(device).total_memory) - kept
        fits = max(held, room // each)  # what has fitted fits
        self.limits.pieces = min(fits, self.limits.pieces or fits)
        log.info("a word piece takes %.0f KiB of the GPU's memory: %d fit a micro-batch", each / 1024, fits)
        self.remember(asdict(self.limits))


def open_budget(
    store: Store, device: Device, config: Any, *, setting: int, length: int, method: str | int = "full"
) -> Budget:
    """The setting, and on a GPU what earlier stages found out about such a one with such an encoder and length. method:
    `full`, or the rank of the adapters."""
    if device.torch.type != "cuda":
        return Budget(setting=setting)
    encoder = ("model_type", "hidden_size", "num_hidden_layers", "intermediate_size", "vocab_size")
    return kept(
        store,
        {
            "gpu": torch.cuda.get_device_name(device.torch),
            "memory": torch.cuda.get_device_properties(device.torch).total_memory,
            "encoder": [getattr(config, name, None) for name in encoder],
            "precision": device.precision,
            "length": length,
            "method": method,
        },
        setting,
    )


def kept(store: Store, identity: Mapping[str, Any], setting: int) -> Budget:
    """A budget whose limits the store keeps under `identity`. A store that is away costs what it would tell."""
    name = layout.budget_name(hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest())

    def remember(limits: dict[str, Any]) -> None:
        try:
            commit.put_json(store, name, {**identity, "limits": limits})
        except StoreError as error:
            log.warning("what fits into the GPU's memory was not kept for later stages: %s", error)

    try:
        known = Limits(**(commit.get_json(store, name) or {"limits": {}})["limits"])
    except (StoreError, KeyError, TypeError) as error:
        log.warning("what fits into the GPU's memory is found out anew: %s", error)
        known = Limits()
    return Budget(setting=setting, limits=known, remember=remember)
