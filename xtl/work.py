"""How many word pieces each stage of a plan puts through its encoder, in training and in evaluation. Pure.

Lengths are those of a sample of the real examples (`Unit.shapes`), cut and divided into inputs as the task families do;
where no data are at hand, a task's published figure (`Task.tokens`). None of this enters a key: a plan is made first.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xtl.inventory import Inventory, training_unit
from xtl.plan import Plan, Stage
from xtl.tasks import TASKS
from xtl.tasks.base import Form
from xtl.tasks.formats.lengths import Shape

#: Characters a word piece of English. Measured on English samples of MNLI with BERT's English word pieces.
CHARACTERS = 4.3
#: How many times shorter than English a text is in characters, measured on parallel text (XNLI, XQuAD, PAWS-X, Tatoeba;
#: the other languages of these are within a fifth of English). That a vocabulary of a hundred languages cuts parallel
#: text into about as many pieces in each is an assumption: a tokenizer at hand tells better.
DENSER = {"zh": 2.2, "ja": 1.7, "ko": 1.5, "ar": 1.15}

#: Pieces a character by language; `MEAN` for what is not in it.
Density = Mapping[str, float]
MEAN = ""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Word pieces of a stage; 0 for those without an encoder."""

    training: float = 0.0
    evaluating: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Mean:
    """Of a listing: how many examples, inputs an example and word pieces an example."""

    examples: float
    inputs: float
    pieces: float


def works(plan: Plan, inventory: Inventory, densities: Mapping[str, Density]) -> dict[str, Work]:
    """Each stage's work by key. densities: by model, measured with its tokenizer; of others it is assumed."""
    return _Counter(plan, inventory, densities).all()


def model_of(plan: Plan, stage: Stage) -> str:
    """The key of the stage that fetches a GPU stage's base model; "" for the others."""
    parents = stage.spec.get("parents", {})
    above = parents.get("model") if stage.kind == "intermediate" else parents.get("encoder")
    if above is None:
        return ""
    return above if plan.stages[above].kind == "fetch" else model_of(plan, plan.stages[above])


def inputs(form: Form, shape: Shape, density: float, settings: Mapping[str, Any]) -> tuple[int, float]:
    """An example's inputs and their word pieces, marks included (two around a text, four around two). What is drawn in
    training is a window, but all choices of an example together."""
    texts, length = [count * density for count in shape], int(settings["length"])
    if form == "pair":
        return 1, min(length, sum(texts) + 2 * len(texts))
    if form == "choice":
        return 1, sum(min(length, texts[0] + choice + 4) for choice in texts[1:])
    if form == "span":
        question = min(texts[0], settings["question_length"])
        room, stride = max(1, length - question - 4), int(settings["stride"])
        windows = 1 + max(0, math.ceil((texts[1] - room) / stride))
        return windows, sum(min(room, texts[1] - at * stride) + question + 4 for at in range(windows))
    if form == "sentence":
        return 1, min(length, texts[0] + 2)
    blocks = max(1, math.ceil(texts[0] / (length - 2)))
    return blocks, texts[0] + 2 * blocks


