"""A report's tables as rows of text, the same for Markdown, LaTeX and the terminal. Pure.

A figure that is not there is a dash and never a zero. Names come from the user's grid: control characters are shown and
not obeyed; what a format needs escaped beyond that, the format escapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xtl.report.answer import p_text
from xtl.report.differences import COMPARED, ContrastResult, Figure, Interval, TaskDifference
from xtl.report.model import LayerCurve, Range, Report
from xtl.report.study import Line, average_text, head_and_rows, notes, runs_told
from xtl.scoring.claims import too_few

HOLE = "-"
#: The kinds of language in words, the same in every view.
WORDS: Mapping[str, str] = {
    "seen": "seen",
    "seen-by-both": "seen by both",
    "seen-by-baseline": "seen by the baseline",
    "unseen": "unseen",
    "trained": "trained in",
    "english": "English",
    "own": "own, not zero-shot",
}
GROUPS = ("classification", "structured", "qa", "retrieval")
#: Rows without a result that are listed one by one.
MOST_MISSING = 12


@dataclass(frozen=True, kw_only=True)
class Table:
    """rows: as long as `head`. text: how many columns from the left hold words, the others hold figures. sub: the rows
    that belong to the one above them. notes: sentences below it."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: int = 1
    sub: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


def clean(text: str) -> str:
    """In one line, control characters shown as Python writes them."""
    return "".join(ch if ch.isprintable() else ascii(ch)[1:-1] for ch in text)


def scores(report: Report) -> Table:
    head, rows, english = head_and_rows(report.table)
    return Table(
        title=f"Scores, {report.setting}",
        head=tuple(head),
        rows=tuple(tuple(map(clean, row)) for row in (*rows, *english)),
        text=len(head) - len(report.table.tasks) - 1,
        notes=(f"Means over {_all_seeds(report)}, unless said otherwise.", *map(clean, notes(report.table))),
    )


def averages(report: Report) -> Table | None:
    """XTREME's groups of tasks and the mean of all nine, each where nothing that it averages is missing; None where
    nothing is whole."""
    several = len(report.models) > 1
    if not any(line.groups for line in report.table.lines):
        return None
    return Table(
        title=f"XTREME's averages, {report.setting}",
        head=(*(["model"] if several else []), "intermediate", *GROUPS, "all nine"),
        rows=tuple(
            (
                *([clean(line.model)] if several else []),
                clean(line.arm),
                *(_group(line, group) for group in GROUPS),
                average_text(line),
            )
            for line in report.table.lines
        ),
        text=2 if several else 1,
        notes=(f"Means over {_all_seeds(report)}.", *_averages_apart(report)),
    )


def _all_seeds(report: Report) -> str:
    return runs_told(len(report.seeds), len(report.seeds))


def _group(line: Line, group: str) -> str:
    if group not in line.groups:
        return HOLE
    return _number(line.groups[group]) + ("‡" if line.without_own(group) is not None else "")


def _averages_apart(report: Report) -> Iterator[str]:
    """The averages that hold what is not zero-shot, without it."""
    apart = []
    for line in report.table.lines:
        name = clean(line.arm + (f" of {line.model}" if len(report.models) > 1 else ""))
        there = {**dict.fromkeys(line.groups), **({"": None} if line.overall is not None else {})}
        left = {group: value for group in there if (value := line.without_own(group)) is not None}
        apart += [f"{group or 'all nine'} after {name} {value:.1f}" for group, value in left.items()]
    if apart:
        yield f"‡ with languages in which the task itself was trained; without them: {', '.join(apart)}."


def overview(report: Report) -> Table:
    """What every contrast comes down to, a row each."""
    few: dict[str, list[str]] = {}
    for one in report.contrasts:
        if one.figure and (told := too_few(one.seeds)):
            few.setdefault(told, []).append(name_of(one, report))
    return Table(
        title=f"Contrasts, {report.setting}",
        head=("contrast", "arm", "against", "points", "95 % over seeds", "95 % over items", "seeds", "Holm's p"),
        rows=tuple(
            (
                name_of(one, report),
                clean(one.arm),
                clean(one.against),
                *_figure(one.figure),
                str(one.seeds) if one.seeds else HOLE,
                HOLE if one.holm is None else p_text(one.holm),
            )
            for one in report.contrasts
        ),
        text=3,
        notes=tuple(f"{', '.join(names)}: {told}" for told, names in few.items()),
    )


def name_of(one: ContrastResult, report: Report) -> str:
    return clean(one.name + (f" on {one.model}" if len(report.models) > 1 and not one.base else ""))


