"""`xtl score`: a submission folder against a label folder, as XTREME's evaluator scores it.

Scores go to standard output, notes to standard error. Which figure is which is `xtl.scoring`'s business.
"""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from xtl.scoring.xtreme import Summary, TaskScore


class Output(enum.StrEnum):
    table = "table"
    json = "json"


def score(
    predictions: Path = typer.Argument(
        ...,
        metavar="PREDICTIONS",
        show_default=False,
        help="Submission folder: TASK/test-LANG.tsv, .json for question answering.",
    ),
    labels: Path = typer.Argument(..., metavar="LABELS", show_default=False, help="Label folder, laid out alike."),
    output: Output = typer.Option(Output.table, "--output", "-o", help="A table, or JSON for machines."),
    languages: bool = typer.Option(False, "--languages", "-l", help="Print every language too."),
) -> None:
    """Score a submission as XTREME's evaluator does, in percent.

    A task's score is the mean over its languages, and marked partial where languages are missing.

    Groups and the whole have a score only if nothing that they average is missing.

    Example: xtl score predictions/ labels/ -o json
    """
    from xtl.scoring.evaluator import evaluate

    summary, notes = evaluate(predictions, labels)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    if output is Output.json:
        typer.echo(json.dumps(summary.to_json(), indent=2))
        return
    _print(summary, languages)


def _print(summary: Summary, languages: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    console.print(_scores(summary))
    if languages:
        for task in summary.tasks.values():
            console.print(_languages(task))
    for task in summary.tasks.values():
        if task.partial:
            console.print(f"{task.key} is partial, {_coverage(task)} languages: without {' '.join(task.missing)}")
    if summary.missing_tasks:
        console.print(f"Tasks missing: {' '.join(summary.missing_tasks)}")
    if summary.overall is None:
        console.print("No overall score: it needs all nine tasks in all their languages.")


def _scores(summary: Summary) -> Table:
    from rich.table import Table

    from xtl.scoring.xtreme import targets

    known = targets()
    table = Table(title="XTREME", title_justify="left")
    table.add_column("task")
    table.add_column("languages", justify="right")
    table.add_column("score", justify="right")
    table.add_column("mean over languages")
    for group, keys in summary.members.items():
        for key in keys:
            if task := summary.tasks.get(key):
                figures = ", ".join(f"{name} {value:.2f}" for name, value in task.metrics.items())
                table.add_row(key, _coverage(task), f"{task.score:.2f}{'*' if task.partial else ''}", figures)
            else:
                table.add_row(key, f"0/{len(known[key].languages)}", "-", "")
        table.add_row(f"{group} mean", "", _figure(summary.groups[group]), "", style="bold", end_section=True)
    table.add_row("overall mean", "", _figure(summary.overall), "", style="bold")
    if any(task.partial for task in summary.tasks.values()):
        table.caption = "* partial: the mean over the languages present"
    return table


def _languages(task: TaskScore) -> Table:
    from rich.table import Table

    table = Table(title=task.key, title_justify="left")
    table.add_column("language")
    for name in task.metrics:
        table.add_column(name, justify="right")
    for language, metrics in task.languages.items():
        table.add_row(language, *(f"{value:.2f}" for value in metrics.values()))
    return table


def _coverage(task: TaskScore) -> str:
    return f"{len(task.languages)}/{len(task.expected)}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
