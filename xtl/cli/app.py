"""The command line: registers the commands, one file each, and turns errors into exit statuses.

A command's module imports typer and the standard library alone at its top; what is heavy is imported where it is used,
so that `xtl --help` stays quick.
"""

from __future__ import annotations

import io
import sys

import typer

from xtl import __version__
from xtl.cli import (
    cancel,
    controller,
    data,
    doctor,
    gc,
    init,
    logs,
    plan,
    render,
    report,
    retry,
    run,
    score,
    status,
    submit,
)
from xtl.cli.common import plain
from xtl.errors import UserError, XtlError

app = typer.Typer(
    name="xtl",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Does an intermediate task help zero-shot cross-lingual transfer? Plan a study, run it, score it on XTREME.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"xtl {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    pass


app.command("init")(init.init)
app.add_typer(data.app, name="data")
app.command("plan")(plan.plan)
app.command("render")(render.render)
app.command("run")(run.run)
app.command("submit", cls=submit.Command)(submit.submit)
app.command("controller")(controller.controller)
app.command("status")(status.status)
app.command("logs")(logs.logs)
app.command("cancel")(cancel.cancel)
app.command("retry")(retry.retry)
app.command("report")(report.report)
app.command("score")(score.score)
app.command("doctor")(doctor.doctor)
app.command("gc")(gc.gc)


def main() -> None:
    """Entry point. XtlError becomes one message and its exit status; anything else is a bug and keeps its traceback.
    What a terminal would obey, or cannot show, is spelled out."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except XtlError as error:
        prefix = "error: " if isinstance(error, UserError) else "failed: "
        print(plain(f"{prefix}{error}"), file=sys.stderr)
        sys.exit(error.status)
    except OSError as error:  # a disk that is full or may not be read, wherever that is found out
        print(plain(f"failed: {error}"), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
