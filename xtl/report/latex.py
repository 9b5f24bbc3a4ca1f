"""The report's tables for a paper: LaTeX with booktabs, a file that compiles by itself and whose tables can be copied.

It needs `booktabs` and nothing else. Everything that is not LaTeX's own is escaped; a character that pdflatex's fonts
lack is written as its code point. A table that is longer than a page is set in parts; nothing is left out to make it
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

#: Rows of a float: what fits a page of A4 below a caption and above notes.
MOST_ROWS = 45
#: After so many floats they are set before others come.
FLUSHED = 8

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
    """A whole document: scores, averages, contrasts in one table and one each, published figures, retrieval. against:
    the rows of one published study alone. Raises UserError for one not known."""
    said = [r"\noindent " + escape(one) for one in report.answer.sentences or (report.answer.first,)]
    parts = [PREAMBLE, *said]
    for count, part in enumerate(_tables(report, against), 1):
        # TeX holds back some fifty floats at most, and stops at one more.
        parts += [part, r"\clearpage"] if count % FLUSHED == 0 else [part]
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def _tables(report: Report, against: str) -> Iterator[str]:
    made = f"Grid {report.grid}, {report.setting}, {_seeds(report)}; made by xtl {report.xtl}."
    scores = "Each cell is the mean over seeds of the mean over languages, in percent."
    yield from floats(tables.scores(report), f"{scores} {made}", "scores")
    if averages := tables.averages(report):
        yield from floats(averages, f"The mean of each group's tasks, and of all nine. {made}", "averages")
    if report.contrasts:
        yield from floats(tables.overview(report), f"{_INTERVALS} {made}", "contrasts")
        for at, one in enumerate(report.contrasts, 1):
            yield from floats(tables.contrast(one, report), f"{_INTERVALS} {made}", f"contrast-{at}")
    yield from floats(published.table(report, against), made, "published")
    if layers := tables.retrieval(report):
        yield from floats(layers, f"At the layer fixed beforehand and at the chosen one. {made}", "retrieval")


_INTERVALS = (
    "Points: arm minus baseline at the same seed. Intervals are of 95 %: over seeds a paired t interval, over test "
    "items a bootstrap with these runs given."
)


def _seeds(report: Report) -> str:
    return f"{len(report.seeds)} seed{'s' if len(report.seeds) != 1 else ''}"


def floats(one: Table, caption: str, label: str) -> Iterator[str]:
    """The table as one float or, where it is longer than a page, as several with the same head: the title and the
    caption above, the rows between rules, the notes below the last."""
    parts = list(_pages(one))
    for at, rows in enumerate(parts, 1):
        several = [] if len(parts) == 1 else [f"Part {at} of {len(parts)}."]
        said = " ".join([f"{one.title}.", *several, caption])
        yield "\n".join([
            r"\begin{table}[p]",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{escape(said)}}}",
            rf"\label{{tab:{label}{'' if at == 1 else f'-{at}'}}}",
            rf"\begin{{tabular}}{{{'l' * one.text + 'r' * (len(one.head) - one.text)}}}",
            r"\toprule",
            _row(one.head),
            r"\midrule",
            *(_row(one.rows[row], row in one.sub) for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            *([_notes(one)] if one.notes and at == len(parts) else []),
            r"\end{table}",
        ])  # fmt: skip


def _pages(one: Table) -> Iterator[range]:
    """The rows of each part; what belongs to the row above it stays with that."""
    begin = 0
    while len(one.rows) - begin > MOST_ROWS:
        end = begin + MOST_ROWS
        end = next((at for at in range(end, begin, -1) if at not in one.sub), end)
        yield range(begin, end)
        begin = end
    yield range(begin, len(one.rows))


def _notes(one: Table) -> str:
    return rf"\par\smallskip\parbox{{\linewidth}}{{\scriptsize {escape(' '.join(one.notes))}}}"


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
