"""The figures of a contrast as SVG text: a forest plot, dots by language, and the legend of both.

A figure shows what its table on the page says in numbers; it can be put into a page, or written to a file by
`svg.alone`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from xtl.report.differences import KINDS, ContrastResult, Figure, LanguageDifference, TaskDifference
from xtl.report.shown import counted, points, span, told
from xtl.report.svg import Canvas, Scale, line, scale
from xtl.report.tables import WORDS, clean

ROW = 21
#: An interval is drawn out to at most so many times the largest difference; what is longer ends in an arrow.
REACH = 3.0

Entry = tuple[str, str, Figure | None, str]  # label, mark, figure, what is said where there is none


#: What the mark of each kind of language says, in full.
MEANINGS: Mapping[str, str] = {
    "all": "average compared",
    "seen": "seen by the arm's intermediate",
    "seen-by-both": "seen by both arms' intermediates",
    "seen-by-baseline": "seen by the baseline's alone",
    "unseen": "unseen",
    "trained": "the target itself was trained in it",
    "english": "English",
    "own": "own task trained (not zero-shot)",
}


def legend(identifier: str, kinds: Iterable[str] = KINDS) -> str:
    """What marks and lines mean, once for all figures of contrasts. kinds: of language that there are."""
    places, x, y = [], 10.0, 14.0
    for mark in ("all", *kinds):
        wide = 36 + 6.6 * len(MEANINGS[mark])
        if x > 10 and x + wide > 740:
            x, y = 10.0, y + 22
        places.append((mark, x, y))
        x += wide
    canvas = Canvas(720, y + 50, identifier=identifier, title="How to read the figures",
                    description="Marks and lines used in the figures of the contrasts.")  # fmt: skip
    for mark, left, top in places:
        canvas.mark(mark, left, top)
        canvas.text(left + 10, top + 4, MEANINGS[mark])
    y += 30
    canvas.path(line((6, y), (46, y)), "wide")
    canvas.text(54, y + 4, "thick: 95 % interval over seeds (paired t)")
    canvas.path(_whisker(330, 370, y), "thin")
    canvas.text(378, y + 4, "thin: 95 % interval over test items (bootstrap)")
    return str(canvas)


def forest(one: ContrastResult, identifier: str, setting: str) -> str:
    """Tasks as rows, and under each its kinds of language where it has several; the average over tasks last."""
    entries = _forest_entries(one)
    told_at, left, right, width = 196, 368, 718, 738  # words and numbers first: a phone shows them whole
    height = 34 + ROW * len(entries) + 42
    canvas = Canvas(
        width,
        height,
        identifier=identifier,
        title=f"{one.name}: {one.arm} minus {one.against}, by task, {setting}",
        description="; ".join(f"{label.strip()}: {told(f) if f else hole}" for label, _, f, hole in entries) + ".",
    )
    figures = [figure for _, _, figure, _ in entries if figure]
    across = _across(figures, left, right)
    bottom = 34 + ROW * len(entries)
    _grid(canvas, across, 26, bottom)
    canvas.text(2, 18, setting, "mute")
    canvas.text(told_at, 18, "points [95 %]", "mute")
    canvas.text(left - 12, 18, "seeds", "mute", "end")
    for at, (label, mark, figure, hole) in enumerate(entries):
        y = 34 + ROW * at + ROW / 2
        inner = label.startswith(" ")
        canvas.text(18 if inner else 2, y + 4, short(label.strip(), 30), "" if inner else "bold")
        if figure is None:
            canvas.text(told_at, y + 4, short(hole, 80), "mute")
            continue
        _intervals(canvas, figure, across, y)
        canvas.mark(mark, across(figure.value), y, f"{label.strip()}: {told(figure)}")
        canvas.text(told_at, y + 4, f"{points(figure.value)} {span(figure.seeds) if figure.seeds else ''}".strip())
        canvas.text(left - 12, y + 4, str(len(figure.by_seed)), "mute", "end")
    _foot(canvas, one, (left + right) / 2, bottom + 34)
    return str(canvas)


def _forest_entries(one: ContrastResult) -> list[Entry]:
    entries: list[Entry] = []
    for task in one.tasks:
        whole = next((kind for kind, f in task.by_kind.items() if f and _same(f, task.headline)), None)
        told_of = f" ({len(task.headline.languages)} {WORDS[whole]})" if whole and task.headline else ""
        entries.append((task.task + told_of, "all", task.headline, task.hole))
        entries += [
            (f" {WORDS[kind]}" + (f" ({len(figure.languages)})" if kind != "english" else ""), kind, figure, "")
            for kind in KINDS
            if kind != whole and (figure := task.by_kind.get(kind))
        ]
        if task.chosen_layer:
            entries.append((f" layer chosen by {task.layer_rule}", "all", task.chosen_layer, ""))
    if len(one.tasks) > 1:
        why = (
            "a task has no result"
            if any(task.hole and not task.excluded for task in one.tasks)
            else "no seed is common to all tasks"
        )
        entries.append(("average over tasks", "all", one.overall, f"no average: {why}"))
        if one.without_retrieval:
            entries.append((" without retrieval", "all", one.without_retrieval, ""))
        entries += [(f" {WORDS[kind]}", kind, figure, "") for kind, figure in one.overall_by_kind.items()]
    return entries


def _same(one: Figure, other: Figure | None) -> bool:
    return other is not None and one.languages == other.languages


def dots(task: TaskDifference, one: ContrastResult, identifier: str, setting: str) -> str:
    """One task's languages from left to right, by kind and then by difference, with both intervals."""
    order = sorted(task.languages, key=lambda x: (KINDS.index(x.kind), -x.difference.value))
    left, step, top, bottom = 52, 24, 46, 176
    width = max(left + step * len(order) + 12, 300)
    canvas = Canvas(
        width,
        bottom + 46,
        identifier=identifier,
        title=f"{task.task}: {one.arm} minus {one.against}, by language, {setting}",
        description="; ".join(f"{x.language} ({WORDS[x.kind]}): {told(x.difference)}" for x in order) + ".",
    )
    up = _across([x.difference for x in order], bottom, top, most=5)
    for tick in up.ticks:
        style = "zero" if abs(tick) < 1e-9 else "rule"
        canvas.path(line((left, up(tick)), (width - 6, up(tick))), style)
        canvas.text(left - 6, up(tick) + 4, _tick(tick, up.step), "mute", "end")
    canvas.text(6, 14, task.task, "bold")
    canvas.text(6, 32, f"points, {_seeds(order)}, {setting}", "mute")
    kind = None
    for at, x in enumerate(order):
        place = left + step * at + step / 2
        if x.kind != kind and kind is not None:
            canvas.path(line((place - step / 2, top), (place - step / 2, bottom + 20)), "dash")
        room = step * sum(other.kind == x.kind for other in order)
        if x.kind != kind and room >= 6.5 * len(WORDS[x.kind]):
            canvas.text(place - step / 2 + 2, bottom + 38, WORDS[x.kind], "mute")
        kind = x.kind
        _intervals(canvas, x.difference, up, place, upright=True)
        canvas.mark(x.kind, place, up(x.difference.value), f"{x.language}: {told(x.difference)}")
        canvas.text(place, bottom + 18, x.language, "", "middle")
    return str(canvas)


