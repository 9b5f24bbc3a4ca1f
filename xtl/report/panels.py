"""The figures of the whole study as SVG text: the heat map of differences, and retrieval by layer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xtl.report.differences import Figure
from xtl.report.figures import short
from xtl.report.heat import HeatCell, HeatRow
from xtl.report.model import LayerCurve
from xtl.report.shown import counted, points, span, told
from xtl.report.svg import Canvas, Scale, line, scale
from xtl.report.tables import HOLE

#: Edges of the heat map's shades, in points.
SHADES = (0.5, 1.0, 2.0, 4.0)


def shade(figure: Figure | None) -> str:
    """`z` below half a point either way, `p1` to `p4` above the baseline, `n1` to `n4` below it."""
    level = sum(abs(figure.value) >= edge for edge in SHADES) if figure else 0
    if figure is None or not level:
        return "z"
    return f"{'p' if figure.value > 0 else 'n'}{level}"


def heat_map(rows: Sequence[HeatRow], tasks: Sequence[str], base: str, identifier: str, setting: str) -> str:
    """Arms as rows, tasks as columns; in each cell the difference from the baseline, its interval over seeds, the seeds
    and the difference of whole scores."""
    left, wide, tall = 200, 104, 72
    several = len({row.model for row in rows}) > 1
    canvas = Canvas(
        left + wide * len(tasks) + 6,
        30 + tall * len(rows) + 6,
        identifier=identifier,
        title=f"Each arm minus {base}, points, {setting}",
        description="; ".join(
            f"{row.arm}, {task}: {told(cell.figure) if cell.figure else cell.hole}"
            for row in rows
            for task, cell in row.cells.items()
        )
        + ".",
    )
    canvas.text(2, 20, f"points, {setting}", "mute")
    for at, task in enumerate(tasks):
        canvas.text(left + wide * at + wide / 2, 20, task, "bold", "middle")
    for down, row in enumerate(rows):
        y = 30 + tall * down
        canvas.text(left - 8, y + 24, short(f"{row.arm}, {row.model}" if several else row.arm, 28), "", "end")
        for at, task in enumerate(tasks):
            cell, x = row.cells[task], left + wide * at
            canvas.rect(x + 1, y + 1, wide - 2, tall - 2, shade(cell.figure))
            for place, (text, style) in enumerate(_heat_lines(cell)):
                canvas.text(x + wide / 2, y + 18 + 15 * place, text, style, "middle")
    return str(canvas)


def _heat_lines(cell: HeatCell) -> Iterator[tuple[str, str]]:
    """The lines of one cell, each with its style."""
    if cell.figure is None:
        yield HOLE, "mute"
    else:
        yield points(cell.figure.value), "bold"
        if cell.figure.seeds:
            yield span(cell.figure.seeds), ""
        yield counted(len(cell.figure.by_seed), "seed"), ""
    if cell.whole:
        yield f"all {points(cell.whole.value)}{'‡' if cell.own else ''}", ""


def layer_curves(curves: Sequence[LayerCurve], base: str, identifier: str, setting: str) -> str:
    """One task of one model: a panel an arm, the baseline dashed in each; the fixed layer and the chosen one marked."""
    first = curves[0]
    reference = next((one for one in curves if one.arm == base), None)
    wide, tall, columns = 230, 166, 3
    rows = -(-len(curves) // columns)
    canvas = Canvas(
        wide * min(columns, len(curves)) + 10,
        tall * rows + 30,
        identifier=identifier,
        title=f"{first.of} by layer, on {first.split}, {setting}",
        description="; ".join(_curve_told(one) for one in curves) + ".",
    )
    high = max(value for one in curves for value in one.values)
    canvas.text(6, 14, f"{first.of} on {first.split}, {setting}", "mute")
    for at, one in enumerate(curves):
        x, y = wide * (at % columns) + 40, tall * (at // columns) + 60
        across = Scale(low=0, high=max(len(one.values) - 1, 1), start=x, end=x + wide - 56, step=1)
        up = scale(0.0, max(high, 1.0), y + tall - 72, y, most=4)
        canvas.text(x, y - 22, short(one.arm, 26), "bold")
        canvas.text(x, y - 7, one.told, "mute")
        for tick in up.ticks:
            canvas.path(line((across.start, up(tick)), (across.end, up(tick))), "rule")
            canvas.text(x - 5, up(tick) + 4, f"{tick:g}", "mute", "end")
        if one.fixed is not None:
            canvas.path(line((across(one.fixed), up.end), (across(one.fixed), up.start)), "dash")
            canvas.text(across(one.fixed), up.start + 14, f"{one.fixed}", "mute", "middle")
        if reference is not None and one is not reference:
            canvas.path(line(*((across(i), up(v)) for i, v in enumerate(reference.values))), "dash")
        canvas.path(line(*((across(i), up(v)) for i, v in enumerate(one.values))), "curve")
        if one.fixed is not None:
            canvas.mark("all", across(one.fixed), up(one.values[one.fixed]), f"fixed layer {one.fixed}")
        for layer in one.chosen:
            canvas.mark("seen", across(layer), up(one.values[layer]), f"layer {layer}, chosen by {one.rule}")
    return str(canvas)


def _curve_told(one: LayerCurve) -> str:
    chosen = ", ".join(f"{layer} ({one.values[layer]:.1f})" for layer in one.chosen)
    fixed = "" if one.fixed is None else f"fixed layer {one.fixed} ({one.values[one.fixed]:.1f}), "
    return f"{one.arm}: {fixed}chosen by {one.rule} {chosen}, {one.told}"
