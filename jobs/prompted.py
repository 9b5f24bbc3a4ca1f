"""A target of the arm `prompted`: a decoder is asked in words and nothing is trained. Of a pair's answers the likeliest
is the label; a question's answer is what the model writes up to the end of the line, the likeliest piece each time.

Examples with their answers may stand in front (`shots`), drawn by the seed: in English, or in the language that is
asked in, from its dev set, where that is not what is scored. What languages have answered is kept in the store every
ten minutes and where the stage is told to stop, and is not asked again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from jobs import finetune
from jobs.asking import Asker, head_of
from jobs.context import Context, log
from jobs.device import open_device
from jobs.finetune import Examples
from jobs.train import SAVE_SECONDS
from jobs.write import write_results
from xtl.errors import Stopped, StoreError, UserError
from xtl.scoring.items import aggregate, headline, score_items
from xtl.store import resume

_STATE = "answered.json"


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
    with context.phase("evaluating"):
        asker.check()
        state = _ask(context, asker, tests)
    predictions, shots = state["predictions"], state["shots"]
    scored = {x: score_items(task, x, tests[x], predictions[x]) for x in tests}
    scores = {x: aggregate(task, rows) for x, rows in scored.items()}
    for language, metrics in scores.items():
        log.info("%s %s %s: %.2f, asked and not trained", task, spec["split"], language, headline(metrics))
    items = [{"checkpoint": "last", **row} for rows in scored.values() for row in rows]
    write_results(context, spec["split"], tests, {"last": predictions}, items)
    from jobs.target import degenerate

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


def _ask(context: Context, asker: Asker, tests: Mapping[str, Examples]) -> dict[str, Any]:
    """By language: predictions, and the shots that stood in front. From the state that an attempt before left, if
    there is one."""
    state: dict[str, Any] = _kept(context) or {"predictions": {}, "shots": {}, "cut": 0}
    begun, kept = len(state["predictions"]), time.monotonic()
    asker.cut, asker.done = state["cut"], sum(map(len, state["predictions"].values()))
    try:
        for language in (x for x in tests if x not in state["predictions"]):
            source, found = _shots(context, language)
            state["predictions"][language] = asker.answers(tests[language], found)
            examples = [example["id"] for example in found]
            state["shots"][language] = {"language": source, "examples": examples, "fewest": asker.fewest}
            state["cut"] = asker.cut
            if time.monotonic() - kept > SAVE_SECONDS:
                _try_to_keep(context, state)
                kept = time.monotonic()
    except Stopped:
        if len(state["predictions"]) > begun:
            _keep(context, state)
        raise
    context.counted["evaluated"] = asker.pieces
    return state


def _kept(context: Context) -> dict[str, Any] | None:
    if (found := resume.latest(context.store, context.key, context.work / "resume")) is None:
        return None
    state: dict[str, Any] = json.loads((found[1] / _STATE).read_text(encoding="utf-8"))
    log.info("going on: %s are answered", " ".join(state["predictions"]))
    return state


def _keep(context: Context, state: Mapping[str, Any]) -> None:
    folder = context.work / "state"
    folder.mkdir(exist_ok=True)
    (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")
    resume.save(context.store, context.key, context.attempt, len(state["predictions"]), folder)


def _try_to_keep(context: Context, state: Mapping[str, Any]) -> None:
    try:
        _keep(context, state)
    except StoreError as error:
        log.warning("what is answered was not kept, the stage goes on: %s", error)


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
