"""The training loop: whole optimiser steps over one or several tasks, resumable to the byte.

A step draws its items by seed and number, cuts them into micro-batches by a token budget and divides every loss by the
whole step's units, so that the cut changes nothing. torch's generator is seeded anew at each step from (seed, step):
nothing of the past but weights and optimiser moments is needed to go on. On one processor with one number of threads
the same stage gives the same bytes, interrupted or not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from jobs import packed, stop
from jobs.batching import Item, Schedule, items, micro_batches, steps_an_epoch
from jobs.device import Device
from jobs.families.base import Family, Feature
from jobs.optim import make_optimizer, rate
from xtl.errors import TrainingFailed, UserError

SAVE_SECONDS = 600.0


@dataclass(kw_only=True)
class Part:
    """One task of a stage: its family, its head, and what it trains on. cap: in a mixture, the most items that count
    for its share of the steps (capped examples-proportional mixing)."""

    name: str
    family: Family
    head: nn.Module
    features: list[Feature]
    settings: Mapping[str, Any]
    pieces_cut: int = 0  # word pieces that no training input holds
    cap: int | None = None

    def items(self) -> list[Item]:
        return items(self.features, together=self.family.together)


class Trainer:
    """An encoder, its heads and an optimiser, at some step of a schedule.

    A stage has one optimiser: its settings (lr, batch, epochs or steps, and so on) are the same in every part's;
    lengths and the like are each part's own.
    """

    def __init__(self, encoder: PreTrainedModel, parts: Sequence[Part], *, seed: int, device: Device, pad: int) -> None:
        self.encoder, self.parts, self.seed, self.device, self.pad = encoder, list(parts), seed, device, pad
        for part in self.parts:
            if not part.features:
                raise UserError(f"{part.name}: no training examples")
        self.settings = self.parts[0].settings
        self.items = [part.items() for part in self.parts]
        sizes = tuple(len(found) for found in self.items)
        batch = int(self.settings["batch"])
        counted = tuple(min(size, part.cap or size) for size, part in zip(sizes, self.parts, strict=True))
        self.steps = int(self.settings.get("steps") or 0)
        if not self.steps:
            self.steps = sum(steps_an_epoch(size, batch) for size in counted) * int(self.settings["epochs"])
        self.schedule = Schedule(sizes=sizes, batch=batch, weights=counted, steps=self.steps, seed=seed)
        self.order = self.schedule.parts()
        self.modules = nn.ModuleDict({"encoder": encoder, **{f"head_{i}": p.head for i, p in enumerate(self.parts)}})
        self.modules.to(device.torch)
        self.optimizer = make_optimizer(self.modules.values(), self.settings)
        self.step = 0
        self.looked = 0  # the last step after which on_epoch was called
        self.loss: float | None = None  # of the last step, averaged over its units
        self.pieces = 0  # word pieces trained on since the process started

    def run(
        self,
        *,
        on_progress: Callable[[dict[str, Any]], None] = lambda figures: None,
        on_epoch: Callable[[int], None] | None = None,
        save: Callable[[], None] = lambda: None,
    ) -> None:
        """Train to the last step. on_epoch is called after each epoch of a single-task stage, also where a resumed run
        stands at an epoch's end and has not looked yet; save, every ten minutes."""
        turns = [int((self.order[: self.step] == index).sum()) for index in range(len(self.parts))]
        began, first, saved = time.monotonic(), self.step, time.monotonic()
        while True:
            if on_epoch and self._epoch_ends() and self.looked < self.step:
                on_epoch(self.step)
                self.looked = self.step
            stop.check()
            if self.step == self.steps:
                return
            if time.monotonic() - saved > SAVE_SECONDS:
                save()
                saved = time.monotonic()
            part = int(self.order[self.step])
            self.modules.train()
            self.loss = self._step(part, turns[part])
            turns[part] += 1
            self.step += 1
            on_progress(self._figures(began, first))

    def _epoch_ends(self) -> bool:
        an_epoch = steps_an_epoch(self.schedule.sizes[0], self.schedule.batch)
        whole = len(self.parts) == 1 and self.step % an_epoch == 0
        return self.step > 0 and (whole or self.step == self.steps)

    def _step(self, index: int, turn: int) -> float:
        part = self.parts[index]
        torch.manual_seed(int(np.random.SeedSequence([self.seed, 4, self.step]).generate_state(1)[0]))
        batch = self._prepared(part, [self.items[index][i] for i in self.schedule.draw(index, turn)])
        units = sum(feature.units for item in batch for feature in item) or 1.0
        total = 0.0
        budget, packs = int(part.settings["micro_tokens"]), packed.is_packed(self.encoder)
        for features in micro_batches(batch, budget, packed=packs):
            with self.device.autocast():
                hidden, mask = encode(self.encoder, features, self.pad, self.device)
                loss = part.family.loss(part.head, hidden, features, mask)
            (loss / units).backward()
            total += float(loss.detach())
            self.pieces += sum(map(len, features))
        mean = total / units
        if not math.isfinite(mean):
            raise TrainingFailed(
                f"{part.name}: the loss is {mean} at step {self.step + 1} of {self.steps}; a lower learning rate "
                f"(now {self.settings['lr']:g}) or fp32 may help"
            )
        self._update()
        return mean

    @staticmethod
    def _prepared(part: Part, batch: list[Item]) -> list[Item]:
        ready = iter(part.family.prepare([feature for item in batch for feature in item]))
        return [[next(ready) for _ in item] for item in batch]

    def _update(self) -> None:
        nn.utils.clip_grad_norm_(self.modules.parameters(), float(self.settings["clip"]))
        factor = rate(self.step, self.steps, float(self.settings["warmup"]))
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings["lr"] * factor
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _figures(self, began: float, first: int) -> dict[str, Any]:
        spent = max(time.monotonic() - began, 1e-9)
        left = spent / (self.step - first) * (self.steps - self.step)
        return {
            "step": self.step,
            "steps": self.steps,
            "loss": None if self.loss is None else round(self.loss, 4),
            "tokens_per_second": round(self.pieces / spent),
            "seconds_left": round(left),
        }


