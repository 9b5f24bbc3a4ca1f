"""The study's table: an arm a row, a task a column, from the scores table. Pure.

A cell is the mean over the seeds of the task's score (XTREME's: the mean over its languages), and says where it is less
than that: languages missing, dev in place of test, seeds missing. An average over tasks exists only where all nine do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xtl.scoring.counts import mean
from xtl.scoring.items import headline
from xtl.scoring.table import Score
from xtl.scoring.xtreme import TaskScore, summarise, targets


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One arm on one task. values: the task's score by seed; english: the same in English alone, where it is scored.
    languages of expected; split: what it is scored on."""

    values: Mapping[int, float]
    english: Mapping[int, float]
    languages: int
    expected: int
    split: str

    @property
    def value(self) -> float:
        return mean(self.values.values())

    @property
    def partial(self) -> bool:
        return self.languages < self.expected


@dataclass(frozen=True, kw_only=True)
class Line:
    """One arm of one model. overall: the mean over all nine tasks (and the seeds), None unless all nine are whole."""

    model: str
    arm: str
    cells: Mapping[str, Cell]
    overall: float | None


@dataclass(frozen=True, kw_only=True)
class Study:
    """rows_done of rows: target stages with a score, of those that the grid asks for."""

    tasks: tuple[str, ...]
    lines: tuple[Line, ...]
    seeds: tuple[int, ...]
    rows_done: int
    rows: int
    setting: str = "zero-shot"
    degenerate: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()  # where a score other than English's is not zero-shot, a phrase each


def study(
    rows: Sequence[Mapping[str, Any]],
    scores: Iterable[Score],
    degenerate: Sequence[Mapping[str, Any]] = (),
    setting: str = "zero-shot",
) -> Study:
    """rows: the study's rows (model, arm, seed, task), done or not; scores: those of the headline rule are used;
    degenerate: as `gather` gives them."""
    found: dict[tuple[str, str, int], dict[str, dict[str, dict[str, float]]]] = defaultdict(dict)
    split: dict[tuple[str, str, str], str] = {}
    seen: dict[str, dict[str, None]] = defaultdict(dict)
    for score in scores:
        if score["checkpoint"] == "last":
            model, arm, task = score["model"], score["intermediate"], score["task"]
            languages = found[model, arm, score["seed"]].setdefault(task, {})
            languages.setdefault(score["language"], {})[score["metric"]] = score["value"]
            split[model, arm, task] = score["split"]
            if not score["zero_shot"] and score["language"] != "en":
                seen[f"{task} after {arm}"][score["language"]] = None
    tasks = tuple(task for task in targets() if any(row["task"] == task for row in rows))
    arms = dict.fromkeys((row["model"], row["arm"]) for row in rows)
    seeds = tuple(dict.fromkeys(row["seed"] for row in rows))
    lines = tuple(_line(model, arm, tasks, seeds, found, split) for model, arm in arms)
    done = sum(1 for row in rows if row["task"] in found.get((row["model"], row["arm"], row["seed"]), {}))
    return Study(
        tasks=tasks,
        lines=lines,
        seeds=seeds,
        rows_done=done,
        rows=len(rows),
        setting=setting,
        degenerate=tuple(
            f"{one['model']} {one['intermediate']} seed {one['seed']} {one['task']} ({' '.join(one['languages'])})"
            for one in degenerate
        ),
        seen=tuple(f"{where} in {' '.join(languages)}" for where, languages in seen.items()),
    )


def _line(
    model: str,
    arm: str,
    tasks: Sequence[str],
    seeds: Sequence[int],
    found: Mapping[tuple[str, str, int], Any],
    split: Mapping[tuple[str, str, str], str],
) -> Line:
    summaries = {seed: summarise(found[model, arm, seed]) for seed in seeds if (model, arm, seed) in found}
    cells = {}
    for task in tasks:
        by_seed: dict[int, TaskScore] = {s: x.tasks[task] for s, x in summaries.items() if task in x.tasks}
        if by_seed:
            cells[task] = Cell(
                values={seed: score.score for seed, score in by_seed.items()},
                english={s: headline(x.languages["en"]) for s, x in by_seed.items() if "en" in x.languages},
                languages=min(len(score.languages) for score in by_seed.values()),
                expected=len(next(iter(by_seed.values())).expected),
                split=split[model, arm, task],
            )
    whole = [x.overall for x in summaries.values()]
    on_test = all(cell.split == "test" for cell in cells.values())
    overall = None
    if whole and len(whole) == len(seeds) and on_test and all(value is not None for value in whole):
        overall = sum(value for value in whole if value is not None) / len(whole)
    return Line(model=model, arm=arm, cells=cells, overall=overall)


def notes(study: Study) -> list[str]:
    """What a reader must know beside the figures, in sentences."""
    found = []
    if study.setting != "zero-shot":
        found.append(f"The setting is {study.setting}: targets were trained in other languages than English, too.")
    if study.rows_done < study.rows:
        found.append(f"Incomplete: {study.rows_done} of {study.rows} results are there.")
    cells = {task: [line.cells[task] for line in study.lines if task in line.cells] for task in study.tasks}
    partial = [f"{t} {c[0].languages} of {c[0].expected}" for t, c in cells.items() if c and c[0].partial]
    if partial:
        found.append(f"* partial: languages scored: {', '.join(partial)}. Such a score is not XTREME's.")
    on_dev = [task for task, c in cells.items() if c and c[0].split == "dev"]
    if on_dev:
        found.append(f"† scored on dev, for the data hold no test set: {', '.join(on_dev)}.")
    if all(line.overall is None for line in study.lines):
        found.append("No overall average: it exists only over all nine tasks, complete and on test.")
    count = len(study.seeds)
    if count < 5:
        found.append(
            f"{count} seed{'s' if count > 1 else ''}: too few to claim a difference: below five no "
            "sign-flip test can reach 0.05."
        )
    if study.seen:
        found.append(f"Not zero-shot, for the task itself was trained in that language: {'; '.join(study.seen)}.")
    if study.degenerate:
        found.append(f"Degenerate, one class predicted for everything: {'; '.join(study.degenerate)}.")
    return found


def cell_text(cell: Cell | None) -> str:
    """The figure with its marks: `61.2*†`, or a dash where there is none."""
    if cell is None:
        return "-"
    return f"{cell.value:.1f}{'*' if cell.partial else ''}{'†' if cell.split == 'dev' else ''}"


def head_and_rows(study: Study) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """The table's head, its rows, and rows for English alone (the language of training, so no transfer) where any
    target was scored in it."""
    several = len({line.model for line in study.lines}) > 1
    head = [*(["model"] if several else []), "intermediate", *study.tasks, "average"]
    rows, english = [], []
    for line in study.lines:
        names = [*([line.model] if several else []), line.arm]
        cells = [line.cells.get(task) for task in study.tasks]
        average = "-" if line.overall is None else f"{line.overall:.1f}"
        rows.append([*names, *map(cell_text, cells), average])
        alone = [f"{mean(cell.english.values()):.1f}" if cell and cell.english else "-" for cell in cells]
        if any(figure != "-" for figure in alone):
            english.append([*names[:-1], f"{line.arm}, English alone", *alone, "-"])
    return head, rows, english


def markdown(study: Study) -> str:
    """The table and its notes, as GitHub shows them."""
    head, rows, english = head_and_rows(study)
    lines = [head, ["---"] * len(head), *rows, *english]
    table = "\n".join("| " + " | ".join(row) + " |" for row in lines)
    return f"Scores, {study.setting}.\n\n{table}\n\n" + "\n\n".join(notes(study)) + "\n"
