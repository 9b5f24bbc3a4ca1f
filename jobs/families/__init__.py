"""Task families: what tasks of one form share. `make` picks one for a task.

The vectors of retrieval sets come from the encoder alone and have no family: nothing of them is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.families.base import Family, Feature
from jobs.families.choice import Choice
from jobs.families.classification import Classification
from jobs.families.mlm import MaskedLM
from jobs.families.span import Span
from jobs.families.tagging import Tagging
from xtl.architectures import Reads
from xtl.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from xtl.tasks.base import Task

#: Span tasks where "" is an answer.
NO_ANSWER = frozenset({"squad_v2"})


def make(
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    settings: Mapping[str, Any],
    *,
    labels: Sequence[str] | None = None,
    reads: Reads = "first",
) -> Family:
    """The family of a task's form. labels: the label set where the task has no closed one of its own (CCG). reads:
    where the model has read an input, or a word (`xtl.architectures`).

    settings: see the families; `length` is always needed. Raises UserError for a form that nothing is trained for, or
    a task without labels.
    """
    key = task.key
    match task.form:
        case "pair":
            return Classification(key, tokenizer, settings, labels=_labels(task, labels), reads=reads)
        case "tagging":
            return Tagging(key, tokenizer, settings, labels=_labels(task, labels), reads=reads)
        case "span":
            return Span(key, tokenizer, settings, no_answer=key in NO_ANSWER, reads=reads)
        case "choice":
            return Choice(key, tokenizer, settings, reads=reads)
        case "text":
            return MaskedLM(key, tokenizer, settings)
    raise UserError(f"{key}: nothing is trained on a set of the form {task.form!r}")


def _labels(task: Task, labels: Sequence[str] | None) -> Sequence[str]:
    if found := task.labels or labels:
        return found
    raise UserError(f"{task.key}: has no closed label set, so its labels have to be given")


__all__ = ["Family", "Feature", "make"]
