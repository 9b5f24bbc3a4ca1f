"""What the data can serve of what a grid asks for: splits, languages, and all that is lacking, said at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from xtl.arms import Part
from xtl.grid import Grid
from xtl.grid_targets import Target
from xtl.inventory import Inventory, Unit, training_unit
from xtl.tasks import TASKS


def split_of(unit: Unit, target: Target) -> tuple[str, tuple[str, ...]]:
    """Which split a target is scored on, and in which of its languages: test where the data holds any, else dev."""
    for split in ("test", "dev"):
        languages = tuple(x for x in target.languages if _scorable(unit, target.task, x, split))
        if languages:
            return split, languages
    return "test", ()


def languages_of(part: Part, inventory: Inventory) -> tuple[str, ...]:
    """The languages that a part trains in: those it names, or with `@all` those that the data hold."""
    if not part.every:
        return part.languages
    units = {x: inventory.units.get(training_unit(part.task, x)) for x in part.languages}
    return tuple(x for x, unit in units.items() if unit is not None and (x, "train") in unit.listings)


def _scorable(unit: Unit, task: str, language: str, split: str) -> bool:
    """The listing is there, and for BUCC dev too: its threshold is chosen there."""
    there = (language, listing_of(task, language, split)) in unit.listings
    return there and (task != "bucc2018" or (language, f"dev.{language}") in unit.listings)


def listing_of(task: str, language: str, split: str) -> str:
    """The listing that a split is: of a retrieval set, its side in that language."""
    return f"{split}.{language}" if TASKS[task].group == "retrieval" else split


@dataclass(kw_only=True)
class _Lack:
    """One thing that the data lack: what, in which languages or units, and who asks for it."""

    what: str
    names: dict[str, None] = field(default_factory=dict)
    askers: dict[str, None] = field(default_factory=dict)


def absences(grid: Grid, inventory: Inventory) -> list[str]:
    """A line for each target that cannot be scored and each task that cannot be trained, with who asks for it. What to
    do about it stands in the first line that it holds for, and is not said again."""
    found: dict[tuple[str, str], _Lack] = {}
    for who, what, name, kind, hint in _lacking(grid, inventory):
        lack = found.setdefault((kind, hint), _Lack(what=what))
        lack.names[name] = None
        lack.askers[who] = None
    lines, told = [], set()
    for (_, hint), lack in found.items():
        lines.append(
            f"{', '.join(lack.askers)}: {lack.what} {', '.join(lack.names)}. {hint * (hint not in told)}".rstrip()
        )
        told.add(hint)
    return lines


def _lacking(grid: Grid, inventory: Inventory) -> Iterator[tuple[str, str, str, str, str]]:
    """Who asks, what is lacking, its name, which lacks are told as one, and what to do."""
    for target in grid.targets:
        who = f"target {target.task}"
        unit = inventory.units.get((target.task, ""))
        if unit is None or not split_of(unit, target)[1]:
            hint = inventory.absent.get((target.task, "")) or TASKS[target.task].manual or ""
            yield who, "no test or dev data in any of", ", ".join(target.languages), who, hint
        for language in target.train_languages:
            yield from _training(inventory, who, target.task, language)
    for arm in grid.arms:
        for part in arm.parts:
            if not (part.every and languages_of(part, inventory)):
                for language in part.languages[:1] if part.every else part.languages:
                    yield from _training(inventory, f"intermediate {arm.spelling}", part.task, language)


def _training(inventory: Inventory, who: str, task: str, language: str) -> Iterator[tuple[str, str, str, str, str]]:
    place = training_unit(task, language)
    unit = inventory.units.get(place)
    if unit is None or (language, "train") not in unit.listings:
        yield who, "no training data for", f"{task}@{language}", task, inventory.absent.get(place, "")
