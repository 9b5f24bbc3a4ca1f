"""Fine-tuning on real MNLI: real word pieces a second of xtl against transformers' `Trainer` in this process, by turns.

    python -m bench.training [--steps 12] [--rounds 3] [--json FILE]

(i) pads every example to 128, as XTREME's scripts do; (ii) pads to the longest of a batch and groups examples by
length. All three train the same XLM-R of 12 layers of 384 and the same head, in float32 on the same examples, 32 a
step, the same number of steps. (i) takes them in xtl's order, and without dropout (whose draws differ) the curves of
losses of the two are compared; (ii) changes which examples share a step, so its curve is another one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn
from torch.utils.data import SequentialSampler
from transformers import DataCollatorWithPadding, TrainingArguments, XLMRobertaConfig, XLMRobertaModel

from jobs import families, packed
from jobs.device import open_device
from jobs.families.base import Feature
from jobs.families.classification import Classification
from jobs.tiny import train_tokenizer
from jobs.train import Part, Trainer
from tests.samples import DATA, HAVE
from xtl.tasks import TASKS, source

BATCH, LENGTH, CURVE_STEPS = 32, 128, 9
EXAMPLES = 9 * BATCH  # whole steps, so that an epoch ends where a step does
SETTINGS = {"lr": 2e-5, "batch": BATCH, "warmup": 0, "weight_decay": 0.01, "adam_eps": 1e-8, "clip": 1.0,
            "micro_tokens": 4096, "length": LENGTH}  # fmt: skip


class Padded(nn.Module):
    """xtl's encoder and head under `Trainer`: the mean loss of a padded batch."""

    def __init__(self, encoder: Any, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, input_ids: Any, attention_mask: Any, labels: Any) -> dict[str, Any]:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        logits = self.head(hidden[:, 0])
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


class InOrder(transformers.Trainer):
    """Takes the examples as they come: they lie in the order in which xtl draws them."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return SequentialSampler(train_dataset or self.train_dataset)


class Study:
    """The model, its tokenizer and real MNLI, as every side sees them. dropout: of the encoder and the head."""

    def __init__(self) -> None:
        listing = next(x for x in source.unit_listings("mnli", "", DATA) if x.split == "train")
        examples = list(islice(listing.read(), EXAMPLES))
        self.tokenizer = train_tokenizer(text for e in examples for text in (e["text_a"], e["text_b"]))
        self.family = families.make(TASKS["mnli"], self.tokenizer, SETTINGS)
        assert isinstance(self.family, Classification)
        self.features = self.family.features(examples, train=True)

    def model(self, dropout: float) -> tuple[Any, nn.Module]:
        """Equal weights at every call."""
        torch.manual_seed(0)
        config = XLMRobertaConfig(
            vocab_size=len(self.tokenizer), hidden_size=384, num_hidden_layers=12, num_attention_heads=12,
            intermediate_size=1536, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1,
            hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
        )  # fmt: skip
        encoder = XLMRobertaModel(config, add_pooling_layer=False)
        head = self.family.head(encoder)
        head.dropout.p = dropout
        return encoder, head

    def ours(self, steps: int, dropout: float) -> list[tuple[float, float]]:
        """(seconds since the start, loss) after each step of xtl's own trainer."""
        encoder, head = self.model(dropout)
        assert packed.pack(encoder)
        part = Part(
            name="mnli", family=self.family, head=head, features=self.features, settings={**SETTINGS, "steps": steps}
        )
        trainer = Trainer(encoder, [part], seed=1, device=open_device("fp32", torch.get_num_threads()), pad=1)
        return _noted(lambda note: trainer.run(on_progress=lambda figures: note(trainer.loss or 0.0)))

    def theirs(self, steps: int, dropout: float, *, grouped: bool) -> list[tuple[float, float]]:
        """The same of transformers' Trainer: (ii) if `grouped`, else (i)."""
        torch.use_deterministic_algorithms(False)
        encoder, head = self.model(dropout)
        features = self.features if grouped else self.order(steps)
        with tempfile.TemporaryDirectory() as scratch:
            arguments = TrainingArguments(
                output_dir=scratch, max_steps=steps, per_device_train_batch_size=BATCH, learning_rate=SETTINGS["lr"],
                weight_decay=SETTINGS["weight_decay"], adam_epsilon=SETTINGS["adam_eps"], max_grad_norm=1.0,
                lr_scheduler_type="linear", warmup_steps=0, logging_steps=1, save_strategy="no", report_to=[],
                use_cpu=True, disable_tqdm=True, seed=1,
                **({"train_sampling_strategy": "group_by_length"} if grouped else {}),
            )  # fmt: skip
            collator = DataCollatorWithPadding(
                self.tokenizer, padding="longest" if grouped else "max_length", max_length=None if grouped else LENGTH
            )
            kind = transformers.Trainer if grouped else InOrder
            rows = [{"input_ids": list(f.pieces), "labels": f.labels} for f in features]
            trainer = kind(
                model=Padded(encoder, head), args=arguments, train_dataset=rows, data_collator=collator,
                processing_class=self.tokenizer,
            )  # fmt: skip
            trainer.remove_callback(transformers.PrinterCallback)
            return _noted(lambda note: _follow(trainer, note))

    def order(self, steps: int) -> list[Feature]:
        """What xtl draws in so many steps, a step after another."""
        from jobs.batching import Schedule

        size = len(self.features)
        schedule = Schedule(sizes=(size,), batch=BATCH, weights=(size,), steps=steps, seed=1)
        return [self.features[i] for turn in range(steps) for i in schedule.draw(0, turn)]

    def real(self, steps: int) -> int:
        """Word pieces that are no padding, in so many steps."""
        return sum(len(feature) for feature in self.order(steps))


