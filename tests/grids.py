"""A grid and an inventory written out, for tests of plans and keys that must not depend on any file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xtl.estimate import Estimate
from xtl.forecast import forecast
from xtl.grid import Grid, load
from xtl.inventory import SHAPES, TINY, Inventory, Model, Unit, needed_units
from xtl.plan import Plan
from xtl.tasks import TASKS

GRID = """\
name: golden
model: tiny
seeds: [1, 2]
intermediates:
  - none
  - mnli
  - {name: multi, tasks: [squad_v2, "xnli@de+ru:50"], mix: {cap: 1000}}
targets: [{task: xnli, languages: [en, de, sw]}, tydiqa, tatoeba]
contrasts: [{name: english, arm: mnli, against: none}]
train:
  intermediate: {default: {epochs: 2}}
  target: {tydiqa: {lr: 2e-5}}
precision: fp32
store: ./store
data: ./data
"""


def estimated(plan: Plan, have: Inventory, gpu: str | None = None) -> Estimate:
    """What the plan takes where no store tells anything."""
    return forecast(plan, have, None, gpu)


def grid(text: str, folder: Path) -> Grid:
    path = folder / "grid.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def inventory(of: Grid, *, edition: str = "1") -> Inventory:
    """Every unit the grid needs, whole, with a digest made from its name and an edition."""
    units = {}
    for task, part in needed_units(of):
        listings = {}
        for language in TASKS[task].languages:
            splits = ("test", "dev")
            if TASKS[task].group == "retrieval":
                splits = tuple(f"{split}.{side}" for split in ("test", "dev") for side in (language, "en", "gold"))
            if not part:
                listings |= {(language, split): 100 for split in splits}
        listings[(part or "en", "train")] = 1000
        digest = hashlib.sha256(f"{task}@{part} {edition}".encode()).hexdigest()
        units[(task, part)] = Unit(task=task, part=part, origin={"digest": digest}, listings=listings)
    models = {
        name: Model(name=name, identity={"tiny": TINY} if name == "tiny" else {"hub": name}) for name in places(of)
    }
    return Inventory(units=units, models=models, source={"folder": of.data})


def places(of: Grid) -> list[str]:
    """Where the grid's models are, each once."""
    return list(dict.fromkeys(model.place for model in of.models))


#: Passages a language of text for masked LM, which the user brings: more than any mixture's cap takes of them.
PASSAGES = 100_000


def whole(of: Grid) -> Inventory:
    """Every unit that the grid needs, with the published number of examples: a data folder with all files."""
    units = {}
    for key, part in needed_units(of):
        task = TASKS[key]
        train = {"mlm": PASSAGES}.get(key) or task.train_sizes.get(part or "en") or task.train_sizes.get("en", 0)
        listings = {(part or "en", "train"): train} if train else {}
        if not part and task.target:
            splits = {"test": task.test_sizes, "dev": task.dev_sizes or task.test_sizes}
            for split, sizes in splits.items():
                for language, count in sizes.items():
                    sides = (f"{split}.{side}" for side in (language, "en", "gold"))
                    listings |= dict.fromkeys(
                        ((language, name) for name in (sides if task.group == "retrieval" else (split,))), count
                    )
        digest = hashlib.sha256(f"{key}@{part}".encode()).hexdigest()
        units[(key, part)] = Unit(task=key, part=part, origin={"digest": digest}, listings=listings)
    models = {
        name: Model(name=name, identity={"hub": name}, layers=SHAPES[name][0], hidden=SHAPES[name][1])
        for name in places(of)
    }
    return Inventory(units=units, models=models, source={"folder": of.data})


def bare_model(folder: Path, config: Mapping[str, Any] | None = None) -> None:
    """A model's folder as far as planning looks at it: weights without a number, a tokenizer without a piece."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config or {}), encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
