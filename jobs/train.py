"""The training loop: whole optimiser steps over one or several tasks, resumable to the byte.

A step draws its items by seed and number, cuts them into micro-batches by a token budget and divides every loss by the
whole step's units, so that the cut changes nothing. torch's generator is seeded anew at each step from (seed, step):
nothing of the past but weights and optimiser moments is needed to go on. On one processor with one number of threads
the same stage gives the same bytes, interrupted or not.

On a GPU nothing in a step waits for it: the next step's batches are made by another thread meanwhile, and losses are
read every few steps.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from jobs import packed, stop
from jobs.batch import Batch, encode, make_batch
from jobs.batching import Item, Items, Schedule, micro_batches, steps_an_epoch
from jobs.budget import Budget
from jobs.device import Device
from jobs.families.base import Family, Feature
from jobs.optim import make_optimizer, rate
from xtl.errors import TrainingFailed, UserError

SAVE_SECONDS = 600.0
#: On a GPU, steps from one look at the loss to the next: each look waits until the GPU is done.
READ_STEPS = 10
#: The step after whose gradients memory is measured: the optimiser's moments are there, the allocator has settled.
MEASURED_STEP = 2
#: Batches made ahead of a prediction.
AHEAD = 2


@dataclass(kw_only=True)
class Part:
    """One task of a stage: its family, its head, and what it trains on. cap: in a mixture, the most items that count
    for its share of the steps (capped examples-proportional mixing)."""

    name: str
    family: Family
    head: nn.Module
    features: Sequence[Feature]
    settings: Mapping[str, Any]
    labels: Sequence[str] | None = None
    pieces_cut: int = 0  # word pieces that no training input holds
    cap: int | None = None

    def items(self) -> Items:
        return Items(self.features, together=self.family.together)


@dataclass(kw_only=True)
class Ready:
    """A step's items as the encoder will see them, their units, and the batches that a budget cut them into."""

    index: int
    items: list[Item]
    units: float
    budget: int
    batches: list[Batch]


