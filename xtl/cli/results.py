"""The study's table on a terminal, made from the manifests that are there."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from xtl.plan import Plan
    from xtl.report.study import Study
    from xtl.store.base import Store


def collect(plan: Plan, store: Store) -> Study:
    """The study as far as it is done."""
    from xtl.report.study import study
    from xtl.scoring.table import gather
    from xtl.store import commit

    done = commit.manifests(store)
    keys = {row.key for row in plan.rows} & done
    manifests = {key: manifest for key in keys if (manifest := commit.read_manifest(store, key))}
    rows = [{"model": r.model, "arm": r.arm, "seed": r.seed, "task": r.task, "key": r.key} for r in plan.rows]
    scores, degenerate = gather(rows, manifests)
    return study(rows, scores, degenerate, plan.grid.setting)


def print_study(plan: Plan, store: Store) -> bool:
    """The table and its notes on stdout; without any result, that alone, and False. Where the terminal is too narrow
    for a row an arm, tasks are the rows, and no figure is cut."""
    from rich.text import Text

    from xtl.cli.common import console, plain
    from xtl.report.study import head_and_rows, notes

    found = collect(plan, store)
    if not found.rows_done:
        print(f"Incomplete: none of {found.rows} results is there.")
        return False
    head, rows, english = head_and_rows(found)
    title = f"{plan.grid.name}: {found.setting} scores"
    out = console()
    wide = _table(title, head, [rows, english], figures=len(found.tasks) + 1)
    if out.measure(wide, options=out.options.update(width=1000)).maximum <= out.width:
        out.print(wide)
    else:
        for table in _turned(title, head, [*rows, *english], len(found.tasks) + 1, out.width):
            out.print(table)
    for note in notes(found):
        out.print(Text(plain(note)), soft_wrap=not out.is_terminal)
    for sentence in _answers(plan, store):
        out.print(Text(plain(sentence)), soft_wrap=not out.is_terminal)
    return True


def _answers(plan: Plan, store: Store) -> tuple[str, ...]:
    """The contrasts in sentences, as the reduce stage of this very plan found them; none where it has not run."""
    from xtl.report.write import stored

    found = stored(store, plan.grid.name).report if plan.grid.contrasts else None
    return ("", "Contrasts:", *found.answer.sentences) if found and found.key == plan.reduce else ()


def where(plan: Plan, store: Store) -> str:
    """The line that says where the results lie."""
    return f"Results: {store.url}/grids/{plan.grid.name}/ (report.html, scores.csv, submissions/)"


def _table(title: str, head: Sequence[str], sections: Sequence[Sequence[Sequence[str]]], figures: int) -> Table:
    """`figures`: how many columns, counted from the right, hold figures."""
    from rich.table import Table
    from rich.text import Text

    from xtl.cli.common import plain

    table = Table(title=Text(title), title_justify="left")
    for index, name in enumerate(head):
        right = index >= len(head) - figures
        table.add_column(Text(plain(name)), justify="right" if right else "left", min_width=6 if right else None)
    for rows in sections:
        table.add_section()
        for row in rows:
            table.add_row(*(Text(plain(cell)) for cell in row))
    return table


def _turned(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], figures: int, width: int
) -> Iterator[Table]:
    """A column an arm, as many side by side as fit, their names broken to at most 12 characters a line."""
    names = len(head) - figures
    at_once = max(1, (width - 14) // 15)
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        tasks = [[head[names + n], *(row[names + n] for row in some)] for n in range(figures)]
        arms = ["\n".join(textwrap.wrap(" ".join(row[:names]), 12)) for row in some]
        yield _table(title if start == 0 else "", ["task", *arms], [tasks[:-1], tasks[-1:]], figures=len(some))
