"""Fine-tuning on real samples: real word pieces a second of xtl against transformers' `Trainer`, by turns.

    python -m bench.training [--task mnli] [--steps 12] [--rounds 3]

(i) pads every example to the task's length, as XTREME's scripts do; (ii) pads to the longest of a batch and groups
examples by length. All three train the same XLM-R of 12 layers of 384 and the same head, in float32 on the same
examples, 32 a step, the same number of steps, each in a process of its own. (i) takes them in xtl's order, and without
dropout (whose draws differ) the curves of losses of the two are compared; (ii) changes which examples share a step, so
its curve is another one.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn
from torch.utils.data import SequentialSampler
from transformers import TrainingArguments, XLMRobertaConfig, XLMRobertaModel

from bench._figures import Figure, not_run, ratios, rounds, tell
from jobs import families, packed
from jobs.batching import Schedule
from jobs.device import open_device
from jobs.families.base import Feature
from jobs.tiny import train_tokenizer
from jobs.train import Part, Trainer
from tests.samples import DATA, HAVE
from xtl.architectures import Reads
from xtl.tasks import TASKS, source

BATCH, CURVE_STEPS = 32, 6
SETTINGS = {"lr": 2e-5, "batch": BATCH, "warmup": 0, "weight_decay": 0.01, "adam_eps": 1e-8, "clip": 1.0,
            "micro_tokens": 16384}  # fmt: skip

#: Seconds since the start, and the loss, after each step.
Curve = list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """length: what (i) pads to. least: the goals, times (i) and (ii)."""

    task: str
    length: int
    steps: int
    least: tuple[float, float] | None = None


CASES = (
    Case(task="mnli", length=128, steps=12, least=(2.8, 1.0)),
    Case(task="squad_v1", length=384, steps=5),
    Case(task="udpos", length=128, steps=8),
)
SIDES = ("xtl", f"(i) padded, transformers {transformers.__version__}", "(ii) grouped by length")


class Padded(nn.Module):
    """xtl's encoder and head under `Trainer`: the mean loss of a padded batch."""

    def __init__(self, encoder: Any, head: nn.Module, form: str, reads: str = "first") -> None:
        super().__init__()
        self.encoder, self.head, self.form, self.reads = encoder, head, form, reads

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.form == "pair":
            last = attention_mask.sum(1) - 1
            hidden = hidden[:, 0] if self.reads == "first" else hidden[torch.arange(len(hidden)), last]
        logits = self.head(hidden)
        if self.form == "span":
            logits = logits.masked_fill(attention_mask[..., None] == 0, -torch.inf)
        logits = logits if self.form == "pair" else logits.transpose(1, 2)
        if self.form == "span":
            logits, labels = logits.flatten(0, 1), labels.flatten()
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


class InOrder(transformers.Trainer):
    """Takes the examples as they come: they lie in the order in which xtl draws them."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return SequentialSampler(train_dataset or self.train_dataset)


def collated(rows: Sequence[dict[str, Any]], width: int | None) -> dict[str, Tensor]:
    """The padded batch of features; to the longest where no width is given. Tags stand at the pieces they are read
    at."""
    features = [row["feature"] for row in rows]
    width = width or max(map(len, features))
    pieces = torch.full((len(features), width), 1)
    mask = torch.zeros_like(pieces)
    tags = torch.full_like(pieces, -100)
    for row, feature in enumerate(features):
        pieces[row, : len(feature)] = torch.as_tensor(feature.pieces)
        mask[row, : len(feature)] = 1
        if "read" in feature.extra:
            tags[row, feature.extra["read"]] = torch.as_tensor(feature.labels)
    labels = tags if "read" in features[0].extra else torch.tensor([feature.labels for feature in features])
    return {"input_ids": pieces, "attention_mask": mask, "labels": labels}


class Study:
    """The model, its tokenizer and a task's real sample, as every side sees them. reads: where the model has read."""

    reads: Reads = "first"

    def __init__(self, case: Case = CASES[0]) -> None:
        self.case, self.settings = case, {**SETTINGS, "length": case.length}
        task = TASKS[case.task]
        listing = next(x for x in source.unit_listings(case.task, "", DATA) if x.split == "train")
        examples = list(islice(listing.read(), 400))
        self.tokenizer = self.tokens(text for e in examples for text in _texts(e))
        self.form = task.form
        self.family = families.make(task, self.tokenizer, self.settings, reads=self.reads)
        # Whole steps, so that an epoch ends where a step does.
        self.features = self.family.features(examples, train=True)[: 9 * BATCH]

    def tokens(self, texts: Iterable[str]) -> Any:
        return train_tokenizer(texts)

    def model(self, dropout: float) -> tuple[Any, nn.Module]:
        """Equal weights at every call. dropout: of the encoder and the head."""
        torch.manual_seed(0)
        config = XLMRobertaConfig(
            vocab_size=len(self.tokenizer), hidden_size=384, num_hidden_layers=12, num_attention_heads=12,
            intermediate_size=1536, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1,
            hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
        )  # fmt: skip
        encoder = XLMRobertaModel(config, add_pooling_layer=False)
        head = self.family.head(encoder)
        for module in head.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout if module.p else 0.0
        return encoder, head

    def ours(self, steps: int, dropout: float) -> Curve:
        encoder, head = self.model(dropout)
        assert packed.pack(encoder)
        settings = {**self.settings, "steps": steps}
        part = Part(name=self.case.task, family=self.family, head=head, features=self.features, settings=settings)
        trainer = Trainer(encoder, [part], seed=1, device=open_device("fp32", torch.get_num_threads()), pad=1)
        return _noted(lambda note: trainer.run(on_progress=lambda figures: note(trainer.loss or 0.0)))

    def theirs(self, steps: int, dropout: float, *, grouped: bool) -> Curve:
        """Of transformers' Trainer: (ii) if `grouped`, else (i)."""
        encoder, head = self.model(dropout)
        features = self.features if grouped else self.order(steps)
        with tempfile.TemporaryDirectory() as scratch:
            arguments = TrainingArguments(
                output_dir=scratch, max_steps=steps, per_device_train_batch_size=BATCH, learning_rate=SETTINGS["lr"],
                weight_decay=SETTINGS["weight_decay"], adam_epsilon=SETTINGS["adam_eps"], max_grad_norm=1.0,
                lr_scheduler_type="linear", warmup_steps=0, logging_steps=1, save_strategy="no", report_to=[],
                use_cpu=True, disable_tqdm=True, seed=1, remove_unused_columns=False,
                **({"train_sampling_strategy": "group_by_length"} if grouped else {}),
            )  # fmt: skip
            kind = transformers.Trainer if grouped else InOrder
            trainer = kind(
                model=Padded(encoder, head, self.form, self.reads), args=arguments,
                train_dataset=[{"input_ids": f.pieces, "feature": f} for f in features],
                data_collator=lambda rows: collated(rows, None if grouped else self.case.length),
                processing_class=self.tokenizer,
            )  # fmt: skip
            trainer.remove_callback(transformers.PrinterCallback)
            return _noted(lambda note: _follow(trainer, note))

    def order(self, steps: int) -> list[Feature]:
        """What xtl draws in so many steps, a step after another."""
        size = len(self.features)
        schedule = Schedule(sizes=(size,), batch=BATCH, weights=(size,), steps=steps, seed=1)
        return [self.features[i] for turn in range(steps) for i in schedule.draw(0, turn)]

    def real(self, steps: int) -> int:
        """Word pieces that are no padding, in so many steps."""
        return sum(len(feature) for feature in self.order(steps))


