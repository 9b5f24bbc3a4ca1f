"""XTREME's averages: languages to tasks, tasks to groups, nine tasks to one overall score.

A task's score is the unweighted mean over its languages, English included; QA takes the mean of mean EM and mean F1. A
group's score is the mean of its tasks, the overall score the mean of all nine, and each exists only if nothing it
averages is missing. (RemBERT's tables average groups instead: never mix the two.) A task with languages missing has the
mean of those present and is marked partial, where XTREME's evaluator would stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xtl.scoring.counts import mean
from xtl.scoring.items import headline
from xtl.tasks.base import Task

Metrics = Mapping[str, float]  # {METRIC: percent}


def targets() -> dict[str, Task]:
    """XTREME's nine tasks by key."""
    from xtl import tasks

    return {task.key: task for task in tasks.targets()}


@dataclass(frozen=True, kw_only=True)
class TaskScore:
    """One task's languages, in XTREME's order. At least one is scored."""

    key: str
    group: str
    expected: tuple[str, ...]
    languages: Mapping[str, Metrics]

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(language for language in self.expected if language not in self.languages)

    @property
    def partial(self) -> bool:
        return bool(self.missing)

    @property
    def metrics(self) -> dict[str, float]:
        """The mean of each metric over the languages present."""
        names = next(iter(self.languages.values()))
        return {name: mean(metrics[name] for metrics in self.languages.values()) for name in names}

    @property
    def score(self) -> float:
        return headline(self.metrics)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All tasks that have a language scored, in XTREME's order. `members`: each group's tasks, scored or not."""

    tasks: Mapping[str, TaskScore]
    members: Mapping[str, tuple[str, ...]]

    def _mean(self, keys: tuple[str, ...]) -> float | None:
        if any(key not in self.tasks or self.tasks[key].partial for key in keys):
            return None
        return mean(self.tasks[key].score for key in keys)

    @property
    def groups(self) -> dict[str, float | None]:
        return {group: self._mean(keys) for group, keys in self.members.items()}

    @property
    def overall(self) -> float | None:
        return self._mean(tuple(key for keys in self.members.values() for key in keys))

    @property
    def missing_tasks(self) -> tuple[str, ...]:
        return tuple(key for keys in self.members.values() for key in keys if key not in self.tasks)

    def to_json(self) -> dict[str, Any]:
        tasks = {
            key: {
                "score": task.score,
                "languages": {language: dict(metrics) for language, metrics in task.languages.items()},
                "partial": task.partial,
                "missing": list(task.missing),
            }
            for key, task in self.tasks.items()
        }
        return {"tasks": tasks, "groups": self.groups, "overall": self.overall}


def summarise(scores: Mapping[str, Mapping[str, Metrics]]) -> Summary:
    """`{task: {language: metrics}}` averaged. Raises KeyError for a task or language that XTREME has not."""
    known = targets()
    members: dict[str, tuple[str, ...]] = {}
    for key, task in known.items():
        members[str(task.group)] = (*members.get(str(task.group), ()), key)
    for key, languages in scores.items():
        unknown = set(languages) - set(known[key].languages)
        if unknown:
            raise KeyError(f"{key} has no language {', '.join(sorted(unknown))}")
    tasks = {
        key: TaskScore(
            key=key,
            group=str(task.group),
            expected=task.languages,
            languages={language: scores[key][language] for language in task.languages if language in scores[key]},
        )
        for key, task in known.items()
        if scores.get(key)
    }
    return Summary(tasks=tasks, members=members)