class Trainer:
    """An encoder, its heads and an optimiser, at some step of a schedule.

    A stage has one optimiser: its settings (lr, batch, epochs or steps, and so on) are the same in every part's;
    lengths and the like are each part's own.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        parts: Sequence[Part],
        *,
        seed: int,
        device: Device,
        pad: int,
        budget: Budget | None = None,
    ) -> None:
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
        self.budget = budget or Budget(setting=int(self.settings["micro_tokens"]))
        self.budget.apply(encoder)
        self.step = 0
        self.looked = 0  # the last step after which on_epoch was called
        self.loss: float | None = None  # of the last step that was read, averaged over its units
        self._unread: list[Tensor] = []  # losses of the steps since
        self.pieces = 0  # word pieces trained on since the process started

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """What training changes, by name, each once: adapters leave the encoder's own weights as they are."""
        return {name: value for name, value in self.modules.named_parameters() if value.requires_grad}

    def run(
        self,
        *,
        on_progress: Callable[[dict[str, Any]], None] = lambda figures: None,
        on_epoch: Callable[[int], None] | None = None,
        save: Callable[[], None] = lambda: None,
    ) -> None:
        """Train to the last step. on_epoch is called after each epoch of a single-task stage, also where a resumed run
        stands at an epoch's end and has not looked yet; save, every ten minutes; on_progress, whenever losses are
        read, and after the first step."""
        turns = [int((self.order[: self.step] == index).sum()) for index in range(len(self.parts))]
        began, first, saved = time.monotonic(), self.step, time.monotonic()
        with ThreadPoolExecutor(1, thread_name_prefix="xtl-batches") as ahead:
            coming = self._begin(ahead, self.step, turns)
            while True:
                if on_epoch and self._epoch_ends() and self.looked < self.step:
                    on_epoch(self.step)
                    self.looked = self.step
                stop.check()
                if coming is None:
                    return
                if time.monotonic() - saved > SAVE_SECONDS:
                    save()
                    saved = time.monotonic()
                ready = coming.result()
                coming = self._begin(ahead, self.step + 1, turns)
                self.modules.train()
                self._step(ready)
                self.step += 1
                if self._must_read(first):
                    self._read()
                    on_progress(self._figures(began, first))

    def _epoch_ends(self) -> bool:
        an_epoch = steps_an_epoch(self.schedule.sizes[0], self.schedule.batch)
        whole = len(self.parts) == 1 and self.step % an_epoch == 0
        return self.step > 0 and (whole or self.step == self.steps)

    def _begin(self, ahead: ThreadPoolExecutor, step: int, turns: list[int]) -> Future[Ready] | None:
        """Start making a step; None after the last. turns: how often each part has had its turn, counted on here."""
        if step == self.steps:
            return None
        index = int(self.order[step])
        turns[index] += 1
        return ahead.submit(self._make, step, index, turns[index] - 1)

    def _make(self, step: int, index: int, turn: int) -> Ready:
        part, budget = self.parts[index], self.budget.pieces
        drawn = [self.items[index][i] for i in self.schedule.draw(index, turn)]
        random = np.random.default_rng([self.seed, 8, step])
        prepared = iter(part.family.prepare([feature for item in drawn for feature in item], random))
        batch = [[next(prepared) for _ in item] for item in drawn]
        return Ready(
            index=index,
            items=batch,
            units=sum(feature.units for item in batch for feature in item) or 1.0,
            budget=budget,
            batches=self._cut(part, batch, budget),
        )

    def _cut(self, part: Part, batch: list[Item], budget: int) -> list[Batch]:
        cut = micro_batches(batch, budget, packed=packed.is_packed(self.encoder))
        return [make_batch(self.encoder, part.family, features, self.pad) for features in cut]

    def _step(self, ready: Ready) -> None:
        """One optimiser step. Where it does not fit into the GPU's memory, again with smaller micro-batches."""
        part = self.parts[ready.index]
        if ready.budget != self.budget.pieces:  # it was made before the last step did not fit
            ready.batches = self._cut(part, ready.items, self.budget.pieces)
        while not self._gradients(part, ready):
            self.optimizer.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            held = max(batch.pieces for batch in ready.batches)
            least = max(sum(map(len, item)) for item in ready.items)
            self.budget.shrink(self.encoder, held, least, part.name)
            ready.batches = self._cut(part, ready.items, self.budget.pieces)
        if self.step == MEASURED_STEP:
            self.budget.measure(self.device.torch, max(batch.pieces for batch in ready.batches))
        self._update()

    def _gradients(self, part: Part, ready: Ready) -> bool:
        """The whole step's; False where memory ran out on the way."""
        torch.manual_seed(int(np.random.SeedSequence([self.seed, 4, self.step]).generate_state(1)[0]))
        total, pieces = torch.zeros((), device=self.device.torch), 0
        try:
            for batch in ready.batches:
                here = batch.to(self.device.torch)
                with self.device.autocast():
                    loss = part.family.loss(part.head, encode(self.encoder, here), here.given) / ready.units
                loss.backward()
                total += loss.detach()
                pieces += batch.pieces
        except torch.OutOfMemoryError:
            return False
        self._unread.append(total)
        self.pieces += pieces
        return True

    def _must_read(self, first: int) -> bool:
        every = 1 if self.device.torch.type == "cpu" else READ_STEPS
        return self.step == first + 1 or self.step % every == 0 or self.step == self.steps or self._epoch_ends()

    def _read(self) -> None:
        losses = torch.stack(self._unread).tolist()
        self._unread.clear()
        for step, loss in enumerate(losses, self.step - len(losses) + 1):
            if not math.isfinite(loss):
                name = self.parts[int(self.order[step - 1])].name
                raise TrainingFailed(
                    f"{name}: the loss is {loss} at step {step} of {self.steps}; a lower learning rate "
                    f"(now {self.settings['lr']:g}) or fp32 may help"
                )
        self.loss = losses[-1]

    def _update(self) -> None:
        nn.utils.clip_grad_norm_(self.trained.values(), float(self.settings["clip"]))
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
    """`family.outputs` of every feature, in the order given: one pass, sorted by length, batched by a token budget; the
    next batch is made while the last is computed. What does not fit into a GPU's memory is cut in half."""
    encoder.eval()
    head.eval()
    position = {id(feature): index for index, feature in enumerate(features)}
    found: list[Any] = [None] * len(features)
    done = 0
    cut = micro_batches(Items(features, together=family.together), budget, packed=packed.is_packed(encoder))

    def make(some: Sequence[Feature]) -> Batch:
        return make_batch(encoder, family, some, pad)

    with torch.inference_mode(), ThreadPoolExecutor(1, thread_name_prefix="xtl-batches") as ahead:
        coming = deque(ahead.submit(make, some) for some in cut[:AHEAD])
        for following in [*cut[AHEAD:], *[None] * len(coming)]:
            stop.check()
            batch = coming.popleft().result()
            if following is not None:
                coming.append(ahead.submit(make, following))
            outputs = _outputs(encoder, head, family, batch, device, make)
            for feature, output in zip(batch.features, outputs, strict=True):
                found[position[id(feature)]] = output
            done += len(batch.features)
            on_progress({"step": done, "steps": len(features)})
    return found


def _outputs(
    encoder: PreTrainedModel,
    head: nn.Module,
    family: Family,
    batch: Batch,
    device: Device,
    make: Callable[[Sequence[Feature]], Batch],
) -> list[Any]:
    try:
        here = batch.to(device.torch)
        with device.autocast():
            return family.outputs(head, encode(encoder, here), here.given, batch.features)
    except torch.OutOfMemoryError:
        parts = Items(batch.features, together=family.together)
        if len(parts) == 1:
            raise UserError(
                f"one input of {batch.pieces} word pieces does not fit into the GPU's memory: lower `length` in the "
                "grid, or take a GPU with more memory"
            ) from None
    torch.cuda.empty_cache()
    half = len(parts) // 2
    return [
        output
        for side in (range(half), range(half, len(parts)))
        for output in _outputs(encoder, head, family, make([x for place in side for x in parts[place]]), device, make)
    ]
