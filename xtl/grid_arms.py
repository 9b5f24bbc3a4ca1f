"""The grid's `intermediates`: each item a word (`none`, a task) or a mapping with a name of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xtl.arms import NONE, PROMPTED, Arm, Part, part
from xtl.grid_errors import Problems, show
from xtl.grid_schema import Mix, Mixture
from xtl.tasks import TASKS
from xtl.yaml_lines import Loc

_EXAMPLE = "{name: multi, tasks: [mnli, squad_v2]}"


def read_arms(items: Sequence[Any], problems: Problems) -> tuple[Arm, ...]:
    """The arms that can be used, in the file's order; everything else is reported."""
    found: list[Arm] = []
    for index, raw in enumerate(items):
        loc: Loc = ("intermediates", index)
        arm = _arm(raw, loc, problems)
        if arm is not None:
            _check(arm, found, loc, problems)
            found.append(arm)
    return tuple(found)


def spellings(items: Sequence[Any]) -> list[str]:
    """What the items call themselves, right or wrong, so that a contrast is not blamed for a mistake made here."""
    names = [raw.get("name") if isinstance(raw, Mapping) else raw for raw in items]
    return [name for name in names if isinstance(name, str)]


def _arm(raw: object, loc: Loc, problems: Problems) -> Arm | None:
    if raw in (NONE, PROMPTED):
        return Arm(spelling=str(raw), parts=())
    if isinstance(raw, str):
        single = _part(raw, loc, problems)
        return Arm(spelling=raw, parts=(single,)) if single else None
    if isinstance(raw, dict):
        return _mixture(raw, loc, problems)
    problems.at(loc, f"{show(raw)} is no intermediate: none, a task such as mnli or xnli@de, or {_EXAMPLE}")
    return None


def _mixture(raw: dict[str, Any], loc: Loc, problems: Problems) -> Arm | None:
    sheet = problems.read(Mixture, raw, loc)
    if sheet is None:
        return None
    problems.need(Mixture, raw, loc, "an intermediate", dict.fromkeys(("name", "tasks"), _EXAMPLE))
    if sheet.name in (NONE, PROMPTED):
        problems.at((*loc, "name"), f"{sheet.name!r} is an arm of its own: choose another name")
    mix = problems.read(Mix, sheet.mix, (*loc, "mix")) if sheet.mix is not None else None
    parts: list[Part] = []
    for index, text in enumerate(sheet.tasks or ()):
        place = (*loc, "tasks", index)
        single = _part(text, place, problems)
        if single and any(single.task == other.task for other in parts):
            problems.at(place, f"{single.task} is there twice: write its languages together, {single.task}@LANG+LANG")
        elif single:
            parts.append(single)
    if not sheet.name or not parts:
        return None
    return Arm(spelling=sheet.name, parts=tuple(parts), mix_cap=mix.cap if mix else None)


def _part(text: str, loc: Loc, problems: Problems) -> Part | None:
    try:
        return part(text, TASKS)
    except ValueError as error:
        problems.at(loc, str(error))
        return None


def _check(arm: Arm, before: Sequence[Arm], loc: Loc, problems: Problems) -> None:
    """The first thing that is wrong with the arm beside those before it."""
    name = show(arm.spelling)
    if any(other.spelling == arm.spelling for other in before):
        return problems.at(loc, f"the intermediate {name} is given twice")
    if len(arm.label) > 63:
        what = (
            f"{name} makes a label of {len(arm.label)} characters, which may have 63: write {{name: ..., tasks: [...]}}"
        )
        return problems.at(loc, what)
    for other in before:
        if other.label == arm.label:
            what = f"{name} and {show(other.spelling)} would both be labelled {arm.label!r}: give one another name"
            return problems.at(loc, what)
        if arm.parts and (other.parts, other.mix_cap) == (arm.parts, arm.mix_cap):
            return problems.at(loc, f"{name} is the same as {show(other.spelling)}: leave one out")
    return None
