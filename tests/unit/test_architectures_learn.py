"""Every architecture through every family: it memorises a few examples, and goes on after a stop to the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from jobs import adapters, families, packed, resume
from jobs.model import pad
from jobs.train import Part, Trainer, predict
from tests.architectures import KINDS, make, tokenizer_for
from tests.tiny import cpu
from xtl.architectures import ARCHITECTURES
from xtl.tasks import TASKS

NAMES = ("dog", "cat", "horse", "bird", "cow", "fox")
VERBS = ("sleeps", "eats", "runs", "waits", "sings", "digs")
TEXTS = tuple(f"the {name} {verb} and the {name} {verb} too" for name in NAMES for verb in VERBS)
LABELS = ("entailment", "neutral", "contradiction")
SETTINGS = {"batch": 6, "warmup": 0.1, "weight_decay": 0.0, "adam_eps": 1e-8, "clip": 1.0, "micro_tokens": 128,
            "length": 32, "question_length": 8, "stride": 8, "mask": 0.3, "lr": 3e-3}  # fmt: skip


def examples(task: str) -> list[dict[str, Any]]:
    """Six, each of which is another's answer's neighbour, so that no majority is right."""
    found: list[dict[str, Any]] = []
    for at, (name, verb) in enumerate(zip(NAMES, VERBS, strict=True)):
        other, tags = NAMES[(at + 1) % 6], (("NOUN", "VERB"), ("PROPN", "AUX"))[at % 2]
        context = f"the {name} {verb} and the {other} too"
        found.append(
            {
                "mnli": {"text_a": f"the {name} {verb}", "text_b": f"the {other} too", "label": LABELS[at % 3]},
                "udpos": {"tokens": ["the", name, verb], "tags": ["DET", *tags]},
                "squad_v2": {
                    "question": f"{verb} ?", "context": context,
                    "answers": [{"text": name, "start": 4}] if at % 3 else [],
                },
                "mlm": {"text": f"the {name} {verb} and the {name} {verb} too"},
                "csqa": {"context": "", "question": f"{name} ?", "choices": list(VERBS[:3]), "label": at % 3},
            }[task]
        )  # fmt: skip
    return [{"id": str(at), **one} for at, one in enumerate(found)]


def gold(task: str, found: Sequence[dict[str, Any]]) -> list[Any]:
    if task == "udpos":
        return [one["tags"] for one in found]
    if task == "squad_v2":
        return [one["answers"][0]["text"] if one["answers"] else "" for one in found]
    return [one["label"] for one in found]


def trainer_of(kind: str, task: str, steps: int, *, lora: bool = False) -> Trainer:
    tokenizer = tokenizer_for(kind, TEXTS)
    model = make(kind, len(tokenizer))
    if lora:
        adapters.add(model, {"rank": 4, "alpha": 8, "targets": "all-linear"}, seed=1)
    packed.pack(model)
    settings = {**SETTINGS, "steps": steps}
    family = families.make(TASKS[task], tokenizer, settings, reads=ARCHITECTURES[kind].reads)
    torch.manual_seed(2)
    head = family.head(model)
    for module in head.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    features = family.features(examples(task), train=True)
    part = Part(name=task, family=family, head=head, features=features, settings=settings)
    return Trainer(model, [part], seed=1, device=cpu(), pad=pad(tokenizer))


def memorises(kind: str, task: str) -> None:
    trainer = trainer_of(kind, task, 80)
    trainer.run()
    part, found = trainer.parts[0], examples(task)
    features = part.family.features(found, train=False)
    outputs = predict(trainer.encoder, part.head, part.family, features, device=cpu(), pad=trainer.pad, budget=128)
    answers = part.family.decode(found, features, outputs)
    assert answers == gold(task, found)


FORMS = ("mnli", "udpos", "squad_v2", "csqa")
#: One of each way to be read, to attend and to be cut.
FEW = ("modernbert", "deberta-v2", "mt5", "qwen3", "bloom")


@pytest.mark.parametrize("task", FORMS)
@pytest.mark.parametrize("kind", FEW)
def test_a_few_examples_are_memorised(kind: str, task: str) -> None:
    memorises(kind, task)


@pytest.mark.slow
@pytest.mark.parametrize("task", FORMS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in FEW])
def test_every_architecture_memorises_a_few_examples(kind: str, task: str) -> None:
    memorises(kind, task)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if not ARCHITECTURES[kind].causal and "t5" not in kind])
def test_every_encoder_with_a_mask_learns_what_is_masked(kind: str) -> None:
    """Masks are drawn anew at each step, so it is the loss that tells."""
    trainer, losses = trainer_of(kind, "mlm", 120), []
    trainer.run(on_progress=lambda figures: losses.append(figures["loss"]))
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])


@pytest.mark.parametrize("lora", [False, True], ids=["whole", "adapters"])
@pytest.mark.parametrize("kind", KINDS)
def test_who_is_stopped_goes_on_to_the_same_bytes(kind: str, lora: bool) -> None:
    whole = trainer_of(kind, "mnli", 4, lora=lora)
    whole.run()
    first = trainer_of(kind, "mnli", 4, lora=lora)

    class Stop(Exception):
        pass

    def stop(figures: dict[str, Any]) -> None:
        if figures["step"] == 2:
            raise Stop

    with pytest.raises(Stop):
        first.run(on_progress=stop)
    weights, moments = resume._cpu(resume._weights(first)), resume._cpu(resume._moments(first))
    second = trainer_of(kind, "mnli", 4, lora=lora)
    with torch.no_grad():
        for name, value in resume._weights(second).items():
            value.copy_(weights[name])
    resume._set_moments(second, moments)
    second.step = 2
    second.run()
    wanted, found = resume._weights(whole), resume._weights(second)
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    if lora:
        assert all("lora_" in name or name.startswith("head_") for name in whole.trained), (
            "a state holds what is trained"
        )
