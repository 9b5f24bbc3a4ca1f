"""A target of the arm `prompted`: a decoder is asked in words and nothing is trained. Of a pair's answers the likeliest
is the label; a question's answer is what the model writes up to the end of the line, the likeliest piece each time.

Examples with their answers may stand in front (`shots`), drawn by the seed: in English, or in the language that is
asked in, from its dev set, where that is not what is scored.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs import finetune
from jobs.asking import Asker, head_of
from jobs.context import Context, log
from jobs.device import open_device
from jobs.finetune import Examples
from jobs.write import write_results
from xtl.errors import UserError
from xtl.scoring.items import aggregate, headline, score_items


def run(context: Context) -> dict[str, Any]:
    """Ask and score; the manifest's body."""
    spec, task = context.spec, context.spec["task"]
    device = open_device(spec["precision"], spec["threads"])
    key = spec["parents"]["encoder"]
    encoder = finetune.load(context, key, device)
    if encoder.reads != "last":
        raise UserError(
            f"prompted: a model of type {encoder.model.config.model_type} is no decoder, so it cannot be asked"
        )
    tests = {x: finetune.listing(context, spec["parents"]["eval"], x, spec["split"]) or [] for x in spec["languages"]}
    tests = {language: found for language, found in tests.items() if found}
    asker = Asker(
        encoder=encoder,
        head=head_of(context.pull(key), encoder),
        spec=spec,
        steps=sum(map(len, tests.values())),
        progress=lambda figures: context.heartbeat.say("evaluating", **figures),
    )
    predictions, shots = {}, {}
    with context.phase("evaluating"):
        asker.check()
        for language, examples in tests.items():
            source, found = _shots(context, language)
            predictions[language] = asker.answers(examples, found)
            shots[language] = {"language": source, "examples": [x["id"] for x in found], "fewest": asker.fewest}
    scored = {x: score_items(task, x, tests[x], predictions[x]) for x in tests}
    scores = {x: aggregate(task, rows) for x, rows in scored.items()}
    for language, metrics in scores.items():
        log.info("%s %s %s: %.2f, asked and not trained", task, spec["split"], language, headline(metrics))
    items = [{"checkpoint": "last", **row} for rows in scored.values() for row in rows]
    write_results(context, spec["split"], tests, {"last": predictions}, items)
    from jobs.target import degenerate

    context.counted["evaluated"] = asker.pieces
    return {
        "metrics": {
            "split": spec["split"],
            "scores": {"last": scores},
            "n": {language: len(examples) for language, examples in tests.items()},
            "empty": [language for language in spec["languages"] if language not in tests],
            "seen": [],
            "degenerate": degenerate(task, predictions),
            "pieces_cut": asker.cut,
            "shots": shots if spec["prompt"]["shots"] else {},
        },
        "provenance": device.describe(),
    }


def _shots(context: Context, language: str) -> tuple[str, Examples]:
    """Examples to stand in front of a language's questions, and the language that they are in."""
    asked, parents, split = context.spec["prompt"], context.spec["parents"], context.spec["split"]
    if not asked["shots"]:
        return "", ()
    found: Examples | None = None
    source = "en"
    if asked["language"] == "own" and language != "en":
        found = None if split == "dev" else finetune.listing(context, parents["eval"], language, "dev")
        if found:
            source = language
        else:
            log.info("%s has no dev set that is not scored: the examples in front are English", language)
    if not found:
        found = finetune.listing(context, parents["shots"], "en", "train") or ()
    told = [example for example in found if example.get("label") is not None or example.get("answers")]
    order = np.random.default_rng([int(context.spec["seed"]), 10]).permutation(len(told))
    return source, [told[i] for i in order[: asked["shots"]]]
