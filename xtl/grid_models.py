"""The grid's `model`: each a name, or a mapping with what holds for it alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from xtl.arms import label
from xtl.grid_errors import Problems, show
from xtl.grid_schema import Hyper, MethodSheet, ModelSheet, ModelTrain
from xtl.yaml_lines import Loc

Attention = Literal["as-trained", "bidirectional"]


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Low-rank adapters in place of the weights (Hu et al. 2021, arXiv 2106.09685). carry: what a target begins with
    after an intermediate, `continue`: the same adapters go on training; `merge`: they become part of the weights, and
    the target has new ones."""

    rank: int = 16
    alpha: int = 32
    targets: str | tuple[str, ...] = "all-linear"
    carry: Literal["continue", "merge"] = "continue"


@dataclass(frozen=True, kw_only=True)
class StudyModel:
    """place: a hub id, an absolute folder, or `tiny`. name: as the file and the results spell it. lora: None where all
    weights are trained; given: what of it the grid says. hyper: hyperparameters for this model
    alone, which are stronger than all others."""

    place: str
    name: str
    attention: Attention = "as-trained"
    lora: Lora | None = None
    given: frozenset[str] = frozenset()
    hyper: Mapping[str, Any] = field(default_factory=dict)

    @property
    def special(self) -> dict[str, Any]:
        """How it is trained, flat, for a person; nothing where it is as published."""
        found = self.differs
        more = {"method": "lora", **found.pop("lora"), "carry": self.lora.carry} if self.lora else {}
        return {**found, **more}

    @property
    def sources(self) -> dict[str, str]:
        """Where each of `special` comes from."""
        said = {*self.given, "attention", "method"}
        return {name: "grid" if name in said else "xtl default" for name in self.special}

    @property
    def differs(self) -> dict[str, Any]:
        """What a spec says of the model's training; nothing where it is as published."""
        found: dict[str, Any] = {} if self.attention == "as-trained" else {"attention": self.attention}
        if self.lora:
            targets = self.lora.targets
            found["lora"] = {
                "rank": self.lora.rank,
                "alpha": self.lora.alpha,
                "targets": targets if isinstance(targets, str) else list(targets),
            }
        return found


def read_models(
    items: Sequence[Any], attention: Attention, train: object, folder: Path, problems: Problems
) -> tuple[StudyModel, ...]:
    """attention and train: the grid's own, which hold where a model says nothing else."""
    written = train if isinstance(train, dict) else {}
    common = {name: written[name] for name in _METHOD if written.get(name) is not None}
    found: list[StudyModel] = []
    for index, item in enumerate(items):
        made = _model(item, ("model", index), attention, common, folder, problems)
        if made is None:
            continue
        if any(made.name == other.name for other in found):
            problems.at(
                ("model", index), f"model: {show(made.name)} is given twice; {{model: ..., name: ...}} tells two apart"
            )
        elif other := next((other for other in found if label(other.name.lower()) == label(made.name.lower())), None):
            what = (
                f"model: {show(made.name)} and {show(other.name)} would both be labelled {label(made.name.lower())!r}"
            )
            problems.at(("model", index), what)
        elif other := next((other for other in found if _alike(other, made)), None):
            what = f"model: {show(made.name)} is the same as {show(other.name)}, trained alike: leave one out"
            problems.at(("model", index), what)
        found.append(made)
    if found and not any(model.lora for model in found):
        for name in (name for name in common if name != "method"):
            problems.at(("train", name), _NOT_CHOSEN.format(name, show(common[name])), key=True)
    return tuple(found)


def _alike(one: StudyModel, other: StudyModel) -> bool:
    """Two columns of the same figures."""
    return replace(one, name="", given=frozenset()) == replace(other, name="", given=frozenset())


_NOT_CHOSEN = "{}: {} is of adapters: write `method: lora` beside it, or leave it out"
_METHOD = tuple(MethodSheet.model_fields)


def _model(
    item: Any, loc: Loc, attention: Attention, common: Mapping[str, Any], folder: Path, problems: Problems
) -> StudyModel | None:
    sheet = ModelSheet(model=item) if isinstance(item, str) else problems.read(ModelSheet, item, loc)
    if sheet is not None and not isinstance(item, str):
        problems.need(ModelSheet, item, loc, "a model", {"model": "{model: Qwen/Qwen3-4B-Base}"})
    if sheet is None or sheet.model is None:
        return None
    where: Loc = loc if isinstance(item, str) else (*loc, "model")
    own = problems.read(ModelTrain, {} if sheet.train is None else sheet.train, (*loc, "train")) or ModelTrain()
    given = {**common, **own.model_dump(exclude_none=True)}
    hyper = {name: value for name, value in given.items() if name in Hyper.model_fields}
    if "epochs" in hyper and "steps" in hyper:
        problems.at((*loc, "train", "steps"), "both epochs and steps are given: keep one")
    method = {name: value for name, value in given.items() if name in _METHOD and name != "method"}
    lora = given.get("method", "full") == "lora"
    if not lora:
        for name in (name for name in method if name in own.model_fields_set):
            problems.at((*loc, "train", name), _NOT_CHOSEN.format(name, show(method[name])), key=True)
    if isinstance(targets := method.get("targets"), str | list):
        method["targets"] = "all-linear" if targets in ("all-linear", ["all-linear"]) else tuple(targets)
    return StudyModel(
        place=_place(sheet.model, where, folder, problems),
        name=sheet.name or sheet.model,
        attention=sheet.attention or attention,
        lora=Lora(**method) if lora else None,
        given=frozenset(method) if lora else frozenset(),
        hyper=hyper,
    )


def _place(text: str, loc: Loc, folder: Path, problems: Problems) -> str:
    """`tiny`, a hub id, or a folder (it starts with `/`, `.` or `~`, which no hub id does)."""
    if text == "tiny" or re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", text):
        return text
    if text[:1] in ("/", ".", "~"):
        return folder_of("model", loc, text, folder, problems)
    valid = "a hub id such as FacebookAI/xlm-roberta-large, a folder such as ./my-model, or tiny"
    problems.at(loc, f"model: {show(text)} is no model: {valid}")
    return text


def folder_of(key: str, loc: Loc, text: str, folder: Path, problems: Problems) -> str:
    """A folder made absolute."""
    try:
        return str(folder.joinpath(Path(text or "\0").expanduser()).resolve())
    except (OSError, RuntimeError, ValueError):  # no such user after `~`, a NUL, a loop of links
        problems.at(loc, f"{key}: {show(text)} is no folder")
        return text
