"""The arms of a study: what the model is fine-tuned on before the target.

An arm is `none`, one task, or a mixture; or `prompted`, which trains nothing at all. A task is written
`TASK[@LANG(+LANG)*|@all][:CAP]`: `mnli`, `xnli@de`, `xnli@de+ru+sw`, `pawsx@all`, `tydiqa@ko:1625`. Without languages
it is English; `@all` is every language that has published training data; CAP is how many examples in all, a seeded
sample of those languages' data together.

`parse` knows the grammar alone; `part` holds it against the tasks there are. Equal data gets equal parts: languages
stand in the task's order, however the grid spells them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from xtl.grid_errors import choose, show
from xtl.tasks.base import Task
from xtl.tasks.formats.listing import XTREME

NONE = "none"
#: The model is asked in words and not trained.
PROMPTED = "prompted"

_EXPRESSION = re.compile(r"(?P<task>[a-z0-9_]+)(?:@(?P<languages>[a-z]+(?:\+[a-z]+)*))?(?::(?P<cap>[0-9]{1,12}))?")


@dataclass(frozen=True, kw_only=True)
class Expression:
    """A task expression as written. languages: None where none is written, ("all",) for `@all`."""

    task: str
    languages: tuple[str, ...] | None = None
    cap: int | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One task of an arm. cap: examples in all, None for every one there is. every: written `@all`, so that those of
    the languages count that the data hold."""

    task: str
    languages: tuple[str, ...] = ("en",)
    cap: int | None = None
    every: bool = False


@dataclass(frozen=True, kw_only=True)
class Arm:
    """spelling: as the grid has it, or the given name of a mapping. mix_cap: the most examples that count for a task's
    share of a mixture (examples-proportional sampling), None for no limit. `none` has no parts."""

    spelling: str
    parts: tuple[Part, ...]
    mix_cap: int | None = None

    @property
    def prompted(self) -> bool:
        return self.spelling == PROMPTED

    @property
    def label(self) -> str:
        """The arm's name in labels and file names."""
        return label(self.spelling)


def label(spelling: str) -> str:
    """Every character outside `[a-z0-9-]` made a `-`."""
    return re.sub(r"[^a-z0-9-]", "-", spelling)


def parse(text: str) -> Expression:
    """The expression's pieces. Raises ValueError with what is wrong."""
    match = _EXPRESSION.fullmatch(text)
    if not match:
        raise ValueError(f"{show(text)} is no task: write TASK, TASK@LANG+LANG, TASK@all or TASK@LANG:EXAMPLES")
    languages = match["languages"]
    cap = int(match["cap"]) if match["cap"] else None
    if cap == 0:
        raise ValueError(f"{show(text)}: a sample of 0 examples; leave the task out, or write at least 1")
    return Expression(task=match["task"], languages=tuple(languages.split("+")) if languages else None, cap=cap)


def part(text: str, tasks: Mapping[str, Task]) -> Part:
    """The expression held against the tasks there are. Raises ValueError with what is wrong and what would be valid."""
    expression = parse(text)
    task = tasks.get(expression.task)
    trainable = [key for key, other in tasks.items() if other.intermediate]
    if task is None:
        raise ValueError(
            f"{show(expression.task)} is no task{choose(expression.task, [NONE, *trainable], among='tasks')}"
        )
    if not task.intermediate:
        raise ValueError(f"{expression.task} {_why_not(task)}; tasks: {' '.join(trainable)}")
    written = expression.languages or ("en",)
    languages = task.train_languages if written == ("all",) else written
    check_languages(task.key, languages, trainable_languages(task), text)
    order = trainable_languages(task)
    every = written == ("all",)
    return Part(task=task.key, languages=tuple(sorted(languages, key=order.index)), cap=expression.cap, every=every)


def trainable_languages(task: Task) -> tuple[str, ...]:
    """Languages a task can be trained in: those published, and for an English set that is no target every XTREME
    language, since its translation may be brought as files (`translated/TASK/LANG`)."""
    if task.target or task.train_languages != ("en",):
        return task.train_languages
    return ("en", *(language for language in XTREME if language != "en"))


def check_languages(key: str, languages: tuple[str, ...], valid: tuple[str, ...], text: str) -> None:
    """Raises ValueError for a language that is not there, or is there twice."""
    unknown = [language for language in languages if language not in valid]
    if unknown:
        raise ValueError(f"{show(text)}: {key} has no {', '.join(map(show, unknown))}; languages: {' '.join(valid)}")
    twice = sorted({language for language in languages if languages.count(language) > 1})
    if twice:
        raise ValueError(f"{show(text)}: {', '.join(twice)} given twice")


def _why_not(task: Task) -> str:
    if task.train_from:
        return f"has no training data of its own: it trains on {task.train_from}, write that"
    return "has no training data"