def contrast(one: ContrastResult, report: Report) -> Table:
    """One contrast by task: the headline, and below it the kinds of language apart."""
    rows: list[tuple[str, ...]] = []
    sub: set[int] = set()
    for task in one.tasks:
        for at, row in enumerate(_task_rows(task)):
            sub |= {len(rows)} if at else set()
            rows.append(row)
    if len(one.tasks) > 1:
        robust = _number(one.overall_iqm, "+.1f"), _number(one.overall_improvement, ".2f")
        sub |= set(range(len(rows) + 1, len(rows) + 1 + len(apart := list(_overall_rows(one)))))
        rows += [("mean of tasks", "", *_figure(one.overall), _seeds(one.overall), *robust), *apart]
    return Table(
        title=f"{name_of(one, report)}: {clean(one.arm)} against {clean(one.against)}, {report.setting}",
        head=("task", "languages", "points", "95 % over seeds", "95 % over items", "seeds", "IQM", "P(better)"),
        rows=tuple(rows),
        text=2,
        sub=frozenset(sub),
        notes=tuple(map(clean, _contrast_notes(one))),
    )


def _overall_rows(one: ContrastResult) -> Iterator[tuple[str, ...]]:
    """Below the mean over the tasks: without retrieval, and its kinds of language."""
    if figure := one.without_retrieval:
        yield "", "without retrieval", *_figure(figure), _seeds(figure), HOLE, HOLE
    for kind, figure in one.overall_by_kind.items():
        yield "", f"{WORDS[kind]}, of tasks with several kinds", *_figure(figure), _seeds(figure), HOLE, HOLE


def _task_rows(task: TaskDifference) -> Iterator[tuple[str, ...]]:
    """The headline first. Kinds that it is made of stand below where there are two; English, the task's own languages
    and retrieval at the chosen layer always, since the headline is without them."""
    robust = _number(task.iqm, "+.1f"), _number(task.improvement, ".2f")
    kinds = [kind for kind in COMPARED if kind in task.by_kind]
    told = _count(task.headline) + (f" {WORDS[kinds[0]]}" if len(kinds) == 1 and not _with_english(task) else "")
    yield task.task, told if task.headline else HOLE, *_figure(task.headline), _seeds(task.headline), *robust
    for kind, figure in task.by_kind.items():
        if kind in kinds and (len(kinds) == 1 or task.headline is None):
            continue
        few = f": {' '.join(figure.languages)}" if len(figure.languages) <= 4 else ""
        name = WORDS[kind] if kind == "english" else f"{_count(figure)} {WORDS[kind]}{few}"
        yield "", name, *_figure(figure), _seeds(figure), HOLE, HOLE
    if chosen := task.chosen_layer:
        yield "", f"{_count(chosen)}, layer by {task.layer_rule}", *_figure(chosen), _seeds(chosen), HOLE, HOLE


def _with_english(task: TaskDifference) -> bool:
    return task.headline is not None and "en" in task.headline.languages


def _contrast_notes(one: ContrastResult) -> Iterator[str]:
    figure = one.figure
    if figure and figure.p is not None:
        sign = "" if figure.sign_p is None else f"; exact sign-flip test: p {p_text(figure.sign_p)}"
        seeds = len(figure.by_seed)
        if figure.sign_p is not None and figure.sign_p <= 2 / 2**seeds:
            sign += f", the least that {seeds} seeds can give"
        yield f"Paired t test over seeds: p {p_text(figure.p)}, Holm-corrected {p_text(one.holm)}{sign}."
    for task in one.tasks:
        if task.hole:
            yield f"{task.task}: {task.hole}."
        if task.missing:
            yield f"{task.task}: not compared, for one arm or both lack them: {' '.join(task.missing)}."
        if task.split == "dev":
            yield f"{task.task}: on dev, for the data hold no test set."
    if one.degenerate:
        yield f"Degenerate runs, one class predicted for everything: {'; '.join(one.degenerate)}."


def retrieval(report: Report) -> Table | None:
    """Retrieval's scores at the fixed layer and at the chosen one; None where no retrieval was run. Last pieces have no
    layer fixed beforehand."""
    rows = []
    for line in report.table.lines:
        for curve in report.layers:
            cell = line.cells.get(curve.task)
            if cell is None or (curve.model, curve.arm) != (line.model, line.arm):
                continue
            layers = " ".join(map(str, curve.chosen))
            name = line.arm if len(report.models) == 1 else f"{line.arm} of {line.model}"
            headline = ("-", HOLE) if curve.fixed is None else (str(curve.fixed), _number(cell.value))
            name += ", last pieces" if curve.pooling == "last" else ""
            rows.append((
                curve.task, clean(name), *headline, layers, curve.rule, _number(curve.score), curve.told,
            ))  # fmt: skip
    if not rows:
        return None
    return Table(
        title=f"Retrieval by layer, {report.setting}",
        head=("task", "intermediate", "fixed layer", "score", "chosen layer", "chosen on", "score there", "mean of"),
        rows=tuple(sorted(rows, key=lambda row: row[0])),
        text=2,
        notes=(
            "Chosen on oracle: the layer that is best on the test set itself, an upper bound, for there is no dev set.",
        )
        if any(row[5] == "oracle" for row in rows)
        else (),
    )


