"""Grid and inventory to a plan: a DAG of stages, each with a key. Pure.

A stage that several rows of the study need exists once: equal specs have equal keys. A spec holds what determines the
result and nothing else (`keys.py`); `jobs/` reads it back as it stands here, so this file and `jobs/` are the two ends
of one contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from xtl.architectures import architecture_of
from xtl.arms import PROMPTED
from xtl.coverage import absences, languages_of, split_of
from xtl.errors import UserError
from xtl.fit import asks, misfits, special
from xtl.grid import Arm, Contrast, Grid, Target
from xtl.grid_models import StudyModel
from xtl.inventory import TINY, Inventory, Unit, needed_units, training_unit
from xtl.keys import SCHEMA, parent_keys, stage_key
from xtl.prompts import prompts
from xtl.settings import MICRO_TOKENS, OPTIMISER, Role, resolve


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage. `spec` is hashed into `key`; `where` says where a fetch reads, and of a decoder whether it will be
    `asked`, and is not. seconds: what it is estimated to take (estimate.py), None as long as it is not."""

    key: str
    kind: str
    title: str
    spec: Mapping[str, Any]
    where: Mapping[str, Any]
    parents: tuple[str, ...]
    labels: Mapping[str, str]
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell of the study: which stage answers for this model, arm, seed and target."""

    model: str
    arm: str
    seed: int
    task: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Stages by key in an order in which parents come first, and the study's rows."""

    grid: Grid
    stages: Mapping[str, Stage]
    rows: tuple[Row, ...]
    reduce: str

    def descendants(self, key: str) -> set[str]:
        """Every stage that needs this one, directly or not."""
        found: set[str] = set()
        for stage in self.stages.values():
            if any(parent == key or parent in found for parent in stage.parents):
                found.add(stage.key)
        return found


def build(grid: Grid, inventory: Inventory) -> Plan:
    """The plan of a grid. Raises UserError that names every target and arm without data, and what a model cannot do."""
    problems = [*absences(grid, inventory), *misfits(grid, inventory)]
    if problems:
        raise UserError("\n".join(problems))
    return _Planner(grid, inventory).plan()


