"""The report as Markdown, as GitHub shows it: the answer first, then every table. It draws nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from xtl.report import published, tables
from xtl.report.model import Report
from xtl.report.tables import Table, clean


def markdown(report: Report, against: str = "") -> str:
    """against: the rows of one published study alone (`published.py`). Raises UserError for one not known."""
    return "\n\n".join(_parts(report, against)) + "\n"


def _parts(report: Report, against: str) -> Iterator[str]:
    yield f"# {_text(report.grid)}: {report.setting}"
    yield _text(report.answer.first)
    more = report.answer.sentences[1:]
    if more:
        yield _bullets(more)
    if report.answer.cautions:
        yield "## Cautions"
        yield _bullets(report.answer.cautions)
    yield "## Coverage"
    yield " ".join(map(_text, tables.coverage(report)))
    if report.contrasts:
        yield "## Contrasts"
        yield HOW
        yield table(tables.overview(report))
        for one in report.contrasts:
            yield table(tables.contrast(one, report))
    yield "## Scores"
    yield from map(table, tables.present((tables.scores(report), tables.averages(report))))
    yield "## Published"
    yield table(published.table(report, against))
    found = tables.retrieval(report)
    if found:
        yield "## Retrieval"
        yield table(found)
        yield from map(table, tables.sweeps(report))
    saw = tables.seen(report)
    if saw:
        yield "## Intermediates"
        yield table(saw)
    yield f"Made by xtl {_text(report.xtl)}; reduce stage {report.key[:12]}."


#: How to read a contrast's table.
HOW = (
    "Points are the arm minus its baseline at the same seed, a mean over languages other than English unless the grid "
    "names others. *Over seeds*: would it stand if all were trained again (paired t interval)? *Over items*: would it "
    "stand on other test items (bootstrap, these runs given)? *Seen*: the arm's intermediate alone held text in the "
    "language. *IQM*: the mean of the middle half of the differences over languages and seeds. *P(better)*: how often "
    "a run of the arm beats one of the baseline. Over several tasks both are the means of the tasks' own. A dash is a "
    "figure that is not there."
)


def table(one: Table) -> str:
    """A title, the table, its notes."""
    head = "| " + " | ".join(map(_text, one.head)) + " |"
    rule = "|" + "|".join(" --- " if at < one.text else " ---: " for at in range(len(one.head))) + "|"
    rows = ["| " + " | ".join(map(_text, row)) + " |" for row in one.rows]
    parts = [f"**{_text(one.title)}**", "\n".join([head, rule, *rows]), *map(_text, one.notes)]
    return "\n\n".join(parts)


def _bullets(lines: tuple[str, ...]) -> str:
    return "\n".join(f"- {_text(line)}" for line in lines)


def _text(text: str) -> str:
    """Every character that Markdown or HTML would take for more than itself is escaped; an underscore within a word is
    none of those."""
    text = re.sub(r"([\\`*\[\]<>|~#&])", r"\\\1", clean(text))
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)