def _seeds(languages: Sequence[LanguageDifference]) -> str:
    """How many seeds each is over: all the same, for they are of the same runs."""
    return counted(max((len(x.difference.by_seed) for x in languages), default=0), "seed")


def _across(figures: Iterable[Figure], start: float, end: float, most: int = 7) -> Scale:
    """A scale about zero and all figures, and their intervals up to `REACH` times the largest difference."""
    found = list(figures)
    reach = max(1.0, REACH * max((abs(one.value) for one in found), default=0.0))
    edges = [edge for one in found for edge in (*(one.seeds or ()), *(one.items or ()))]
    held = [*(one.value for one in found), *(max(-reach, min(reach, edge)) for edge in edges)]
    return scale(min([-0.5, *held]), max([0.5, *held]), start, end, most=most)


def _intervals(canvas: Canvas, figure: Figure, along: Scale, across: float, *, upright: bool = False) -> None:
    if figure.seeds:
        low, high = (along(edge) for edge in figure.seeds)
        canvas.path(line((across, low), (across, high)) if upright else line((low, across), (high, across)), "wide")
    if figure.items:
        low, high = (along(edge) for edge in figure.items)
        canvas.path(_whisker(low, high, across, upright=upright), "thin")
    for low, high in filter(None, (figure.seeds, figure.items)):
        if low < along.low:
            _arrow(canvas, along(low), across, -1, upright)
        if high > along.high:
            _arrow(canvas, along(high), across, 1, upright)


def _arrow(canvas: Canvas, at: float, across: float, out: int, upright: bool) -> None:
    """The interval goes on beyond the edge."""
    back = at - 6 * out * (-1 if upright else 1)
    sides = [(back, across - 5), (at, across), (back, across + 5)]
    canvas.path(line(*((y, x) if upright else (x, y) for x, y in sides)), "thin")


def _whisker(low: float, high: float, across: float, *, upright: bool = False) -> str:
    parts = [((low, across), (high, across))] + [((edge, across - 3), (edge, across + 3)) for edge in (low, high)]
    return "".join(line(*((y, x) if upright else (x, y) for x, y in part)) for part in parts)


def _grid(canvas: Canvas, across: Scale, top: float, bottom: float) -> None:
    for tick in across.ticks:
        canvas.path(line((across(tick), top), (across(tick), bottom)), "zero" if abs(tick) < 1e-9 else "rule")
        canvas.text(across(tick), bottom + 15, _tick(tick, across.step), "mute", "middle")


def _foot(canvas: Canvas, one: ContrastResult, middle: float, y: float) -> None:
    canvas.text(middle - 30, y, f"← {short(one.against, 22)} better", "mute", "end")
    canvas.text(middle, y, "points", "mute", "middle")
    canvas.text(middle + 30, y, f"{short(one.arm, 22)} better →", "mute")


def _tick(value: float, step: float) -> str:
    if abs(value) < 1e-9:
        return "0"
    return f"{value:+.0f}" if step >= 1 else f"{value:+.1f}" if step >= 0.1 else f"{value:+.2f}"


def short(text: str, most: int) -> str:
    text = clean(text)
    return text if len(text) <= most else text[: most - 1] + "…"
