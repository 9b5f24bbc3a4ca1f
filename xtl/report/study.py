"""The study's table: an arm a row, a task a column, from the scores table. Pure.

A cell is the mean over the seeds of the task's score (XTREME's: the mean over its languages), and says where it is less
than that: languages missing, dev in place of test, seeds missing. An average over tasks exists only where all nine do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xtl.scoring.claims import too_few
from xtl.scoring.counts import mean
from xtl.scoring.items import headline
from xtl.scoring.table import Score
from xtl.scoring.xtreme import TaskScore, summarise, targets


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One arm on one task. values: the task's score by seed; scores: by seed and language, what it is the mean of, of
    `expected` languages; split: what it is scored on. metrics: each metric's mean over languages and seeds. own: the
    languages other than English that are not zero-shot. stages: that made the values, one alone where the seed
    changes nothing."""

    values: Mapping[int, float]
    scores: Mapping[int, Mapping[str, float]]
    expected: int
    split: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    stages: int = 0

    @property
    def seedless(self) -> bool:
        return self.stages == 1 < len(self.values)

    @property
    def told(self) -> str:
        return runs_told(len(self.values), self.stages)

    @property
    def value(self) -> float:
        return mean(self.values.values())

    @property
    def languages(self) -> int:
        """The fewest of any seed."""
        return min(map(len, self.scores.values()))

    @property
    def partial(self) -> bool:
        return self.languages < self.expected

    @property
    def english(self) -> dict[int, float]:
        """By seed, where English is scored."""
        return {seed: languages["en"] for seed, languages in self.scores.items() if "en" in languages}

    @property
    def without_own(self) -> dict[int, float]:
        """The score by seed without what is not zero-shot; as it is where all is."""
        if not self.own:
            return dict(self.values)
        left = {seed: [v for x, v in one.items() if x not in self.own] for seed, one in self.scores.items()}
        return {seed: mean(values) for seed, values in left.items() if values}


