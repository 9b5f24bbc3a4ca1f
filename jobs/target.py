"""A target stage: fine-tune on English (retrieval trains nothing), then predict and score every language in one
process; or, of the arm `prompted`, ask (jobs/prompted.py). Leaves predictions in XTREME's submission layout,
`items.parquet` and the scores by checkpoint rule.

The headline is the last checkpoint. Where the grid asks, `english-dev` is the epoch that is best on English dev, and
`target-dev` (an upper bound, never the headline; Keung et al. 2020) the best epoch for each language on its own dev.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from jobs import finetune
from jobs.checkpoints import Checkpoints, held_out
from jobs.context import Context, log
from jobs.device import open_device
from jobs.write import write_results
from xtl.scoring.items import aggregate, headline, score_items
from xtl.tasks import TASKS


def run(context: Context) -> dict[str, Any]:
    """Train and score; the manifest's body."""
    spec = context.spec
    if "prompt" in spec:
        from jobs import prompted

        return prompted.run(context)
    device = open_device(spec["precision"], spec["threads"])
    encoder = finetune.load(context, spec["parents"]["encoder"], device)
    if TASKS[spec["task"]].group == "retrieval":
        return _retrieval(context, encoder)
    return _trained(context, encoder)


def _trained(context: Context, encoder: finetune.Encoder) -> dict[str, Any]:
    spec, task = context.spec, context.spec["task"]
    found, slice_ = held_out(context, finetune.material(context, spec["parents"]["train"], None))
    with context.phase("tokenizing"):
        part = finetune.make_part(context, encoder, task, found.examples, spec["settings"], seed=int(spec["seed"]))
    trainer = finetune.trainer(context, encoder, [part])
    tests = {x: finetune.listing(context, spec["parents"]["eval"], x, spec["split"]) or [] for x in spec["languages"]}
    tests = {language: found for language, found in tests.items() if found}
    checkpoints = Checkpoints(context, encoder, part, trainer, tests, slice_)
    with finetune.resumable(context, trainer, state=checkpoints.state, restore=checkpoints.restore) as save:
        finetune.fit(context, trainer, save, checkpoints.look if checkpoints.wanted else None)
        with context.phase("evaluating"):
            rules = checkpoints.predictions()
    scores, items = {}, []
    for rule, predictions in rules.items():
        scored = {x: score_items(task, x, tests[x], predictions[x]) for x in predictions}
        scores[rule] = {x: aggregate(task, rows) for x, rows in scored.items()}
        items += [{"checkpoint": rule, **row} for rows in scored.values() for row in rows]
    for language, metrics in scores["last"].items():
        log.info("%s %s %s: %.2f", task, spec["split"], language, headline(metrics))
    write_results(context, spec["split"], tests, rules, items)
    return {
        "metrics": {
            "split": spec["split"],
            "scores": scores,
            "n": {language: len(examples) for language, examples in tests.items()},
            "empty": [language for language in spec["languages"] if language not in tests],
            "seen": _seen(context),
            "degenerate": degenerate(task, rules["last"]),
            "pieces_cut": checkpoints.pieces_cut,
            "steps": trainer.steps,
            "loss": trainer.loss,
            "trained_on": {
                **finetune.trained_on(trainer, 0, found.languages),
                "held_out": len(slice_ or ()),
            },
            **checkpoints.report(),
        },
        "provenance": encoder.device.describe(),
    }


def _seen(context: Context) -> list[str]:
    """The languages in which this very task was trained, here or by the intermediate: in those it is not zero-shot. A
    set that contains the task's training data, or a translation of them, counts as the task."""
    task, parents = TASKS[context.spec["task"]], context.spec["parents"]
    trained = set(parents["train"])
    for part in context.manifest(parents["encoder"])["spec"].get("parts", ()):  # a base model has none
        if {part["task"], *TASKS[part["task"]].contains} & {task.key, task.train_from}:
            trained.update(part["languages"])
    return [language for language in context.spec["languages"] if language in trained]


def _retrieval(context: Context, encoder: finetune.Encoder) -> dict[str, Any]:
    from jobs.retrieval import evaluate_retrieval

    spec, task = context.spec, context.spec["task"]
    data: dict[str, dict[str, Any]] = {}
    for language in spec["languages"]:
        for split in (f"test.{language}", "test.en", "test.gold", f"dev.{language}", "dev.en", "dev.gold"):
            found = finetune.listing(context, spec["parents"]["eval"], language, split)
            if found is not None:
                data.setdefault(language, {})[split] = found
    with context.phase("evaluating"):
        result = evaluate_retrieval(
            task,
            data,
            encoder.model,
            encoder.tokenizer,
            spec["settings"],
            reads=encoder.reads,
            device=encoder.device.torch,
            autocast=encoder.device.autocast,
            progress=lambda figures: context.heartbeat.say("evaluating", **figures),
        )
    items = [{"checkpoint": "last", **row} for row in result.items]
    write_results(context, result.split, {}, {"last": result.predictions}, items)
    for language, metrics in result.scores.items():
        log.info("%s %s %s: %.2f", task, result.split, language, headline(metrics))
    return {
        "metrics": {
            "split": result.split,
            "scores": {"last": result.scores},
            "n": result.sizes,
            "empty": sorted(result.missing),
            "seen": [],
            "layer": result.layer,
            "chosen_layer": asdict(result.chosen),
            "sweep": result.sweep,
            # Of models that are read at the end of an input: the same over last pieces.
            **(
                {"chosen_last": asdict(result.chosen_last), "sweep_last": result.sweep_last}
                if result.chosen_last
                else {}
            ),
            "threshold": result.threshold,
            "pieces_cut": result.cut,
            "degenerate": [],
        },
        "provenance": encoder.device.describe(),
    }


def degenerate(task: str, predictions: dict[str, list[Any]]) -> list[str]:
    """Languages whose predictions are all one class (FACTS trap 7: PAWS-X and XNLI runs stick at the majority):
    flagged, never dropped."""
    if TASKS[task].form not in ("pair", "choice"):
        return []
    return [x for x, found in predictions.items() if len(found) > 1 and len(set(found)) == 1]
