"""The study's table on a terminal, made from the manifests that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    """The table and its notes on stdout; without any result, that alone, and False."""
    from rich.table import Table
    from rich.text import Text

    from xtl.cli.common import console, plain
    from xtl.report.study import head_and_rows, notes

    found = collect(plan, store)
    if not found.rows_done:
        print(f"Incomplete: none of {found.rows} results is there.")
        return False
    head, rows, english = head_and_rows(found)
    table = Table(title=f"{plan.grid.name}: {found.setting} scores", title_justify="left")
    for name in head:
        table.add_column(name, justify="right" if name in (*found.tasks, "average") else "left")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    table.add_section()
    for row in english:
        table.add_row(*(Text(plain(cell)) for cell in row))
    out = console()
    out.print(table)
    for note in notes(found):
        out.print(Text(plain(note)), soft_wrap=True)
    return True