def _texts(example: dict[str, Any]) -> list[str]:
    joined = [" ".join(example["tokens"])] if "tokens" in example else []
    return joined + [example[name] for name in ("text_a", "text_b", "question", "context") if name in example]


def _follow(trainer: transformers.Trainer, note: Callable[[float], None]) -> None:
    class Follow(transformers.TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "loss" in logs:
                note(float(logs["loss"]))

    trainer.add_callback(Follow())
    trainer.train()


def _noted(run: Callable[[Callable[[float], None]], object]) -> Curve:
    begun, found = time.perf_counter(), []
    run(lambda loss: found.append((time.perf_counter() - begun, loss)))
    return found


def side(case: Case, name: str, steps: int, dropout: float) -> Curve:
    """One side, in this process."""
    torch.set_num_threads(os.cpu_count() or 1)
    study = Study(case)
    return study.ours(steps, dropout) if name == SIDES[0] else study.theirs(steps, dropout, grouped=name == SIDES[2])


def another(act: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(act, *arguments).result()


def alone(case: Case, name: str, steps: int, dropout: float) -> Curve:
    """One side, in a process of its own."""
    found: Curve = another(side, case, name, steps, dropout)
    return found


def seconds(curve: Sequence[tuple[float, float]]) -> float:
    """From the end of the first step (set-up is not training) to the end."""
    return curve[-1][0] - curve[0][0]


def figures(case: Case, steps: int, count: int) -> list[Figure]:
    spent: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(count):
        for name in SIDES:
            spent[name].append(seconds(alone(case, name, steps, 0.1)))
    curves = [[loss for _, loss in alone(case, name, CURVE_STEPS, 0.0)] for name in SIDES[:2]]
    assert len(curves[0]) == len(curves[1]) == CURVE_STEPS
    pieces = Study(case).real(steps) * (steps - 1) / steps
    goals = case.least or (None, None)
    return [
        *(
            ratios(f"{case.task}: xtl beside {name}", spent["xtl"], spent[name], least=goal)
            for name, goal in zip(SIDES[1:], goals, strict=True)
        ),
        *(
            rounds(f"{case.task}: {name}", [pieces / one for one in found], "real pieces/s")
            for name, found in spent.items()
        ),
        Figure(
            what=f"{case.task}: losses of {CURVE_STEPS} steps without dropout, xtl and (i), apart at most",
            value=1e6 * float(np.abs(np.subtract(*curves)).max()),
            unit="millionths",
            most=100,
        ),
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=[case.task for case in CASES])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    title = "training: XLM-R of 12 x 384, fp32"
    if not HAVE:
        return not_run(title, f"no real samples at {DATA}")
    found: list[Figure] = []
    for case in CASES:
        if given.task in (None, case.task):
            found += figures(case, given.steps or case.steps, given.rounds)
    return tell(title, found)


if __name__ == "__main__":
    raise SystemExit(main())
