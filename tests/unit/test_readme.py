"""README against the code: its commands, grids, links and the data set that it adds are what xtl has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands import commands as xtl_commands
from tests.commands import parse
from tests.readme import README, ROOT, blocks, commands
from xtl.grid import Grid, load

COMMANDS = commands()


def test_the_first_commands_are_the_two_that_need_nothing_else() -> None:
    first = [line.split("#")[0].split() for line in blocks("sh")[0].splitlines()]
    assert first == [["make", "demo"], ["make", "test"]]
    assert README.index("```sh") < README.index("\n## ")


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("xtl ")])
def test_every_xtl_command_parses(line: str) -> None:
    words, _ = parse(line)
    assert words


def test_every_xtl_command_in_a_sentence_is_there() -> None:
    there = {" ".join(words) for words, _ in xtl_commands()}
    named = re.findall(r"`xtl ([a-z][a-z ]*)", README)
    assert named
    for line in named:
        assert {line.split()[0], " ".join(line.split()[:2])} & there, f"xtl {line}"


def test_every_make_target_is_there() -> None:
    there = set(re.findall(r"^([a-z-]+):.*?##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {word for line in COMMANDS if line.startswith("make ") for word in line.split("#")[0].split()[1:]}
    assert named >= {"demo", "test", "check", "golden", "bench"}
    assert named | set(re.findall(r"[`;] ?make ([a-z-]+)", README)) <= there


def test_pips_lines_name_what_exists() -> None:
    text = "\n".join(COMMANDS)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = re.findall(r"'\.\[([a-z,]+)\]'", text)
    assert extras
    assert all(f"\n{name} = [" in project for extra in extras for name in extra.split(","))
    (torch,) = re.findall(r"torch==[0-9.]+", text)
    assert f"\n{torch}\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (index,) = re.findall(r"--index-url (\S+)", text)
    assert index in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", blocks("yaml"), ids=lambda text: text.split()[1])
def test_every_grid_loads(text: str, tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(text, encoding="utf-8")
    assert isinstance(load(path), Grid)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))))
def test_every_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).exists()


def test_every_grid_is_mentioned() -> None:
    assert {path.name for path in (ROOT / "grids").glob("*.yaml")} == set(re.findall(r"\]\(grids/([^)]+)\)", README))


def test_it_is_short_enough_to_read_and_names_nobodys_folders() -> None:
    assert len(README.splitlines()) <= 660  # one machine, a cluster, and the report
    assert not re.search(r"shared/|/work/|/tmp/|/home/", README)
