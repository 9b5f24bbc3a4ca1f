"""Which epoch's weights a score comes from: the last (always), and where the grid asks the English-dev-best and the
target-dev-best.

English-dev-best keeps a copy of the best weights; target-dev-best, chosen per language on at most 500 seeded dev items,
keeps predictions and no weights. Where English dev would be the test set (TyDiQA's dev is its test, XQuAD is made from
SQuAD's dev set) or there is none, a seeded slice of train is held out for choosing, and the manifest says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jobs import finetune
from jobs.context import Context, log
from jobs.finetune import Encoder, Examples, Material
from jobs.train import Part, Trainer
from xtl.scoring.items import aggregate, headline, score_items

TARGET_DEV_ITEMS = 500
#: English dev would be the test set: choose on a slice of train instead.
NO_ENGLISH_DEV = ("tydiqa", "xquad")
SLICE_SHARE, SLICE_ITEMS = 0.05, 1000


def held_out(context: Context, found: Material) -> tuple[Material, Examples | None]:
    """What to train on, and the slice held out for choosing (None where the grid chooses nothing, or English dev
    serves)."""
    if "english-dev" not in context.spec["checkpoints"] or _english_dev(context) is not None:
        return found, None
    order = np.random.default_rng([int(context.spec["seed"]), 6]).permutation(len(found.examples))
    size = min(max(1, round(SLICE_SHARE * len(found.examples))), SLICE_ITEMS)
    return found.only(np.sort(order[size:])), found.only(np.sort(order[:size])).examples


def _english_dev(context: Context) -> Examples | None:
    if context.spec["task"] in NO_ENGLISH_DEV or context.spec["split"] == "dev":
        return None
    return finetune.listing(context, context.spec["parents"]["eval"], "en", "dev") or None


class Checkpoints:
    """Looks at dev once an epoch, and at the end gives the predictions of every rule."""

    def __init__(
        self,
        context: Context,
        encoder: Encoder,
        part: Part,
        trainer: Trainer,
        tests: Mapping[str, Examples],
        slice_: Examples | None,
    ) -> None:
        self.context, self.encoder, self.part, self.trainer, self.tests = context, encoder, part, trainer, tests
        self.slice = slice_
        rules = context.spec["checkpoints"]
        self.english = (slice_ or _english_dev(context)) if "english-dev" in rules else None
        self.dev = self._target_dev() if "target-dev" in rules else {}
        self.wanted = self.english is not None or bool(self.dev)
        self.best: dict[str, Any] = {"english": None, "target": {}}
        self.weights: dict[str, Tensor] = {}
        self.pieces_cut = 0  # word pieces of the test sets that no input holds

    def _target_dev(self) -> dict[str, Examples]:
        """Dev items by language; none where dev is what is scored."""
        spec = self.context.spec
        if spec["task"] in NO_ENGLISH_DEV or spec["split"] == "dev":
            return {}
        found: dict[str, Examples] = {}
        for language in self.tests:
            examples = finetune.listing(self.context, spec["parents"]["eval"], language, "dev")
            if examples:
                order = np.random.default_rng([int(spec["seed"]), 7]).permutation(len(examples))
                found[language] = [examples[i] for i in np.sort(order[:TARGET_DEV_ITEMS])]
        return found

    def look(self, step: int) -> None:
        """After an epoch: score dev, and keep what is better than before (the first of equals)."""
        if self.english is not None:
            score = self._score({"en": self.english})["en"]
            log.info("step %d: English dev %.2f", step, score)
            if self.best["english"] is None or score > self.best["english"]["score"]:
                self.best["english"] = {"step": step, "score": score}
                trained = self.trainer.trained.items()
                self.weights = {name: value.detach().to("cpu", copy=True) for name, value in trained}
        better = {}
        for language, score in (self._score(self.dev) if self.dev else {}).items():
            if language not in self.best["target"] or score > self.best["target"][language]["score"]:
                better[language] = {"step": step, "score": score}
        if better:
            found = self._predict({language: self.tests[language] for language in better})
            for language, entry in better.items():
                self.best["target"][language] = {**entry, "predictions": found[language]}

    def predictions(self) -> dict[str, dict[str, list[Any]]]:
        """Test predictions by rule and language. Leaves the last weights in place."""
        before = self.part.family.cut
        rules = {"last": self._predict(self.tests)}
        self.pieces_cut = self.part.family.cut - before
        if self.best["english"] is not None:
            last = {name: value.detach().clone() for name, value in self.trainer.trained.items()}
            self._load(self.weights)
            rules["english-dev"] = self._predict(self.tests)
            self._load(last)
        if self.best["target"]:
            rules["target-dev"] = {x: entry["predictions"] for x, entry in self.best["target"].items()}
        return rules

    def report(self) -> dict[str, Any]:
        """What was chosen and on what, for the manifest."""
        chosen: dict[str, Any] = {}
        if self.best["english"] is not None:
            on = f"{len(self.slice)} examples held out of train" if self.slice else "English dev"
            chosen["english-dev"] = {**self.best["english"], "chosen_on": on}
        if self.best["target"]:
            chosen["target-dev"] = {
                x: {"step": entry["step"], "score": entry["score"]} for x, entry in self.best["target"].items()
            }
        elif "target-dev" in self.context.spec["checkpoints"]:
            own = self.context.spec["task"] in NO_ENGLISH_DEV or self.context.spec["split"] == "dev"
            why = "dev is what is scored" if own else "no language has a dev set"
            chosen["target-dev"] = {"not_chosen": why}
        return {"chosen": chosen} if chosen else {}

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """For a resume state: JSON and tensors."""
        return self.best, self.weights

    def restore(self, best: dict[str, Any], weights: dict[str, Tensor]) -> None:
        """The other half of `state`."""
        self.best, self.weights = best, weights

    def _predict(self, examples: Mapping[str, Examples]) -> dict[str, list[Any]]:
        return finetune.predictions(self.context, self.encoder, self.part, examples)

    def _score(self, examples: Mapping[str, Examples]) -> dict[str, float]:
        task = self.context.spec["task"]
        found = self._predict(examples)
        return {x: headline(aggregate(task, score_items(task, x, examples[x], found[x]))) for x in found}

    def _load(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.trainer.trained.items():
                value.copy_(weights[name])