class _Planner:
    """Adds stages once each; the state is the plan under construction."""

    def __init__(self, grid: Grid, inventory: Inventory) -> None:
        self.grid, self.inventory = grid, inventory
        self.stages: dict[str, Stage] = {}
        self.data: dict[tuple[str, str], str] = {}

    def plan(self) -> Plan:
        for place in needed_units(self.grid):
            if place in self.inventory.units:  # `@all` may ask for more than there is
                self.data[place] = self._fetch_data(self.inventory.units[place])
        bases = {model.place: self._fetch_model(model.place) for model in self.grid.models}  # first: they may fail
        rows: list[Row] = []
        for model in self.grid.models:
            base = bases[model.place]
            for seed in self.grid.seeds:
                for arm in self.grid.arms:
                    encoder = self._intermediate(model, base, arm, seed) if arm.parts else base
                    targets = self.grid.targets
                    if arm.prompted:  # others have a dash there
                        can = asks(model, self.inventory)
                        targets = tuple(target for target in targets if can and target.task in prompts())
                    rows += [
                        Row(
                            model=model.name,
                            arm=arm.spelling,
                            seed=seed,
                            task=target.task,
                            key=self._target(model, base, encoder, arm, seed, target),
                        )
                        for target in targets
                    ]
        reduce = self._reduce(rows)
        return Plan(grid=self.grid, stages=self.stages, rows=tuple(rows), reduce=reduce)

    def _add(
        self,
        spec: dict[str, Any],
        title: str,
        labels: Mapping[str, str],
        *,
        where: Mapping[str, Any] | None = None,
    ) -> str:
        spec = {"schema": SCHEMA, **spec}
        key = stage_key(spec)
        if key not in self.stages:
            self.stages[key] = Stage(
                key=key,
                kind=spec["kind"],
                title=title,
                spec=spec,
                where=where or {},
                parents=parent_keys(spec),
                labels={"kind": spec["kind"], **labels},
            )
        return key

    def _fetch_data(self, unit: Unit) -> str:
        spec = {"kind": "fetch", "what": "data", "task": unit.task, "part": unit.part, "origin": dict(unit.origin)}
        return self._add(spec, f"fetch {unit.name}", {"task": unit.task}, where=self.inventory.source)

    def _fetch_model(self, name: str) -> str:
        spec: dict[str, Any] = {"kind": "fetch", "what": "model"}
        where: dict[str, Any] = {"model": name}
        if name == "tiny":
            # Its tokenizer is trained on the grid's data, so that data comes first.
            spec |= {"model": {"tiny": TINY}, "parents": {"data": sorted(self.data.values())}}
        else:
            spec |= {"model": dict(self.inventory.models[name].identity)}
            kind = self.inventory.models[name].architecture
            known, prompted = architecture_of(kind), any(arm.prompted for arm in self.grid.arms)
            if known.causal if known else kind and prompted:
                spec["head"] = True  # where it is not among the embeddings
                where["asked"] = prompted
        spelled = next(model.name for model in self.grid.models if model.place == name)
        return self._add(spec, f"fetch model {spelled}", {"model": spelled}, where=where)

    def _resolve(self, model: StudyModel, role: Role, task: str | None, arm: Arm | None = None) -> Mapping[str, Any]:
        config = self.inventory.models[model.place].config
        return resolve(self.grid, role, task, arm, model, config).values

    def _intermediate(self, model: StudyModel, base: str, arm: Arm, seed: int) -> str:
        alone = arm.parts[0].task if len(arm.parts) == 1 else None
        whole = self._resolve(model, "intermediate", alone, arm)
        optimiser = {name: value for name, value in whole.items() if name in OPTIMISER}
        parts, data = [], {}
        for part in arm.parts:
            own = self._resolve(model, "intermediate", part.task, arm)
            settings = {name: value for name, value in own.items() if name not in OPTIMISER}
            languages = list(languages_of(part, self.inventory))
            parts.append({"task": part.task, "languages": languages, "cap": part.cap, "settings": settings})
            data[part.task] = {x: self.data[training_unit(part.task, x)] for x in languages}
        spec = {
            "kind": "intermediate",
            "optimiser": optimiser,
            "parts": parts,
            "mix_cap": arm.mix_cap,
            "parents": {"model": base, "data": data},
            "precision": self.grid.precision,
            "seed": seed,
            "threads": self.grid.threads,
            **special(model, self.inventory),
        }
        labels = {"model": model.name, "intermediate": arm.label, "seed": str(seed)}
        title = f"intermediate {arm.spelling} seed {seed}{self._of(model)}"
        return self._add(spec, title, labels)

    def _prompted(self, model: StudyModel, encoder: str, seed: int, target: Target) -> str:
        """A target that is asked about: of the model as it was fetched, whatever the grid trains of it."""
        split, languages = split_of(self.inventory.units[(target.task, "")], target)
        asked = self.grid.prompted
        spec: dict[str, Any] = {
            "kind": "target",
            "task": target.task,
            "languages": list(languages),
            "split": split,
            "prompt": {**prompts()[target.task], "shots": asked.shots, "language": asked.language},
            "settings": {"length": asked.length, "answer_pieces": asked.answer_pieces, "micro_tokens": MICRO_TOKENS},
            "parents": {"encoder": encoder, "eval": self.data[(target.task, "")]},
            "precision": self.grid.precision,
            "threads": self.grid.threads,
        }
        labels = {"model": model.name, "intermediate": PROMPTED, "task": target.task}
        title = f"target {target.task} {PROMPTED}"
        if asked.shots:
            spec |= {"seed": seed, "parents": {**spec["parents"], "shots": self.data[training_unit(target.task, "en")]}}
            labels["seed"], title = str(seed), f"{title} seed {seed}"
        return self._add(spec, title + self._of(model), labels)

    def _target(self, model: StudyModel, base: str, encoder: str, arm: Arm, seed: int, target: Target) -> str:
        if arm.prompted:
            return self._prompted(model, encoder, seed, target)
        unit = self.inventory.units[(target.task, "")]
        split, languages = split_of(unit, target)
        settings = dict(self._resolve(model, "target", target.task))
        spec: dict[str, Any] = {
            "kind": "target",
            "task": target.task,
            "languages": list(languages),
            "split": split,
            "settings": settings,
            "parents": {"encoder": encoder, "eval": self.data[(target.task, "")]},
            "precision": self.grid.precision,
            "threads": self.grid.threads,
            **special(model, self.inventory),
        }
        labels = {"model": model.name, "intermediate": arm.label, "task": target.task}
        title = f"target {target.task} after {arm.spelling}"
        trained = bool(target.train_languages)
        if model.lora and arm.parts:
            spec["parents"]["base"] = base  # an intermediate's adapters need the weights that they are for
            if trained:
                spec["lora"]["carry"] = model.lora.carry
        if model.lora and not arm.parts and not trained:
            del spec["lora"]  # retrieval from the model as it is
        if trained:
            train = {x: self.data[training_unit(target.task, x)] for x in target.train_languages}
            spec |= {"checkpoints": list(self.grid.checkpoints), "seed": seed}
            spec["parents"]["train"] = train
        if trained or arm.parts:  # retrieval trains nothing: the seed cannot change it but through its parent
            labels["seed"] = str(seed)
            title += f" seed {seed}"
        return self._add(spec, title + self._of(model), labels)

    def _of(self, model: StudyModel) -> str:
        """Which model a stage is of, in a title, where the grid has several."""
        return f" of {model.name}" if len(self.grid.models) > 1 else ""

    def _reduce(self, rows: Iterable[Row]) -> str:
        spec = {
            "kind": "reduce",
            "grid": self.grid.name,
            "setting": self.grid.setting,
            "contrasts": [_written(contrast) for contrast in self.grid.contrasts],
            "arms": [self._arm(arm) for arm in self.grid.arms],
            "rows": [{"model": r.model, "arm": r.arm, "seed": r.seed, "task": r.task} for r in rows],
            "parents": {"rows": [r.key for r in rows]},
        }
        return self._add(spec, "reduce", {}, where={"grid": self.grid.name})

    def _arm(self, arm: Arm) -> dict[str, Any]:
        """What a report tells of an arm: its tasks as `TASK` or `TASK@LANG+LANG`, and all languages it trains in."""
        languages = {part.task: languages_of(part, self.inventory) for part in arm.parts}
        tasks = [f"{task}@{'+'.join(found)}" for task, found in languages.items()]
        every = dict.fromkeys(language for found in languages.values() for language in found)
        return {"name": arm.spelling, "tasks": tasks, "languages": list(every)}


def _written(contrast: Contrast) -> dict[str, Any]:
    """As the reduce stage reads it; models where they are named."""
    return {name: value for name, value in asdict(contrast).items() if value or "model" not in name}