class _Counter:
    """Stages that differ in their seed and encoder alone are counted once."""

    def __init__(self, plan: Plan, inventory: Inventory, densities: Mapping[str, Density]) -> None:
        self.plan, self.inventory, self.densities = plan, inventory, densities
        self.means: dict[tuple[Any, ...], _Mean] = {}
        self.known: dict[tuple[str, str], Work] = {}
        self.density: Density = {}

    def all(self) -> dict[str, Work]:
        return {key: self._stage(stage) for key, stage in self.plan.stages.items()}

    def _stage(self, stage: Stage) -> Work:
        base = model_of(self.plan, stage)
        if not base:
            return Work()
        same = (base, alike(stage.spec))
        if same not in self.known:
            self.density = self.densities.get(str(self.plan.stages[base].where.get("model", "")), {})
            count = self._intermediate if stage.kind == "intermediate" else self._target
            self.known[same] = count(stage.spec)
        return self.known[same]

    def _intermediate(self, spec: Mapping[str, Any]) -> Work:
        parts, optimiser = spec["parts"], spec["optimiser"]
        means = [self._train(part["task"], part["languages"], part["settings"]) for part in parts]
        limits = [[part["cap"], spec["mix_cap"]] for part in parts]
        sizes = [min([mean.examples, *filter(None, some)]) for mean, some in zip(means, limits, strict=True)]
        training = evaluating = 0.0
        for part, mean, size in zip(parts, means, sizes, strict=True):
            training += _trained(mean, size, optimiser, size / max(1.0, sum(sizes)))
            if TASKS[part["task"]].form != "text":
                places = [(training_unit(part["task"], x), x, "dev") for x in part["languages"]]
                evaluating += _total(self._each(part["task"], places, part["settings"]))
        return Work(training=training, evaluating=evaluating)

    def _target(self, spec: Mapping[str, Any]) -> Work:
        task, settings, unit = TASKS[spec["task"]], spec["settings"], (spec["task"], "")
        if task.group == "retrieval":
            splits = dict.fromkeys((spec["split"], *(["dev"] if task.key == "bucc2018" else [])))
            places = [(unit, x, f"{split}.{side}") for x in spec["languages"] for split in splits for side in (x, "en")]
            return Work(evaluating=_total(self._each(task.key, places, settings)))
        if "prompt" in spec:
            return Work(evaluating=self._prompted(spec))
        tests = _total(self._each(task.key, [(unit, x, spec["split"]) for x in spec["languages"]], settings))
        mean = self._train(task.key, list(spec["parents"]["train"]), settings)
        looks = self._looks(spec, tests)
        return Work(training=_trained(mean, mean.examples, settings, 1.0), evaluating=tests + looks)

    def _prompted(self, spec: Mapping[str, Any]) -> float:
        """Each question as one text, once an answer, with what stands in front of it: as long again an example."""
        unit, prompt, length = (spec["task"], ""), spec["prompt"], spec["settings"]["length"]
        found = self.inventory.units.get(unit)
        total = 0.0
        for language in spec["languages"]:
            place = (language, spec["split"])
            shapes = found.shapes.get(place, ()) if found else ()
            characters = [sum(shape) + len(prompt["text"]) for shape in shapes]
            mean = (
                sum(characters) / len(characters) * self._density_of(language) if characters else TASKS[unit[0]].tokens
            )
            examples = float(found.listings.get(place, 0)) if found else 0.0
            total += examples * min(length, mean * (1 + prompt["shots"])) * len(prompt.get("answers", "1"))
        return total

    def _looks(self, spec: Mapping[str, Any], tests: float) -> float:
        """What choosing a checkpoint reads beside: dev once an epoch, and the test sets again. That each language's dev
        gets better in half of the epochs is a guess."""
        epochs, rules = spec["settings"].get("epochs", 1), spec["checkpoints"]
        found, unit = 0.0, (spec["task"], "")
        if "english-dev" in rules:
            found += epochs * _total(self._each(spec["task"], [(unit, "en", "dev")], spec["settings"])) + tests
        if "target-dev" in rules:
            means = self._each(spec["task"], [(unit, x, "dev") for x in spec["languages"]], spec["settings"])
            found += epochs * sum(min(500.0, one.examples) * one.pieces for one in means) + epochs / 2 * tests
        return found

    def _train(self, task: str, languages: Sequence[str], settings: Mapping[str, Any]) -> _Mean:
        """All languages' training examples as one listing."""
        means = self._each(task, [(training_unit(task, x), x, "train") for x in languages], settings)
        examples = sum(one.examples for one in means)
        inputs, pieces = (
            sum(one.examples * getattr(one, name) for one in means) / max(1.0, examples)
            for name in ("inputs", "pieces")
        )
        return _Mean(examples=examples, inputs=inputs, pieces=pieces)

    def _each(
        self, task: str, places: Iterable[tuple[tuple[str, str], str, str]], settings: Mapping[str, Any]
    ) -> list[_Mean]:
        return [self._mean(task, *place, settings) for place in places]

    def _mean(self, task: str, unit: tuple[str, str], language: str, split: str, settings: Mapping[str, Any]) -> _Mean:
        density = self._density_of(language if not split.endswith(".en") else "en")
        of = tuple(settings.get(name) for name in ("length", "stride", "question_length"))
        same = (unit, language, split, of, density)
        if same not in self.means:
            found = self.inventory.units.get(unit)
            place = (language, split)
            examples = float(found.listings.get(place, 0)) if found else 0.0
            form = TASKS[task].form
            some = [inputs(form, shape, density, settings) for shape in (found.shapes.get(place, ()) if found else ())]
            if not some:
                whole = form in ("choice", "span")  # a figure for all choices, all windows
                some = [(1, TASKS[task].tokens if whole else min(TASKS[task].tokens, settings["length"]))]
            means = (sum(column) / len(some) for column in zip(*some, strict=True))
            self.means[same] = _Mean(examples=examples, inputs=next(means), pieces=next(means))
        return self.means[same]

    def _density_of(self, language: str) -> float:
        assumed = DENSER.get(language, 1.0) / CHARACTERS
        return self.density.get(language) or self.density.get(MEAN) or assumed


def _trained(mean: _Mean, examples: float, optimiser: Mapping[str, Any], share: float) -> float:
    """Word pieces that training sees: of `steps`, those that fall to a task; an optimiser step draws inputs."""
    if "steps" in optimiser:
        return float(optimiser["steps"] * share * optimiser["batch"] * mean.pieces / max(1.0, mean.inputs))
    return float(optimiser["epochs"] * examples * mean.pieces)


def _total(means: Iterable[_Mean]) -> float:
    return sum(one.examples * one.pieces for one in means)


def alike(spec: Mapping[str, Any]) -> str:
    """What stages of the same work have in common, whatever their seed and the encoder that they begin with."""
    parents = {name: value for name, value in spec["parents"].items() if name not in ("encoder", "model", "base")}
    text = json.dumps({**spec, "seed": None, "parents": parents}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
