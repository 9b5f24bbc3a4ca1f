"""What a grid's data and models are right now: the digests and revisions that enter the keys.

This is the edge that `plan.py` is kept free of: it looks at folders, asks the hub for commits, and hands over plain
values. `Inventory` is what the planner sees; tests build one by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xtl.errors import UserError
from xtl.grid import Grid
from xtl.model_folder import Shapes, weights
from xtl.prompts import prompts
from xtl.tasks import TASKS, source
from xtl.tasks.formats.lengths import Shape


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One fetch stage's worth of data: part "" is a task's dev and test sets and its own English train; part `de` is
    its German train.

    origin: what names the bytes, and enters the key. listings: (language, split) to the number of examples, an
    estimate (for hours, never for keys); absent means that the data holds no such listing. shapes: how long a sample of
    a listing's examples are, for estimates alone; absent where no data are at hand.
    """

    task: str
    part: str
    origin: Mapping[str, Any]
    listings: Mapping[tuple[str, str], int]
    shapes: Mapping[tuple[str, str], Sequence[Shape]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.task}@{self.part}" if self.part else self.task


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model. identity enters the key; layers and hidden (of the encoder) serve estimates, 0 if unknown.
    config: its config.json, {} where that is not at hand. weights: shapes by name, {} where they are not."""

    name: str
    identity: Mapping[str, Any]
    layers: int = 0
    hidden: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    weights: Shapes = field(default_factory=dict)

    @property
    def architecture(self) -> str:
        """Its `model_type`, "" if unknown."""
        kind = self.config.get("model_type")
        return kind if isinstance(kind, str) else ""


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Everything a plan needs to know of the world. A missing unit was looked for and is not there: `absent` says
    what a user can do about it."""

    units: Mapping[tuple[str, str], Unit]
    models: Mapping[str, Model]
    source: Mapping[str, Any]  # where fetch stages read: {"folder": ...} or {"hub": true}; not in any key
    absent: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def unknown(self) -> bool:
        """The hub did not tell a commit: the plan can be looked at, but its keys are not those of a run."""
        origins = [unit.origin.get("hub", {}).values() for unit in self.units.values()]
        revisions = [model.identity.get("revision") for model in self.models.values()]
        return "unknown" in revisions or any("unknown" in commits for commits in origins)


#: The shape of `model: tiny`, a real XLM-R made on the spot to try things out (jobs/tiny.py).
TINY = {"layers": 2, "hidden": 96, "heads": 4, "vocabulary": 4000, "seed": 0}

#: Encoder shapes of the models that the published studies use (layers, hidden size): Conneau et al. 2020, table of
#: model sizes; Devlin et al. 2019. For estimates where no config.json is at hand.
SHAPES = {
    "FacebookAI/xlm-roberta-base": (12, 768),
    "FacebookAI/xlm-roberta-large": (24, 1024),
    "google-bert/bert-base-multilingual-cased": (12, 768),
}


def training_unit(task: str, language: str) -> tuple[str, str]:
    """The fetch unit that holds a task's training data in one language; English may be borrowed (CANON rule 4)."""
    if language == "en":
        return (TASKS[task].train_from or task, "")
    return (task, language)


def needed_units(grid: Grid) -> list[tuple[str, str]]:
    """Every fetch unit that the grid's stages read, in the order in which they are first needed."""
    units: dict[tuple[str, str], None] = {}
    for target in grid.targets:
        units[(target.task, "")] = None
        for language in target.train_languages:
            units[training_unit(target.task, language)] = None
        if grid.prompted.shots and any(arm.prompted for arm in grid.arms) and target.task in prompts():
            units[training_unit(target.task, "en")] = None
    for part in (part for arm in grid.arms for part in arm.parts):
        for language in part.languages:
            units[training_unit(part.task, language)] = None
    return list(units)