def _follow(trainer: transformers.Trainer, note: Callable[[float], None]) -> None:
    class Follow(transformers.TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "loss" in logs:
                note(float(logs["loss"]))

    trainer.add_callback(Follow())
    trainer.train()


def _noted(run: Callable[[Callable[[float], None]], object]) -> list[tuple[float, float]]:
    begun, found = time.perf_counter(), []
    run(lambda loss: found.append((time.perf_counter() - begun, loss)))
    return found


def rate(curve: Sequence[tuple[float, float]], pieces: int) -> float:
    """Real word pieces a second, from the end of the first step (set-up is not training) to the end."""
    steps = len(curve)
    return pieces * (steps - 1) / steps / (curve[-1][0] - curve[0][0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if not HAVE:
        print(f"training: NOT RUN: no real MNLI at {DATA}")
        return 0
    torch.set_num_threads(os.cpu_count() or 1)
    study = Study()
    pieces = study.real(given.steps)
    sides: dict[str, Callable[[], list[tuple[float, float]]]] = {
        "xtl": lambda: study.ours(given.steps, 0.1),
        "(i) padded to 128": lambda: study.theirs(given.steps, 0.1, grouped=False),
        "(ii) grouped by length": lambda: study.theirs(given.steps, 0.1, grouped=True),
    }
    rates = {name: [] for name in sides}
    for _ in range(given.rounds):
        for name, side in sides.items():
            rates[name].append(rate(side(), pieces))
    apart = curves_apart(study)
    return tell(given, rates, apart, pieces)


def curves_apart(study: Study) -> float:
    """The largest difference of two losses at the same step, xtl's and (i)'s, without dropout."""
    ours = [loss for _, loss in study.ours(CURVE_STEPS, 0.0)]
    theirs = [loss for _, loss in study.theirs(CURVE_STEPS, 0.0, grouped=False)]
    assert len(ours) == len(theirs) == CURVE_STEPS
    return float(np.abs(np.subtract(ours, theirs)).max())


def tell(given: argparse.Namespace, rates: dict[str, list[float]], apart: float, pieces: int) -> int:
    """The table; 1 where a goal is missed."""
    print(f"training: MNLI, XLM-R of 12 x 384, fp32, {torch.get_num_threads()} threads, {given.steps} steps of {BATCH}")
    goals = {"(i) padded to 128": 2.8, "(ii) grouped by length": 1.0}
    missed, ratios = 0, {}
    for name, found in rates.items():
        each = [ours / theirs for ours, theirs in zip(rates["xtl"], found, strict=True)]
        ratios[name] = {"median": statistics.median(each), "least": min(each), "most": max(each)}
        missed += name in goals and statistics.median(each) < goals[name]
        said = f"xtl is {ratios[name]['median']:.2f} times as fast ({min(each):.2f} to {max(each):.2f})"
        goal = f"; goal {goals[name]:g}" if name in goals else ""
        print(f"  {name:<24} {statistics.median(found):7.0f} real pieces/s" + (f"   {said}{goal}" if goal else ""))
    print(f"  losses of {CURVE_STEPS} steps without dropout, xtl and (i): at most {apart:.1e} apart")
    if given.json:
        body = {"ratios": ratios, "rates": rates, "losses_apart": apart, "pieces": pieces, "steps": given.steps,
                "torch": torch.__version__, "transformers": transformers.__version__,
                "cpus": os.cpu_count()}  # fmt: skip
        given.json.write_text(json.dumps(body, indent=2), encoding="utf-8")
    return int(missed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