def encode(encoder: PreTrainedModel, features: Sequence[Feature], pad: int, device: Device) -> tuple[Tensor, Tensor]:
    """Hidden states (features, longest, size) and the mask of real pieces; packed where the encoder runs so."""
    if packed.is_packed(encoder):
        return packed.encode(encoder, features, device.torch)
    inputs, mask = padded(features, pad, device)
    return encoder(**inputs).last_hidden_state, mask


def padded(features: Iterable[Feature], pad: int, device: Device) -> tuple[dict[str, Tensor], Tensor]:
    """Encoder inputs and the mask, (features, longest) int64: padded on the right."""
    features = list(features)
    shape = (len(features), max(map(len, features)))
    pieces = np.full(shape, pad, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    segments = np.zeros(shape, dtype=np.int64)
    for row, feature in enumerate(features):
        pieces[row, : len(feature)] = feature.pieces
        mask[row, : len(feature)] = 1
        if feature.segments is not None:
            segments[row, : len(feature)] = feature.segments
    inputs = {"input_ids": device.tensor(pieces), "attention_mask": device.tensor(mask)}
    if features[0].segments is not None:
        inputs["token_type_ids"] = device.tensor(segments)
    return inputs, inputs["attention_mask"]


def predict(
    encoder: PreTrainedModel,
    head: nn.Module,
    family: Family,
    features: Sequence[Feature],
    *,
    device: Device,
    pad: int,
    budget: int,
    on_progress: Callable[[dict[str, Any]], None] = lambda figures: None,
) -> list[Any]:
    """`family.outputs` of every feature, in the order given: one pass, sorted by length, batched by a token budget."""
    encoder.eval()
    head.eval()
    position = {id(feature): index for index, feature in enumerate(features)}
    found: list[Any] = [None] * len(features)
    done = 0
    with torch.inference_mode():
        for batch in micro_batches([[feature] for feature in features], budget, packed=packed.is_packed(encoder)):
            stop.check()
            with device.autocast():
                hidden, mask = encode(encoder, batch, pad, device)
                outputs = family.outputs(head, hidden, batch, mask)
            for feature, output in zip(batch, outputs, strict=True):
                found[position[id(feature)]] = output
            done += len(batch)
            on_progress({"step": done, "steps": len(features)})
    return found