def look(grid: Grid, *, must_know: bool = True) -> Inventory:
    """The inventory of a grid's data and models, as they are now. Reads file bytes for digests (cached by size and
    time). Raises UserError where a folder is not there or the hub cannot say which commit a name means
    (without `must_know`, `Inventory.unknown` is then true)."""
    wanted = needed_units(grid)
    models = {place: _model(place, must_know) for place in dict.fromkeys(model.place for model in grid.models)}
    if grid.data == "hub":
        return _from_hub(wanted, models, must_know)
    folder = local_data(grid.data)
    units, absent = {}, {}
    for task, part in wanted:
        listings = source.unit_listings(task, part, folder)
        if listings:
            units[(task, part)] = Unit(
                task=task,
                part=part,
                origin={"digest": source.unit_digest(listings, folder)},
                listings={(x.language, x.split): source.count(x) for x in listings},
                shapes={(x.language, x.split): source.shapes(x) for x in listings},
            )
        else:
            absent[(task, part)] = _what_to_do(task, part, folder)
    source.flush()
    return Inventory(units=units, models=models, source={"folder": grid.data}, absent=absent)


def _what_to_do(name: str, part: str, folder: Path | None) -> str:
    """Where data that are not there were looked for, and how a user gets them. folder: None for the hub."""
    task = TASKS[name]
    if part and part not in task.train_languages:
        where = f"in {folder}" if folder else "of a data folder, since no hub has them"
        return f"Translated copies go under translated/{name}/LANG/ {where}, with the published files' names."
    if folder is None:
        return f"No hub has {task.title} as published. {task.manual or ''}".rstrip()
    files = task.layout["train"] if part or not task.target else list(task.layout.values())[-1]
    return f"Looked in {folder} for {files}. {task.manual or ''}".rstrip()


def local_data(place: str) -> Path:
    """The data folder; an `s3://` prefix is copied once into the cache. Raises UserError where there is none."""
    if place.startswith("s3://"):
        from xtl.store.mirror import mirror

        return mirror(place)
    folder = Path(place)
    if not folder.is_dir():
        raise UserError(f"data: {folder} is not a folder; the grid's `data` (or --data) names the published files")
    return folder


def digest_of_model(folder: Path) -> str:
    """sha256 over a model folder's files, cached by size and time."""
    return source.digest(sorted(path for path in folder.iterdir() if path.is_file()), folder)


def _model(name: str, must_know: bool) -> Model:
    if name == "tiny":
        return Model(
            name=name,
            identity={"tiny": TINY},
            layers=TINY["layers"],
            hidden=TINY["hidden"],
            config={"model_type": "xlm-roberta"},
        )
    if name.startswith("/"):
        folder = Path(name)
        held = weights(folder)
        identity: dict[str, Any] = {"digest": digest_of_model(folder)}
        config = _config(folder / "config.json")
    else:
        from xtl.tasks import hub

        held = {}
        identity = {"hub": name, "revision": hub.model_revision(name, must_know=must_know)}
        config = hub.model_config(name, identity["revision"], must_know=must_know)
    layers, hidden = _shape(config) if config else SHAPES.get(name, (0, 0))
    return Model(name=name, identity=identity, layers=layers, hidden=hidden, config=config, weights=held)


def _config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_bytes())
        _shape(config)
    except (ValueError, TypeError, AttributeError):
        raise UserError(f"model: {file} is no model's configuration: copy the folder again") from None
    return dict(config)


def _shape(config: Mapping[str, Any]) -> tuple[int, int]:
    """Layers and hidden size of the text model, 0 where the configuration does not say."""
    text = config.get("text_config") or config
    return int(text.get("num_hidden_layers") or 0), int(text.get("hidden_size") or 0)


def _from_hub(wanted: list[tuple[str, str]], models: Mapping[str, Model], must_know: bool) -> Inventory:
    from xtl.tasks import hub

    units, absent = {}, {}
    for task, part in wanted:
        origin = hub.unit_origin(task, part, must_know=must_know)
        if origin is None:
            absent[(task, part)] = _what_to_do(task, part, None)
        else:
            units[(task, part)] = Unit(
                task=task, part=part, origin={"hub": origin}, listings=source.published(task, part)
            )
    return Inventory(units=units, models=models, source={"hub": True}, absent=absent)
