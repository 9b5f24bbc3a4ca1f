"""The grid's `targets`: XTREME tasks, each in all its languages or in some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xtl.grid_errors import Problems, choose, show
from xtl.grid_schema import TargetSheet
from xtl.tasks import TASKS
from xtl.yaml_lines import Loc


@dataclass(frozen=True, kw_only=True)
class Target:
    """One XTREME task. languages: those it is scored in, in the task's order. train_languages: those it is fine-tuned
    in: English alone unless the grid's setting is translate-train, none for retrieval."""

    task: str
    languages: tuple[str, ...]
    train_languages: tuple[str, ...] = ("en",)


def read_targets(raw: object, setting: str, problems: Problems) -> tuple[Target, ...]:
    """The targets that can be used, in the file's order; everything else is reported."""
    if raw == "all":
        return tuple(_whole(key) for key in _keys())
    if not isinstance(raw, list) or not raw:
        problems.at(("targets",), f"targets: {show(raw)} is neither `all` nor a list such as [xnli, tydiqa]")
        return ()
    found: list[Target] = []
    for index, item in enumerate(raw):
        target = _target(item, ("targets", index), setting, problems)
        if target and any(target.task == other.task for other in found):
            problems.at(("targets", index), f"the target {target.task!r} is given twice")
        elif target:
            found.append(target)
    return tuple(found)


def _keys() -> list[str]:
    return [key for key, task in TASKS.items() if task.target]


def _whole(key: str) -> Target:
    task = TASKS[key]
    return Target(task=key, languages=task.languages, train_languages=("en",) if task.form != "sentence" else ())


def _target(raw: Any, loc: Loc, setting: str, problems: Problems) -> Target | None:
    sheet = TargetSheet(task=raw) if isinstance(raw, str) else problems.read(TargetSheet, raw, loc)
    if sheet is not None and isinstance(raw, dict):
        problems.need(TargetSheet, raw, loc, "a target", {"task": "{task: panx, languages: [en, sw]}"})
    if sheet is None or sheet.task is None:
        return None
    if sheet.task not in _keys():
        task, _, languages = sheet.task.partition("@")
        hint = f"; write {{task: {task}, languages: [{languages.replace('+', ', ')}]}}"
        valid = hint if languages and task in _keys() else choose(sheet.task, _keys(), among="targets")
        problems.at((*loc, "task"), f"{show(sheet.task)} is no target{valid}")
        return None
    whole = _whole(sheet.task)
    languages_given = _languages(sheet.languages, whole.languages, sheet.task, (*loc, "languages"), problems)
    train = _train(sheet.train, whole, setting, (*loc, "train"), problems)
    return Target(task=sheet.task, languages=languages_given, train_languages=train)


def _languages(
    given: Sequence[str] | None, valid: tuple[str, ...], who: str, loc: Loc, problems: Problems
) -> tuple[str, ...]:
    if given is None:
        return valid
    for index, language in enumerate(given):
        if language not in valid:
            problems.at((*loc, index), f"{who} has no {show(language)}; languages: {' '.join(valid)}")
        elif language in given[:index]:
            problems.at((*loc, index), f"{show(language)} is given twice")
    return tuple(language for language in valid if language in given)


def _train(given: Sequence[str] | None, whole: Target, setting: str, loc: Loc, problems: Problems) -> tuple[str, ...]:
    if given is None:
        return whole.train_languages
    task = TASKS[whole.task]
    if not task.train_languages:
        problems.at(loc, f"{task.key} has no training data: leave 'train' out")
        return ()
    languages = _languages(given, task.train_languages, f"the training data of {task.key}", loc, problems)
    if setting == "zero-shot" and set(languages) - {"en"}:
        what = f"{task.key} trained on {'+'.join(languages)} is not zero-shot: train it on English, or write "
        problems.at(loc, what + "`setting: translate-train`, which every table will then say")
    return languages