def runs_told(seeds: int, stages: int) -> str:
    """How many runs a mean is over. A stage that the seed cannot change stands at every seed and is one run."""
    return "1 run, no seed" if stages == 1 < seeds else f"{seeds} seed{'' if seeds == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One arm of one model. overall: the mean over all nine tasks (and the seeds), None unless all nine are whole;
    groups: those of XTREME that are whole, each the mean of its tasks."""

    model: str
    arm: str
    cells: Mapping[str, Cell]
    overall: float | None
    groups: Mapping[str, float] = field(default_factory=dict)

    def without_own(self, group: str = "") -> float | None:
        """One of its averages (a group's, or that over all nine tasks) without what is not zero-shot; None where it
        holds nothing of that kind. The average must be there."""
        cells = [self.cells[key] for key, task in targets().items() if group in ("", str(task.group))]
        if not any(cell.own for cell in cells):
            return None
        return mean(mean(cell.without_own.values()) for cell in cells)


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
    found = _Found()
    for score in scores:
        found.add(score)
    tasks = tuple(task for task in targets() if any(row["task"] == task for row in rows))
    arms = dict.fromkeys((row["model"], row["arm"]) for row in rows)
    seeds = tuple(dict.fromkeys(row["seed"] for row in rows))
    lines = tuple(_line(model, arm, tasks, seeds, found) for model, arm in arms)
    done = sum(1 for row in rows if row["task"] in found.last.get((row["model"], row["arm"], row["seed"]), {}))
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
        seen=tuple(dict.fromkeys(
            f"{task} after {line.arm} in {' '.join(cell.own)}"
            for line in lines for task, cell in line.cells.items() if cell.own
        )),
    )  # fmt: skip


_Scores = dict[tuple[str, str, int], dict[str, dict[str, dict[str, float]]]]  # run -> task -> language -> metric


@dataclass(kw_only=True)
class _Found:
    """The scores table by run (model, arm, seed), at the headline rule."""

    last: _Scores = field(default_factory=lambda: defaultdict(dict))
    split: dict[tuple[str, str, str], str] = field(default_factory=dict)
    stages: dict[tuple[str, str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    own: dict[tuple[str, str, str], dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, score: Score) -> None:
        model, arm, task, language = score["model"], score["intermediate"], score["task"], score["language"]
        if score["checkpoint"] != "last":
            return
        languages = self.last[model, arm, score["seed"]].setdefault(task, {})
        languages.setdefault(language, {})[score["metric"]] = score["value"]
        self.split[model, arm, task] = score["split"]
        self.stages[model, arm, task].add(score["stage"])
        if not score["zero_shot"] and language != "en":
            self.own[model, arm, task][language] = None


def _line(model: str, arm: str, tasks: Sequence[str], seeds: Sequence[int], found: _Found) -> Line:
    summaries = {seed: summarise(found.last[model, arm, seed]) for seed in seeds if (model, arm, seed) in found.last}
    cells = {}
    for task in tasks:
        by_seed = {seed: one.tasks[task] for seed, one in summaries.items() if task in one.tasks}
        if by_seed:
            cells[task] = _cell(model, arm, task, by_seed, found)
    complete = len(summaries) == len(seeds) and all(cell.split == "test" for cell in cells.values())
    groups = {
        group: mean(value for one in summaries.values() if (value := one.groups[group]) is not None)
        for group in (next(iter(summaries.values())).groups if summaries and complete else ())
        if all(one.groups[group] is not None for one in summaries.values())
    }
    whole = [one.overall for one in summaries.values() if one.overall is not None]
    overall = mean(whole) if complete and len(whole) == len(seeds) else None
    return Line(model=model, arm=arm, cells=cells, overall=overall, groups=groups)


def _cell(model: str, arm: str, task: str, by_seed: Mapping[int, TaskScore], found: _Found) -> Cell:
    one = next(iter(by_seed.values()))
    own = tuple(language for language in one.expected if language in found.own.get((model, arm, task), {}))
    return Cell(
        values={seed: score.score for seed, score in by_seed.items()},
        scores={
            seed: {x: headline(figures) for x, figures in score.languages.items()} for seed, score in by_seed.items()
        },
        expected=len(one.expected),
        split=found.split[model, arm, task],
        metrics={name: mean(score.metrics[name] for score in by_seed.values()) for name in one.metrics},
        own=own,
        stages=len(found.stages[model, arm, task]),
    )


def notes(study: Study) -> list[str]:
    """What a reader must know beside the figures, in sentences."""
    found = []
    if study.setting != "zero-shot":
        found.append(f"The setting is {study.setting}: targets were trained in other languages than English, too.")
    if study.rows_done < study.rows:
        found.append(f"Incomplete: {study.rows_done} of {study.rows} results are there.")
    cells = {task: [line.cells[task] for line in study.lines if task in line.cells] for task in study.tasks}
    least = {task: min(some, key=lambda cell: cell.languages) for task, some in cells.items() if some}
    partial = [f"{task} {cell.languages} of {cell.expected}" for task, cell in least.items() if cell.partial]
    if partial:
        found.append(f"* partial: languages scored: {', '.join(partial)}. Such a score is not XTREME's.")
    on_dev = [task for task, c in cells.items() if c and c[0].split == "dev"]
    if on_dev:
        found.append(f"† scored on dev, for the data hold no test set: {', '.join(on_dev)}.")
    if all(line.overall is None for line in study.lines):
        found.append("No overall average: it exists only over all nine tasks, complete and on test.")
    count = len(study.seeds)
    if few := too_few(count):
        found.append(few)
    fewer = [
        f"{task} after {line.arm} {len(cell.values)} of {count}"
        for line in study.lines for task, cell in line.cells.items() if len(cell.values) < count
    ]  # fmt: skip
    if fewer:
        found.append(f"Means over fewer seeds than the grid has: {', '.join(fewer)}.")
    if study.seen:
        found.append(f"Not zero-shot, for the task itself was trained in that language: {'; '.join(study.seen)}.")
    apart = [
        f"{task} after {line.arm} {mean(cell.without_own.values()):.1f}"
        for line in study.lines for task, cell in line.cells.items() if cell.own and cell.without_own
    ]  # fmt: skip
    for line in study.lines:
        value = None if line.overall is None else line.without_own()
        apart += [] if value is None else [f"average after {line.arm} {value:.1f}"]
    if apart:
        found.append(f"‡ with those languages; without them: {', '.join(dict.fromkeys(apart))}.")
    if study.degenerate:
        found.append(f"Degenerate, one class predicted for everything: {'; '.join(study.degenerate)}.")
    return found


def cell_text(cell: Cell | None) -> str:
    """The figure with its marks: `61.2*†‡`, or a dash where there is none."""
    if cell is None:
        return "-"
    marks = f"{'*' if cell.partial else ''}{'†' if cell.split == 'dev' else ''}{'‡' if cell.own else ''}"
    return f"{cell.value:.1f}{marks}"


def average_text(line: Line) -> str:
    """The average over tasks, with a mark where it holds what is not zero-shot."""
    if line.overall is None:
        return "-"
    return f"{line.overall:.1f}{'‡' if line.without_own() is not None else ''}"


def head_and_rows(study: Study) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """The table's head, its rows, and rows for English alone (the language of training, so no transfer) where any
    target was scored in it."""
    several = len({line.model for line in study.lines}) > 1
    head = [*(["model"] if several else []), "intermediate", *study.tasks, "average"]
    rows, english = [], []
    for line in study.lines:
        names = [*([line.model] if several else []), line.arm]
        cells = [line.cells.get(task) for task in study.tasks]
        rows.append([*names, *map(cell_text, cells), average_text(line)])
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
