"""`xtl data`: bytes on stdout, advice on stderr, exit statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.published import write
from xtl.tasks.canonical import line

_QQP = "id\tquestion1\tquestion2\tis_duplicate\n"


def _xtl(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "xtl.cli.app", "data", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, env={**os.environ, "COLUMNS": "200"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "glue/QQP/train.tsv", _QQP + "1\ta\u2028\t\u00fc\t0\nbroken\n2\tc\td\t1\n")
    write(tmp_path, "tatoeba/v1/tatoeba.deu-eng.eng", "b\na\n")
    return tmp_path


def test_show_prints_canonical_bytes_and_says_what_was_dropped(folder: Path) -> None:
    first = {"id": "1", "text_a": "a\u2028", "text_b": "ü", "label": "0"}
    second = {"id": "2", "text_a": "c", "text_b": "d", "label": "1"}
    done = _xtl("show", "qqp", "--split", "train", "--from", folder, "-o", "jsonl")
    assert (done.returncode, done.stdout) == (0, line(first) + line(second))
    assert done.stderr.decode() == "qqp: 1 rows dropped (cells)\n"
    done = _xtl("show", "qqp@en", "--split", "train", "--from", folder, "-o", "jsonl", "--limit", "1")
    assert (done.returncode, done.stdout, done.stderr) == (0, line(first), b"")


def test_show_is_for_reading_where_bytes_are_not_asked_for(folder: Path) -> None:
    write(folder, "glue/QQP/dev.tsv", _QQP + "1\t\x1b[31ma\tb\t0\n")
    done = _xtl("show", "qqp", "--from", folder)
    assert done.stdout == b"id: 1\ntext_a: \\x1b[31ma\ntext_b: b\nlabel: 0\n\n"


def test_ls_counts_and_hashes(folder: Path) -> None:
    done = _xtl("ls", "--from", folder, "-o", "json", "qqp", "tatoeba")
    found = json.loads(done.stdout)
    assert list(found) == ["qqp", "tatoeba"]
    assert found["qqp"]["en"]["train"]["labels"] == {"0": 1, "1": 1}
    assert found["tatoeba"] == {
        "de": {
            "test.en": {
                "examples": 2,
                "labels": {},
                # sha256 of the two lines in XTREME's order: a is line 1 of the file, b line 0.
                "sha256": "e306424463fdd21ac9a36f9b2e3c361e6bc2d216553fb0d51d9ea96fb837a898",
            }
        }
    }
    assert b"qqp@en train: 1 rows dropped" in done.stderr
    table = _xtl("ls", "--from", folder)
    assert table.returncode == 0
    assert b"tatoeba" in table.stdout


def test_a_malformed_row_is_exit_two_with_file_and_line_and_no_traceback(folder: Path) -> None:
    write(folder, "glue/QQP/train.tsv", _QQP + "1\ta\tb\t0\n2\ta\tb\tmaybe\n")
    for arguments in (("show", "qqp", "--split", "train"), ("ls",)):
        done = _xtl(*arguments, "--from", folder)
        assert done.returncode == 2
        assert b'error: glue/QQP/train.tsv:3: is_duplicate is "maybe", not one of: 0 1' in done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("qqp", "--split", "dev"), ["no qqp@en dev", "there are of qqp@en: train", "looked for: glue/QQP/dev.tsv"]),
        (("qqp@de", "--split", "train"), ["no qqp@de train", "translated/qqp/de/"]),
        (("xnli@en", "--split", "train"), ["looked for: glue/MNLI/train.tsv, or without that folder multinli_1.0/"]),
        (("xnli@xx", "--split", "test"), ["XNLI has no 'xx'", "sw th tr"]),
        (("mlqa@de", "--split", "test"), ["mlqa/MLQA_V1/test/test-context-de-question-de.json"]),
        (("ccg", "--split", "train"), ["ccg/*.train.stagged", "CCGbank", "LDC2005T13"]),
        (("udpos@de", "--split", "test"), ["ud/*/de_*-ud-test.conllu", "11234/1-3105"]),
        (("bucc2018@de", "--split", "dev.gold"), ["bucc2018/de-en.dev.de", "sample set"]),
        (("xquad@de", "--split", "validation"), ["has no validation split"]),
        (("xnlj", "--split", "test"), ["did you mean xnli"]),
    ],
)
def test_what_is_missing_is_said_with_where_to_put_it(folder: Path, arguments: tuple, expected: list[str]) -> None:
    done = _xtl("show", *arguments, "--from", folder)
    assert done.returncode == 2
    assert [text for text in expected if text not in done.stderr.decode()] == []
    assert b"Traceback" not in done.stderr


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    done = _xtl("ls", "--from", tmp_path / "gone")
    assert done.returncode == 2
    assert b"gone is not a folder" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(folder: Path) -> None:
    rows = "".join(f"{number}\t{'a' * 100}\tb\t0\n" for number in range(20_000))
    write(folder, "glue/QQP/train.tsv", _QQP + rows)
    command = f"{sys.executable} -m xtl.cli.app data show qqp --split train --from {folder} -o jsonl | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False)
    assert done.stdout.startswith(b'{"id":"0"')
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", ["show qqp --split train -o jsonl", "ls", "ls -o json"])
def test_a_disk_that_is_full_fails_in_one_line(folder: Path, arguments: str) -> None:
    command = f"{sys.executable} -m xtl.cli.app data {arguments} --from {folder}"
    done = subprocess.run(["bash", "-c", f"{command} > /dev/full"], capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(b"failed: cannot write to standard output: No space left on device")
    assert b"Traceback" not in done.stderr
    assert b"ignored" not in done.stderr
    done = subprocess.run(["bash", "-c", f"{command} >&-"], capture_output=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1][:31]) == (1, b"failed: standard output is clos")


def test_ls_lists_what_there_is_and_says_what_there_is_not(folder: Path) -> None:
    write(folder, "tatoeba/v1/tatoeba.deu-eng.deu", "B\nA\n")
    done = _xtl("ls", "--from", folder, "qqp", "tatoeba", "ccg")
    shown = done.stdout.decode()
    assert [line.split()[:4] for line in shown.splitlines()[1:4]] == [
        ["qqp", "en", "train", "2"],
        ["tatoeba", "de", "test.de", "2"],
        ["tatoeba", "de", "test.en", "2"],
    ]
    assert " 0: 1, 1: 1 " in shown
    assert "\ntatoeba: nothing in ar he vi " in shown
    assert "\nccg: nothing; looked for train: ccg/*.train.stagged; dev: " in shown


def test_ls_of_a_folder_without_data_says_where_they_go(tmp_path: Path) -> None:
    done = _xtl("ls", "--from", tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"holds nothing of what xtl reads; `xtl data ls --from " in done.stderr
    done = _xtl("ls", "--from", tmp_path, "xquad")
    assert (done.returncode, done.stdout) == (0, b"xquad: nothing; looked for test: xquad/xquad.LANG.json\n")
