"""The report's tables for a paper: LaTeX with booktabs, a file that compiles by itself and whose tables can be copied.

It needs `booktabs` and nothing else. Everything that is not LaTeX's own is escaped; a character that pdflatex's fonts
lack is written as its code point. A contrast's table is long where it has many tasks: nothing is left out to make it
fit but spacing and size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from xtl.report import published, tables
from xtl.report.model import Report
from xtl.report.tables import Table, clean

PREAMBLE = r"""\documentclass[a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[margin=1.5cm]{geometry}
\usepackage{booktabs}
\setlength{\belowcaptionskip}{4pt}
\begin{document}"""

_ESCAPED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
    "[": "{[}", "]": "{]}", "†": r"\textdagger{}", "‡": r"\textdaggerdbl{}", "*": r"\textasteriskcentered{}",
    "-": "{-}", "×": r"\texttimes{}",
}  # fmt: skip
#: A signed figure between other text, or the minus of a range.
_SIGNED = re.compile(r"(?<![\w.@:-])[+-]\d+(?:\.\d+)?(?![\w@:-])")


def latex(report: Report, against: str = "") -> str:
    """A whole document: scores, averages, contrasts in one table and one each, retrieval. against: a published study
    to set beside this one. Raises UserError for one not known."""
    return "\n\n".join([PREAMBLE, *_tables(report, against), r"\end{document}"]) + "\n"


def _tables(report: Report, against: str) -> Iterator[str]:
    yield from (r"\noindent " + escape(said) for said in report.answer.sentences or (report.answer.first,))
    made = f"Grid {report.grid}, {report.setting}, {_seeds(report)}; made by xtl {report.xtl}."
    scores = "Each cell is the mean over seeds of the mean over languages, in percent."
    yield table(tables.scores(report), f"{scores} {made}", "scores")
    if averages := tables.averages(report):
        yield table(averages, f"The mean of each group's tasks, and of all nine. {made}", "averages")
    if report.contrasts:
        yield table(tables.overview(report), f"{_INTERVALS} {made}", "contrasts")
        for at, one in enumerate(report.contrasts, 1):
            yield table(tables.contrast(one, report), f"{_INTERVALS} {made}", f"contrast-{at}")
    if against:
        yield table(published.table(report, against), made, "published")
    if layers := tables.retrieval(report):
        yield table(layers, f"At the layer fixed beforehand and at the chosen one. {made}", "retrieval")


_INTERVALS = (
    "Points: arm minus baseline at the same seed. Intervals are of 95 %: over seeds a paired t interval, over test "
    "items a bootstrap with these runs given."
)


def _seeds(report: Report) -> str:
    return f"{len(report.seeds)} seed{'s' if len(report.seeds) != 1 else ''}"


def table(one: Table, caption: str, label: str) -> str:
    """A float: the title, the caption and the notes above, the rows between rules."""
    columns = "l" * one.text + "r" * (len(one.head) - one.text)
    said = " ".join([f"{one.title}.", caption, *one.notes])
    lines = [
        r"\begin{table}[p]",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escape(said)}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row(one.head),
        r"\midrule",
        *(_row(row, at in one.sub) for at, row in enumerate(one.rows)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _row(cells: tuple[str, ...], sub: bool = False) -> str:
    return (r"\quad " if sub else "") + " & ".join(map(escape, cells)) + r" \\"


def escape(text: str) -> str:
    """Text as LaTeX shows it, signed figures with a true minus."""
    found, end = [], 0
    text = clean(text)
    for match in _SIGNED.finditer(text):
        found += [_escape(text[end : match.start()]), f"${match[0]}$"]
        end = match.end()
    return "".join([*found, _escape(text[end:])])


def _escape(text: str) -> str:
    if text == tables.HOLE:
        return "--"
    return "".join(_ESCAPED.get(ch) or (ch if ch.isascii() else f"{{U+{ord(ch):04X}}}") for ch in text)
