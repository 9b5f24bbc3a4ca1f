"""On a GPU: model FLOP utilisation on real tokens, peak memory, xtl beside transformers' `Trainer`; else skipped.

    python -m bench.gpu

XLM-R base and large with random weights, bf16 autocast over float32 weights, 32 examples a step, lengths as MNLI's and
SQuAD's real samples have them (quantiles below). Needs no network and about six minutes. (i) pads to 128 and 384; (ii)
groups by length. Utilisation counts 6 FLOPs a weight and real token (weights of the layers, not of the embeddings) and
12 x layers x size x length of attention, by the GPU's bf16 peak (xtl/estimate.py). Goals, on an H200: XLM-R large 45 %
at SQuAD's lengths and 35 % at MNLI's, 5 times (i), 1.5 times (ii). Then a decoder of one billion weights on MNLI's
lengths, all its weights and through adapters, its peak memory beside what `xtl plan` says of it; and neighbours at
BUCC's largest size, both ways.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from typing import Any

import numpy as np
import torch
import transformers
from transformers import LlamaConfig, LlamaModel, TrainingArguments, XLMRobertaConfig, XLMRobertaModel

from bench._figures import Figure, not_run, tell
from bench.training import BATCH, SETTINGS, Curve, Padded, _follow, _noted, collated
from jobs import adapters, families, packed
from jobs.device import Device, open_device
from jobs.families.base import Feature
from jobs.tiny import train_tokenizer
from jobs.train import Part, Trainer
from xtl import memory
from xtl.architectures import Reads
from xtl.estimate import GPUS, is_named
from xtl.tasks import TASKS

#: Sixteenths of the lengths of real samples, in word pieces (bench/training.py's tokenizer).
LENGTHS = {
    "mnli": (8, 20, 25, 28, 31, 36, 39, 41, 44, 47, 50, 55, 59, 62, 70, 84, 128),
    "squad_v1": (112, 123, 130, 140, 149, 155, 164, 174, 177, 183, 203, 219, 240, 263, 281, 336, 384),
}
LONGEST = {"mnli": 128, "squad_v1": 384}
#: (layers, size, heads): Conneau et al. 2020.
SHAPES = {"base": (12, 768, 12), "large": (24, 1024, 16)}
#: Of XLM-R large: utilisation in per cent, times (i), times (ii).
GOALS = {"mnli": (35.0, 5.0, 1.5), "squad_v1": (45.0, 5.0, 1.5)}
#: Llama 3.2 1B's config.json.
BILLION = LlamaConfig(
    vocab_size=128256, hidden_size=2048, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8,
    head_dim=64, intermediate_size=8192, max_position_embeddings=131072, use_cache=False, tie_word_embeddings=True,
)  # fmt: skip
STEPS, WARM, VOCABULARY = 40, 10, 250_002
BUCC = (460_000, 570_000, 1024)


class Study:
    """A shape and a task's lengths, with made-up pieces and labels."""

    def __init__(self, task: str, shape: tuple[int, int, int], device: Device, steps: int = STEPS) -> None:
        self.task, self.shape, self.device, self.steps = task, shape, device, steps
        self.settings = {**SETTINGS, "length": LONGEST[task], "steps": steps}
        self.family = families.make(
            TASKS[task], train_tokenizer(["a b c d e f g h"] * 20), self.settings, reads=self.reads
        )
        rng = np.random.default_rng(0)
        sizes = np.interp(rng.random(steps * BATCH), np.linspace(0, 1, 17), LENGTHS[task]).astype(int)
        self.features = [self._feature(rng, place, int(size)) for place, size in enumerate(sizes)]

    def _feature(self, rng: np.random.Generator, place: int, size: int) -> Feature:
        labels = place % 3 if self.task == "mnli" else (size // 2, size // 2 + 1)
        return Feature(example=place, pieces=rng.integers(5, 1000, size), labels=labels, extra={"context": 0})

    def model(self) -> tuple[Any, Any]:
        layers, size, heads = self.shape
        torch.manual_seed(0)
        config = XLMRobertaConfig(
            vocab_size=VOCABULARY, hidden_size=size, num_hidden_layers=layers, num_attention_heads=heads,
            intermediate_size=4 * size, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1,
        )  # fmt: skip
        encoder = XLMRobertaModel(config, add_pooling_layer=False)
        return encoder, self.family.head(encoder)

    @property
    def reads(self) -> Reads:
        return "first"

    def ours(self) -> Curve:
        encoder, head = self.model()
        encoder.to(self.device.torch)
        assert packed.pack(encoder)
        part = Part(name=self.task, family=self.family, head=head, features=self.features, settings=self.settings)
        trainer = Trainer(encoder, [part], seed=1, device=self.device, pad=1)
        return _noted(lambda note: trainer.run(on_progress=lambda figures: note(float(figures["step"]))))

    def theirs(self, *, grouped: bool) -> Curve:
        encoder, head = self.model()
        cpu = self.device.torch.type == "cpu"
        with tempfile.TemporaryDirectory() as scratch:
            arguments = TrainingArguments(
                output_dir=scratch, max_steps=self.steps, per_device_train_batch_size=BATCH, logging_steps=WARM,
                learning_rate=SETTINGS["lr"], max_grad_norm=1.0, save_strategy="no", report_to=[], disable_tqdm=True,
                bf16=not cpu, use_cpu=cpu, remove_unused_columns=False,
                **({"train_sampling_strategy": "group_by_length"} if grouped else {}),
            )  # fmt: skip
            trainer = transformers.Trainer(
                model=Padded(encoder, head, TASKS[self.task].form, self.reads), args=arguments,
                train_dataset=[{"input_ids": f.pieces, "feature": f} for f in self.features],
                data_collator=lambda rows: collated(rows, None if grouped else LONGEST[self.task]),
            )  # fmt: skip
            trainer.remove_callback(transformers.PrinterCallback)
            return _noted(lambda note: _follow(trainer, note))

    def flops(self) -> float:
        """Of a real token on average, forward and backward."""
        layers, size, _ = self.shape
        lengths = np.array([len(feature) for feature in self.features], dtype=float)
        return 6 * 12 * layers * size**2 + 12 * layers * size * float((lengths**2).sum() / lengths.sum())

    def rate(self, curve: Curve) -> float:
        """Real tokens a second after the first WARM steps; every side reads its loss every WARM steps."""
        pieces = sum(map(len, self.features)) / self.steps
        seconds, steps = curve[-1][0], self.steps
        first = curve[-1 - (steps - WARM) // WARM][0] if len(curve) > (steps - WARM) // WARM else 0.0
        return pieces * (steps - WARM) / (seconds - first)


class Decoder(Study):
    """Of Llama 3.2's shape of one billion weights. lora: through adapters, frozen weights in bf16."""

    def __init__(self, device: Device, *, lora: bool, config: LlamaConfig = BILLION, steps: int = STEPS) -> None:
        self.lora, self.config = lora, config
        super().__init__(
            "mnli", (config.num_hidden_layers, config.hidden_size, config.num_attention_heads), device, steps
        )

    @property
    def reads(self) -> Reads:
        return "last"

    def model(self) -> tuple[Any, Any]:
        torch.manual_seed(0)
        encoder = LlamaModel(copy.deepcopy(self.config))  # packing is noted in it
        if self.lora:
            encoder.to(torch.bfloat16)  # type: ignore[arg-type]
            adapters.add(encoder, {"rank": 16, "alpha": 32, "targets": "all-linear"}, seed=0)
        return encoder, self.family.head(encoder)

    def flops(self) -> float:
        """As `Study`'s, half of the attention; through adapters frozen weights have no gradients of their own."""
        layers, size, _ = self.shape
        lengths = np.array([len(feature) for feature in self.features], dtype=float)
        passes = 4 if self.lora else 6
        weights = memory.parameters(self.config.to_dict())[1]
        return passes * weights + passes * layers * size * float((lengths**2).sum() / lengths.sum())


def decoder(device: Device, *, lora: bool, config: LlamaConfig = BILLION, steps: int = STEPS) -> list[Figure]:
    study = Decoder(device, lora=lora, config=config, steps=steps)
    what = f"decoder of 1 B, mnli, {'adapters' if lora else 'all weights'}"
    on_gpu = device.torch.type == "cuda"
    rates, held = [], []
    for side in (study.ours, lambda: study.theirs(grouped=True)):
        if on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        rates.append(study.rate(side()))
        held.append(torch.cuda.max_memory_allocated() / 1e9 if on_gpu else 0.0)
    said = memory.resident(config.to_dict(), rank=16 if lora else None, half=device.precision == "bf16") / 1e9
    found = [
        Figure(what=f"{what}: xtl beside (ii)", value=rates[0] / rates[1], unit="times as fast"),
        Figure(what=f"{what}: xtl", value=rates[0], unit="real pieces/s"),
        Figure(what=f"{what}: peak memory, xtl", value=held[0], unit="GB"),
        Figure(what=f"{what}: said by xtl plan, without activations", value=said, unit="GB"),
    ]
    most = peak(torch.cuda.get_device_name()) if on_gpu else None
    if most:
        found.insert(0, Figure(what=f"{what}: of the bf16 peak", value=100 * rates[0] * study.flops() / most, unit="%"))
    return found


def peak(name: str) -> float | None:
    """The GPU's bf16 FLOP/s, by its name."""
    known = [tflops for gpu, (tflops, _) in GPUS.items() if is_named(name, gpu)]
    return known[0] * 1e12 if known else None


def figures(task: str, label: str, shape: tuple[int, int, int], device: Device, steps: int = STEPS) -> list[Figure]:
    study, what = Study(task, shape, device, steps), f"XLM-R {label}, {task}"
    on_gpu = device.torch.type == "cuda"
    rates, memory = [], []
    for side in (study.ours, lambda: study.theirs(grouped=False), lambda: study.theirs(grouped=True)):
        if on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        rates.append(study.rate(side()))
        memory.append(torch.cuda.max_memory_allocated() / 2**30 if on_gpu else 0.0)
    goals = label == "large" and on_gpu and is_named(torch.cuda.get_device_name(), "H200")
    used, padded, grouped = GOALS[task] if goals else (None, None, None)
    most = peak(torch.cuda.get_device_name()) if on_gpu else None
    found = [
        Figure(what=f"{what}: xtl beside (i)", value=rates[0] / rates[1], unit="times as fast", least=padded),
        Figure(what=f"{what}: xtl beside (ii)", value=rates[0] / rates[2], unit="times as fast", least=grouped),
        Figure(what=f"{what}: xtl", value=rates[0], unit="real pieces/s"),
        Figure(what=f"{what}: peak memory, xtl", value=memory[0], unit="GiB"),
        Figure(what=f"{what}: peak memory, (i)", value=memory[1], unit="GiB"),
    ]
    if most:
        share = 100 * rates[0] * study.flops() / most
        found.insert(0, Figure(what=f"{what}: of the bf16 peak", value=share, unit="%", least=used))
    return found


def mining(device: Device, shape: tuple[int, int, int] = BUCC) -> list[Figure]:
    """One tiled product serves both directions: 2 x n x m x size FLOPs, 0.54 PFLOP at BUCC's largest."""
    from jobs.neighbours import both_ways

    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((count, shape[2]), dtype=np.float32) for count in shape[:2])
    if device.torch.type == "cuda" and torch.cuda.mem_get_info()[0] < 2 * (x.nbytes + y.nbytes):
        return []  # a GPU too small for it has no figure
    begun = time.perf_counter()
    both_ways(x, y, 4, device=device.torch)
    what = f"neighbours both ways, {shape[0]:,} x {shape[1]:,} x {shape[2]:,}"
    on_h200 = device.torch.type == "cuda" and is_named(torch.cuda.get_device_name(), "H200")
    return [Figure(what=what, value=time.perf_counter() - begun, most=60.0 if on_h200 else None)]


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    title = "on a GPU: XLM-R with random weights in bf16"
    if not torch.cuda.is_available():
        return not_run(title, "torch finds no GPU")
    device = open_device("bf16", 8)
    found = mining(device)
    for label, shape in SHAPES.items():
        for task in LENGTHS:
            found += figures(task, label, shape, device)
    for lora in (False, True):
        found += decoder(device, lora=lora)
    return tell(f"{title}, {torch.cuda.get_device_name()}", found)


if __name__ == "__main__":
    raise SystemExit(main())