def sweeps(report: Report) -> Iterator[Table]:
    """Retrieval at every layer, a table a model, task and pooling."""
    for curves in report.sweeps:
        first = curves[0]
        of = f" of {clean(first.model)}" if len(report.models) > 1 else ""
        yield Table(
            title=f"{first.of}{of} at every layer, on {first.split}, {report.setting}",
            head=("layer", *(clean(curve.arm) for curve in curves)),
            rows=tuple(
                (f"{layer}{' (fixed)' if layer == first.fixed else ''}", *(_at(curve, layer) for curve in curves))
                for layer in range(max(len(curve.values) for curve in curves))
            ),
            notes=(f"Layer 0 is the embeddings. Means over languages, and over {_by_arm(curves)}.",),
        )


def _by_arm(curves: Sequence[LayerCurve]) -> str:
    """How many runs each is over, where they differ by arm."""
    told = list(dict.fromkeys(curve.told for curve in curves))
    return told[0] if len(told) == 1 else ", ".join(f"{curve.told} ({clean(curve.arm)})" for curve in curves)


def _at(curve: LayerCurve, layer: int) -> str:
    if layer >= len(curve.values):
        return HOLE
    return f"{curve.values[layer]:.1f}{' (chosen)' if layer in curve.chosen else ''}"


def coverage(report: Report) -> tuple[str, ...]:
    """How much of the study is there, in sentences."""
    there = f"{report.table.rows_done} of {report.table.rows} results are there."
    if not report.missing:
        return (there,)
    more = len(report.missing) - MOST_MISSING
    listed = "; ".join(report.missing[:MOST_MISSING]) + (f"; and {more} more" if more > 0 else "")
    return (there, clean(f"Missing: {listed}."))


def seen(report: Report) -> Table | None:
    """What the intermediates were trained on, in examples by language; None where no run says so."""
    found = [(arm.name, task, languages) for arm in report.arms for task, languages in arm.seen.items()]
    rows = tuple(
        (
            clean(name),
            task,
            _counts({x: one.examples for x, one in languages.items()}),
            _counts({x: one.draws for x, one in languages.items()}),
            _counts({x: one.available for x, one in languages.items()}),
        )
        for name, task, languages in found
    )
    if not rows:
        return None
    every = [one for _, _, languages in found for one in languages.values()]
    spread = any(low != high for one in every for low, high in (one.available, one.examples or (0, 0)))
    notes = ["Seen: distinct examples that training drew; drawn: inputs, as often as each was trained on."]
    notes += ["Where runs differ, the fewest to the most."] if spread else []
    return Table(
        title=f"What the intermediates saw, {report.setting}",
        head=("intermediate", "task", "examples seen", "drawn", "there to draw from"),
        rows=rows,
        text=5,
        notes=tuple(notes),
    )


def _counts(by_language: Mapping[str, Range | None]) -> str:
    """`de 541 to 560, ru 530`; a dash where a run did not count."""
    return ", ".join(
        f"{language} {HOLE if one is None else f'{one[0]:,}' if one[0] == one[1] else f'{one[0]:,} to {one[1]:,}'}"
        for language, one in by_language.items()
    )


def _figure(figure: Figure | None) -> tuple[str, str, str]:
    if figure is None:
        return HOLE, HOLE, HOLE
    return f"{figure.value:+.1f}", _span(figure.seeds), _span(figure.items)


def _span(interval: Interval | None) -> str:
    return HOLE if interval is None else f"[{interval[0]:+.1f}, {interval[1]:+.1f}]"


def _seeds(figure: Figure | None) -> str:
    return HOLE if figure is None else str(len(figure.by_seed))


def _count(figure: Figure | None) -> str:
    return HOLE if figure is None else str(len(figure.languages))


def _number(value: float | None, form: str = ".1f") -> str:
    return HOLE if value is None else format(value, form)


def present(tables: Iterable[Table | None]) -> Sequence[Table]:
    return [table for table in tables if table is not None]
