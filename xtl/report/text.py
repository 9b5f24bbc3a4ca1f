"""The answer in one screen of a terminal: its sentences' first, every contrast in a row, the tasks beside it, cautions.

What does not fit is counted and not cut in two: the page has it all.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from xtl.report import tables
from xtl.report.differences import ContrastResult
from xtl.report.model import Report
from xtl.report.tables import HOLE, clean

#: Lines of cautions, at most.
CAUTIONS = 4


def text(report: Report, width: int = 80, height: int = 24) -> str:
    """At most `height` lines of at most `width` columns (40 at least), where the first sentence leaves room for a
    contrast. Control characters of names are shown, not obeyed."""
    width = max(40, width)
    head = _wrapped(report.answer.first, width)
    if not report.contrasts:
        return "\n".join([*head, *_coverage(report, width)])
    notes = _cautions(report, width)
    room = height - len(head) - len(notes) - 5  # a blank line and a head for each table, and what does not fit
    shown = report.contrasts[: max(1, room // 2)]
    lines = [*head, "", *_figures(report, shown, width)]
    lines += ["", *_tasks(report, shown, width)]
    more = len(report.contrasts) - len(shown)
    if more > 0:
        lines.append(clean(f"... and {more} more contrast{'s' if more > 1 else ''}"))
    return "\n".join([*lines, *notes])


def _figures(report: Report, some: Sequence[ContrastResult], width: int) -> list[str]:
    """What each comes down to; columns that do not fit are left out from the right, the names cut last."""
    full = tables.overview(report)
    keep = [0, 3, 4, 5, 6, 7]
    rows = [full.head, *(row for row, _ in zip(full.rows, some, strict=False))]
    return _columns([[row[at] for at in keep] for row in rows], width)


def _tasks(report: Report, some: Sequence[ContrastResult], width: int) -> list[str]:
    """Differences by task; a task that the contrast is not over is blank, a hole is a dash."""
    rows = [["points by task", *report.tasks]]
    for one in some:
        values = {task.task: task.headline.value if task.headline else None for task in one.tasks}
        cells = [
            "" if task not in values else HOLE if (value := values[task]) is None else f"{value:+.1f}"
            for task in report.tasks
        ]
        rows.append([tables.name_of(one, report), *cells])
    return _columns(rows, width, gap=1)


def _columns(rows: Sequence[Sequence[str]], width: int, gap: int = 2) -> list[str]:
    """The first column to the left, the others to the right; names give way down to 14 characters, then columns go."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    while len(widths) > 2 and min(14, widths[0]) + sum(widths[1:]) + gap * (len(widths) - 1) > width:
        widths.pop()
    widths[0] = max(1, min(widths[0], width - sum(widths[1:]) - gap * (len(widths) - 1)))
    found = []
    for row in rows:
        name = row[0] if len(row[0]) <= widths[0] else row[0][: widths[0] - 1] + "…"
        cells = (cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=False))
        found.append((" " * gap).join([name.ljust(widths[0]), *cells]).rstrip())
    return found


def _cautions(report: Report, width: int) -> list[str]:
    """The first lines of what a reader must know, coverage before the rest."""
    lines = _coverage(report, width)
    for caution in report.answer.cautions:
        told = _wrapped(caution, width)
        if len(lines) + len(told) > CAUTIONS:
            told = [textwrap.shorten(clean(caution), width, placeholder=" …")]
        lines += told
    return lines


def _coverage(report: Report, width: int) -> list[str]:
    if not report.missing:
        return []
    return _wrapped(f"Incomplete: {report.table.rows_done} of {report.table.rows} results.", width)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(clean(text), width) or [""]
