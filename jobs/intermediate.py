"""An intermediate stage: fine-tune an encoder on one or several tasks, one task an optimiser step, and commit the
encoder alone; heads are new for every target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs import adapters, finetune
from jobs.context import Context, log
from jobs.device import open_device
from jobs.model import save_encoder
from jobs.train import Part
from xtl.scoring.items import aggregate, headline, score_items
from xtl.tasks import TASKS


def run(context: Context) -> dict[str, Any]:
    """Train on every part of the spec; the manifest's body."""
    spec = context.spec
    device = open_device(spec["precision"], spec["threads"])
    encoder = finetune.load(context, spec["parents"]["model"], device)
    parts: list[Part] = []
    languages: list[Sequence[str]] = []
    for index, part in enumerate(spec["parts"]):
        found = finetune.material(context, spec["parents"]["data"][part["task"]], part["cap"])
        languages.append(found.languages)
        with context.phase("tokenizing"):
            seed, settings = int(spec["seed"]) + index, {**spec["optimiser"], **part["settings"]}
            made = finetune.make_part(
                context, encoder, part["task"], found.examples, settings, seed=seed, cap=spec["mix_cap"]
            )
        parts.append(made)
    trainer = finetune.trainer(context, encoder, parts)
    with finetune.resumable(context, trainer) as save:
        finetune.fit(context, trainer, save)
        with context.phase("saving"):
            _save(context, encoder)
        context.upload_ahead()
        dev = {part.name: score for part in parts if (score := _dev(context, encoder, part)) is not None}
    return {
        "metrics": {
            "steps": trainer.steps,
            "loss": trainer.loss,
            "trained_on": {
                part.name: finetune.trained_on(trainer, index, languages[index]) for index, part in enumerate(parts)
            },
            "dev": dev,
            **({"base": context.manifest(spec["parents"]["model"])["spec"]["model"]} if "lora" in spec else {}),
        },
        "provenance": device.describe(),
    }


def _save(context: Context, encoder: finetune.Encoder) -> None:
    """The encoder, or where those alone were trained, its adapters: the weights below them are the parent's."""
    if "lora" in context.spec:
        adapters.save(encoder.model, context.out / adapters.FOLDER)
    else:
        save_encoder(encoder.model, encoder.tokenizer, finetune.encoder_folder(context))


def _dev(context: Context, encoder: finetune.Encoder, part: Part) -> dict[str, Any] | None:
    """Scores on the dev sets that lie beside the training data, so that a run that learnt nothing shows."""
    if TASKS[part.name].form == "text":
        return None
    found = {
        language: examples
        for language, key in context.spec["parents"]["data"][part.name].items()
        if (examples := finetune.listing(context, key, language, "dev"))
    }
    if not found:
        return None
    with context.phase("evaluating"):
        predictions = finetune.predictions(context, encoder, part, found)
    scores = {
        language: aggregate(part.name, score_items(part.name, language, examples, predictions[language]))
        for language, examples in found.items()
    }
    for language, metrics in scores.items():
        log.info("%s dev %s: %.2f", part.name, language, headline(metrics))
    return scores
