"""A submission folder against a label folder: `xtl score` without its printing.

Follows XTREME's evaluator wherever that gives a figure, and is kinder where it dies: a missing language makes its task
partial, a file that cannot be scored is named with its line (all such files at once, in one UserError), and what a user
should know though it changes no figure (unknown folders, unanswered questions, sentences out of step) is a note.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xtl.errors import DataError, UserError
from xtl.scoring import submission
from xtl.scoring.items import aggregate, outcome_of, outcomes
from xtl.scoring.xtreme import Metrics, Summary, summarise, targets

#: Where nothing can be scored, so many of the notes are shown: the wrong folder has one for every file in it.
NOTES_SHOWN = 3


@dataclass(kw_only=True)
class Evaluation:
    """The scores so far, what to tell the user (`notes`), and what cannot be scored (`problems`)."""

    scores: dict[str, dict[str, Metrics]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def evaluate(predictions: Path, labels: Path) -> tuple[Summary, list[str]]:
    """Score every language that both folders have; the summary and the notes. Raises UserError."""
    found = _folders(predictions, "predictions")
    _folders(labels, "labels")
    run = Evaluation()
    known = targets()
    for name in sorted(found - set(known)):
        run.notes.append(f"{predictions}: ignored: {_unknown('task', name, known)}")
    for key, task in known.items():
        if key in found:
            _evaluate_task(run, predictions / key, labels / key, key, task.languages)
    if run.problems:
        raise UserError("\n".join(run.problems))
    summary = summarise(run.scores)
    if not summary.tasks:
        helpful = sorted(run.notes, key=lambda note: "did you mean" not in note)
        raise UserError("\n".join([_nothing(predictions, found, known), *helpful[:NOTES_SHOWN]]))
    return summary, run.notes


def _nothing(predictions: Path, found: Iterable[str], known: Iterable[str]) -> str:
    held = ", ".join(repr(name) for name in sorted(found)) or "no folder"
    return (
        f"{predictions}: nothing to score: it holds {held}; expected one or more of {', '.join(known)}, with files "
        "such as xnli/test-de.tsv or xquad/test-de.json"
    )


def _folders(root: Path, what: str) -> set[str]:
    if not root.is_dir():
        state = "not a folder" if root.exists() else "no such folder"
        raise UserError(f"{root}: {state}: {what} are a folder with a sub-folder a task (xnli/test-de.tsv, ...)")
    return {entry.name for entry in _entries(root) if entry.is_dir()}


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: cannot be read: {error.strerror}") from None


def _unknown(what: str, name: str, valid: Iterable[str]) -> str:
    names = list(valid)
    near = difflib.get_close_matches(name, names, n=1)
    more = f" and {len(names) - 9} more" if len(names) > 9 else ""
    return f"no {what} {name!r}; " + (
        f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names[:9])}{more}"
    )


def _evaluate_task(run: Evaluation, predicted: Path, gold: Path, key: str, languages: tuple[str, ...]) -> None:
    files = {submission.file_name(key, language): language for language in languages}
    if not gold.is_dir():
        run.notes.append(f"{predicted}: not scored: there are no labels at {gold}")
        return
    for entry in _entries(predicted):
        if entry.name not in files:
            run.notes.append(f"{predicted}: ignored: {_unknown('file', entry.name, files)}")
    for name, language in files.items():
        if not (predicted / name).exists():
            continue
        if not (gold / name).exists():
            run.notes.append(f"{predicted / name}: not scored: there is no {gold / name}")
            continue
        try:
            run.scores.setdefault(key, {})[language] = _score(run, predicted / name, gold / name, key, language)
        except UserError as error:
            run.problems.append(str(error))


def _score(run: Evaluation, predicted: Path, gold: Path, key: str, language: str) -> Metrics:
    right, answers = _READERS[outcome_of(key)](run, predicted, gold)
    return aggregate(key, outcomes(key, language, right, answers))


def _read_choices(run: Evaluation, predicted: Path, gold: Path) -> tuple[list[str], list[str]]:
    right, answers = submission.read_lines(gold), submission.read_lines(predicted)
    if len(right) != len(answers):
        line = min(len(right), len(answers)) + 1
        raise DataError(str(predicted), line, f"{len(answers)} lines, expected {len(right)} as in {gold}")
    if not right:
        raise DataError(str(predicted), 1, "empty, and so are its labels: nothing to score")
    return right, answers


def _read_tags(run: Evaluation, predicted: Path, gold: Path) -> tuple[list[list[str]], list[list[str]]]:
    right, answers = submission.read_sentences(gold), submission.read_sentences(predicted)
    odd = _out_of_step(right, answers)
    if len(right) != len(answers):
        shorter = min(len(right), len(answers))
        number, line = odd or (shorter, _line_of(answers, shorter))
        what = f"{len(answers)} sentences, expected {len(right)} as in {gold}"
        where = f"the first to differ is number {number + 1}, which starts here"
        raise DataError(str(predicted), line, f"{what}; {where} (two blank lines in a row make an empty sentence)")
    if odd:
        number, line = odd
        what = f"sentence {number + 1} has {len(answers[number])} tags, its labels {len(right[number])}"
        shifted = "every span after it is out of place, and is scored so, as XTREME's evaluator does"
        run.notes.append(f"{predicted}:{line}: warning: {what}: {shifted}")
    return right, answers


def _out_of_step(right: Sequence[list[str]], answers: Sequence[list[str]]) -> tuple[int, int] | None:
    """The first sentence whose length differs, and the line of `answers` it starts at."""
    for number, (a, b) in enumerate(zip(right, answers, strict=False)):
        if len(a) != len(b):
            return number, _line_of(answers, number)
    return None


def _line_of(sentences: Sequence[list[str]], number: int) -> int:
    return sum(len(sentence) + 1 for sentence in sentences[:number]) + 1


def _read_answers(run: Evaluation, predicted: Path, gold: Path) -> tuple[list[submission.Question], dict[str, Any]]:
    questions, answers = submission.read_questions(gold), submission.read_answers(predicted)
    submission.check_answers(predicted, gold, answers, questions)
    open_ = [identifier for identifier, _ in questions if identifier not in answers]
    if open_:
        first = f"the first is {open_[0]!r}"
        run.notes.append(f"{predicted}: {len(open_)} of {len(questions)} questions unanswered, which score 0; {first}")
    return questions, answers


def _read_pairs(run: Evaluation, predicted: Path, gold: Path) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    return submission.read_pairs(gold), submission.read_pairs(predicted)


_READERS: dict[str, Callable[[Evaluation, Path, Path], tuple[Any, Any]]] = {
    "choice": _read_choices,
    "spans": _read_tags,
    "qa": _read_answers,
    "pairs": _read_pairs,
}
