"""Every command explains itself: `--help` ends well, says what the command does, and gives an example that parses."""

from __future__ import annotations

import re
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.commands import commands, parse
from xtl.cli.app import app

COMMANDS = list(commands())
NAMES = [" ".join(words) for words, _ in COMMANDS]


def test_what_a_study_on_one_machine_needs_is_there() -> None:
    assert set(NAMES) >= {"init", "plan", "run", "status", "logs", "score", "data ls", "data show", "data demo"}


@pytest.mark.parametrize("words", [(), ("data",), *(words for words, _ in COMMANDS)], ids=" ".join)
def test_help_ends_well(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*words, "-h"])
    assert done.exit_code == 0
    assert "Usage: xtl" in done.output


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=NAMES)
def test_help_has_an_example_that_parses(words: tuple[str, ...], command: Any) -> None:
    summary, *_ = command.help.split("\n\n")
    assert summary.endswith("."), f"the first paragraph is a sentence or two: {summary!r}"
    assert "Example" not in summary, "an example stands on a line of its own: leave an empty line before it"
    examples = re.findall(r"^Example: (.+)$", command.help, flags=re.MULTILINE)
    assert examples
    for example in examples:
        assert parse(example)[0] == words


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=NAMES)
def test_every_option_and_argument_is_explained(words: tuple[str, ...], command: Any) -> None:
    for parameter in command.params:
        assert parameter.help, f"xtl {' '.join(words)}: {parameter.name} has no help"
        assert parameter.help.endswith("."), f"xtl {' '.join(words)}: {parameter.name}: {parameter.help!r}"


def test_the_version_is_the_packages() -> None:
    from importlib.metadata import version

    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"xtl {version('xtl')}\n")


@pytest.mark.parametrize("line", ["xtl plan grid.yaml --nothing", "xtl run", "xtl run grid.yaml --parallel 0"])
def test_a_line_that_does_not_parse_is_found(line: str) -> None:
    with pytest.raises(Exception, match=r"No such option|Missing|greater than or equal"):
        parse(line)


def test_a_command_that_is_not_there_is_found() -> None:
    with pytest.raises(LookupError, match="no command"):
        parse("xtl fly grid.yaml")
