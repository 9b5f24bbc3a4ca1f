"""The table of `xtl data ls`: a row a listing that has examples, and below it what there is none of."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

Found = Mapping[str, Mapping[str, Mapping[str, Any]]]  # by task, language and split: examples, labels, sha256

#: Terminals narrower than this get no digests: `-o json` has them whole.
NARROW = 100


def overview(found: Found, *, terminal: bool) -> str:
    """As wide as the terminal, or 200 columns where it goes elsewhere."""
    from rich.console import Console
    from rich.text import Text

    drawn = StringIO()
    console = Console(file=drawn, force_terminal=terminal, width=None if terminal else 200, highlight=False)
    table = _table(found, digests=console.width >= NARROW)
    if table.rows:
        console.print(table)
    for line in filter(None, map(_lacking, found, found.values())):
        console.print(Text(line))
    return drawn.getvalue()


def _table(found: Found, *, digests: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    from xtl.cli.common import plain

    names = ("task", "language", "split", "examples", "labels", *(("sha256",) if digests else ()))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, justify="right" if name == "examples" else "left", no_wrap=name != "labels")
    for task, languages in found.items():
        for language, splits in languages.items():
            for split, summary in splits.items():
                if summary["examples"]:
                    row = (task, language, split, f"{summary['examples']:,}", _labels(summary["labels"]))
                    cells = (*row, summary["sha256"][:12])[: len(names)]
                    table.add_row(*(Text(plain(cell)) for cell in cells))
    return table


def _labels(labels: Mapping[str, int]) -> str:
    """`no: 98, yes: 112`; of a large label set (CCG's categories) how many there are."""
    if len(labels) > 20:
        return f"{len(labels)} labels"
    return ", ".join(f"{'no label' if label == 'null' else label}: {number:,}" for label, number in labels.items())


def _lacking(key: str, languages: Mapping[str, Mapping[str, Any]]) -> str:
    """Languages of a target without any example; of a task with nothing at all, the files that were looked for."""
    from xtl.tasks import get

    task = get(key)
    there = {one for one, splits in languages.items() if any(summary["examples"] for summary in splits.values())}
    if not there:
        return f"{key}: nothing; looked for " + "; ".join(f"{split}: {name}" for split, name in task.layout.items())
    missing = [one for one in task.languages if one not in there] if task.target else []
    return f"{key}: nothing in {' '.join(missing)}" if missing else ""
