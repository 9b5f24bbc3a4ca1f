"""What a terminal shows of `xtl run`: frames of the live table in a real pseudo-terminal; plain lines in a pipe."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from tests.run.study import BROKEN, FAILING, Study
from xtl.cli import common, results
from xtl.report.study import Cell, Line
from xtl.report.study import Study as StudyTable
from xtl.scoring.xtreme import targets

SGR = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(study: Study, columns: int, **env: str) -> tuple[int, str]:
    """`xtl run` with a pseudo-terminal for all three streams: its exit status, and all that it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**study.environment(env), "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES"):  # a test runner may set them, and they would hide the terminal's own size
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "xtl.cli.app", "run", "grid.yaml", "--store", "store", "--parallel", "2"],
        cwd=study.folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    found = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # Linux: the other end is closed
            break
        found += piece
        if not piece:
            break
    os.close(ours)
    return process.wait(), found.decode("utf-8", "replace")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study(tmp_path, FAILING)
    study.break_xnli()
    study.long_mnli(100_000)
    return study


def test_a_wide_terminal(study: Study) -> None:
    status, text = on_terminal(study, 120)
    assert status == 1
    lines = [line.strip() for line in CONTROL.sub("", text).replace("\r", "\n").splitlines()]
    assert any(re.match(r"failing: \d of 10 stages done.*, \d+s$", line) for line in lines), text
    assert any(re.match(r"stage +state +step +loss +tokens/s +left$", line) for line in lines), text
    assert any(re.match(r"fetch mnli +(starting|reading)$", line) for line in lines), text
    assert any(re.match(r"\[ *\d+s\] failed +[0-9a-f]{12} fetch xnli: xnli", line) for line in lines), text
    assert any(re.match(r"\[ *\d+s\] done +[0-9a-f]{12} fetch mnli$", line) for line in lines), text
    assert f"FAILED fetch xnli: {BROKEN}" in CONTROL.sub("", text).replace("\r\n", "\n")
    assert SGR.search(text)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") > 0, "the cursor is shown again"


def test_a_narrow_terminal_without_colour(study: Study) -> None:
    status, text = on_terminal(study, 44, NO_COLOR="1")
    assert status == 1
    colours = {code for found in SGR.findall(text) for code in found[2:-1].split(";")} - {"", "0", "1", "2", "22"}
    assert not colours, "bold and dim are all that NO_COLOR leaves"
    frames = [line for line in CONTROL.sub("", text).replace("\r", "\n").splitlines() if "tch mnli" in line]
    assert frames
    assert "tokens/s" not in text
    tables = [line for line in frames if not line.startswith("[")]
    assert tables
    assert all(len(line.rstrip()) <= 44 for line in tables)


def test_a_pipe_gets_plain_lines(study: Study) -> None:
    told = study.run(FORCE_COLOR="")
    assert "\x1b" not in told.out + told.err
    assert "\r" not in told.out + told.err
    assert all(re.match(r"\[ *\d+s\] ", line) for line in told.err.splitlines() if "fetch mnli" in line)


@pytest.mark.parametrize("width", [40, 80, 160])
def test_no_figure_of_the_scores_is_cut(width: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nine tasks and arms with long names, whatever the terminal's width."""
    arms = ["none", "xnli@de+ru+sw", "multi [bold]arm[/bold]"]
    by_language = {1: {"en": 71.25, "de": 1.0, "fr": 2.0}}
    cells = {
        task: Cell(values={1: 10.0 + n}, scores=by_language, expected=9, split="dev" if n else "test")
        for n, task in enumerate(targets())
    }
    found = study_of(arms, cells)
    monkeypatch.setattr(results, "collect", lambda plan, store: found)
    out = io.StringIO()
    monkeypatch.setattr(common, "console", lambda: Console(file=out, width=width, highlight=False))
    assert results.print_study(SimpleNamespace(grid=SimpleNamespace(name="wide", contrasts=())), None)  # type: ignore[arg-type]
    table = out.getvalue()
    for n in range(len(cells)):
        assert table.count(f"{10.0 + n:.1f}*{'†' if n else ''}") == len(arms)
    assert table.count("71.2") == len(arms) * len(cells)
    assert "…" not in table
    assert all(len(line) <= width for line in table.splitlines() if line[:1] in "┃│├┏")
    assert "[bold]" in table, "a name's brackets are no markup"


def study_of(arms: list[str], cells: dict[str, Cell]) -> StudyTable:
    lines = tuple(Line(model="tiny", arm=arm, cells=cells, overall=None) for arm in arms)
    return StudyTable(tasks=tuple(cells), lines=lines, seeds=(1,), rows_done=27, rows=27)
