"""Each family memorises 64 real examples, through the trainer and the decoding that stages use.

Dropout is off, since memorising is the point: what is shown is that features, labels, loss and decoding belong
together on real text. An untrained model must be far off, so that no case passes by a majority class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from jobs import families
from jobs.families.base import Family
from jobs.train import Part, Trainer, predict
from tests.samples import DATA, needs_samples
from tests.tiny import cpu, tiny_encoder, tiny_tokenizer
from xtl.tasks import TASKS

Examples = list[dict[str, Any]]
SIZE = 64
COMMON = {"batch": 16, "warmup": 0.1, "weight_decay": 0.0, "adam_eps": 1e-8, "clip": 1.0, "micro_tokens": 4096}


@dataclass(frozen=True, kw_only=True)
class Case:
    """shortest: the 64 shortest examples instead of the first, where the first are long (time)."""

    task: str
    language: str
    split: str = "train"
    shortest: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.task}@{self.language}"


SPAN = {"lr": 2e-3, "question_length": 32}
CASES = [
    Case(task="mnli", language="en", settings={"lr": 2e-3, "epochs": 20, "length": 64}),
    Case(task="pawsx", language="de", split="dev", settings={"lr": 2e-3, "epochs": 25, "length": 128}),
    Case(task="panx", language="de", settings={"lr": 3e-3, "epochs": 25, "length": 128}),
    Case(task="ccg", language="en", settings={"lr": 3e-3, "epochs": 25, "length": 128}),
    Case(task="squad_v1", language="en", shortest=True, settings={**SPAN, "epochs": 30, "length": 192}),
    Case(task="squad_v2", language="en", shortest=True, settings={**SPAN, "epochs": 80, "batch": 8, "length": 192}),
    pytest.param(
        Case(task="xquad", language="zh", split="test", shortest=True, settings={**SPAN, "epochs": 35, "length": 192}),
        marks=pytest.mark.slow,
    ),
    Case(task="hellaswag", language="en", shortest=True, settings={"lr": 2e-3, "epochs": 15, "length": 64}),
    pytest.param(
        Case(task="csqa", language="en", settings={"lr": 2e-3, "epochs": 25, "length": 48}), marks=pytest.mark.slow
    ),
]


def read(task: str, language: str, split: str) -> Examples:
    found = next(one for one in TASKS[task].listings(DATA) if (one.language, one.split) == (language, split))
    return list(found.read())


def texts(example: Any, key: str = "") -> Iterator[str]:
    """Every text of an example, labels and ids left out."""
    if isinstance(example, str) and key not in ("id", "label", "tags"):
        yield example
    elif isinstance(example, dict):
        for name, value in example.items():
            yield from texts(value, name)
    elif isinstance(example, list):
        for value in example:
            yield from texts(value, key)


def score(task: str, examples: Examples, found: Sequence[Any]) -> float:
    """The share of examples (tagging: of words) that are right."""
    if TASKS[task].form == "tagging":
        pairs = [pair for e, tags in zip(examples, found, strict=True) for pair in zip(e["tags"], tags, strict=True)]
        return sum(gold == tag for gold, tag in pairs) / len(pairs)
    if TASKS[task].form == "span":
        return (
            sum(f in ({a["text"] for a in e["answers"]} or {""}) for e, f in zip(examples, found, strict=True)) / SIZE
        )
    return sum(f == e["label"] for e, f in zip(examples, found, strict=True)) / SIZE


class Bench:
    """A tiny model with a family's head: before and after training on all its examples."""

    def __init__(self, task: str, examples: Examples, settings: dict[str, Any]) -> None:
        self.examples, self.settings = examples, {**COMMON, **settings}
        self.tokenizer = tiny_tokenizer(text for example in examples for text in texts(example))
        self.encoder = tiny_encoder(self.tokenizer)
        tags = sorted({tag for e in examples for tag in e.get("tags", ())})
        published = {name: value for name, value in self.settings.items() if name != "mask"}
        self.family: Family = families.make(TASKS[task], self.tokenizer, self.settings, labels=tags)
        self.tested: Family = families.make(TASKS[task], self.tokenizer, published, labels=tags)
        torch.manual_seed(1)
        self.head = self.family.head(self.encoder)
        for module in [*self.encoder.modules(), *self.head.modules()]:
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        self.pad = self.tokenizer.pad_token_id

    def train(self) -> None:
        features = self.family.features(self.examples, train=True)
        part = Part(name="case", family=self.family, head=self.head, features=features, settings=self.settings)
        Trainer(self.encoder, [part], seed=1, device=cpu(), pad=self.pad).run()

    def predictions(self) -> list[Any]:
        torch.manual_seed(2)
        features = self.tested.prepare(self.tested.features(self.examples, train=False), np.random.default_rng(1))
        outputs = predict(self.encoder, self.head, self.tested, features, device=cpu(), pad=self.pad, budget=4096)
        return self.tested.decode(self.examples, features, outputs)


@needs_samples
@pytest.mark.parametrize("case", CASES, ids=str)
def test_64_real_examples_are_memorised(case: Case) -> None:
    examples = read(case.task, case.language, case.split)
    examples = sorted(examples, key=lambda e: len(str(e)))[:SIZE] if case.shortest else examples[:SIZE]
    assert len(examples) == SIZE
    bench = Bench(case.task, examples, case.settings)
    assert score(case.task, examples, bench.predictions()) < 0.75
    bench.train()
    assert score(case.task, examples, bench.predictions()) >= 0.95


@needs_samples
def test_64_real_passages_are_memorised() -> None:
    """Pieces behind masks that were never drawn in training are guessed from the passage. More of a passage is masked
    in training than in the test: it learns as much in half the time."""
    sentences = sorted(read("tatoeba", "de", "test.de"), key=lambda e: -len(e["text"]))[:SIZE]
    bench = Bench("mlm", sentences, {"lr": 5e-3, "epochs": 170, "batch": 32, "length": 64, "mask": 0.3})

    def share() -> float:
        found = bench.predictions()
        return sum(f["accuracy"] * f["masked"] for f in found) / sum(f["masked"] for f in found)

    assert share() < 0.1
    bench.train()
    assert share() >= 0.95
