"""Full and read-only disks, for real: small file systems mounted in a namespace of the test's own, gone with it."""

from __future__ import annotations

import functools
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run.study import FAILING, Ended, Study, ended


@functools.cache
def namespace() -> list[str]:
    """How to run a command that may mount; none where nobody may."""
    for command in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        try:
            trial = [*command, "mount", "-t", "tmpfs", "none", "/mnt"]
            if subprocess.run(trial, capture_output=True, check=False).returncode == 0:
                return command
        except OSError:
            break
    pytest.skip("NOT RUN: full disks need a kernel that lets this user mount a tmpfs (unshare --mount)")


def mounted(study: Study, options: str, script: str) -> Ended:
    """`script`, in the study's folder with a file system mounted at small/."""
    (study.folder / "small").mkdir(exist_ok=True)
    xtl = f"{shlex.quote(sys.executable)} -m xtl.cli.app"
    whole = f"mount -t tmpfs -o {options} none small && {script.replace('xtl', xtl, 1)}"
    done = subprocess.run(
        [*namespace(), "sh", "-c", whole],
        cwd=study.folder,
        env=study.environment({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    found = Ended(status=done.returncode, out=done.stdout, err=done.stderr)
    assert "Traceback" not in found.out + found.err, found
    return found


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path, FAILING)


def test_a_store_that_is_full_before_it_begins(study: Study) -> None:
    told = mounted(study, "size=16k", "xtl run grid.yaml --store small/store")
    assert told.status == 1, told
    assert "the disk is full: make room or choose another folder\n" in told.err


def test_a_full_scratch_disk(study: Study) -> None:
    fill = "dd if=/dev/zero of=small/fill bs=4k count=99 2>/dev/null;"
    study.break_xnli()
    told = mounted(study, "size=64k", f"{fill} xtl run grid.yaml --store store --work small")
    assert told.status == 1, told
    assert "is full: make room, or choose another folder with --work" in told.err


def test_a_read_only_store(study: Study) -> None:
    told = mounted(study, "ro", "xtl run grid.yaml --store small/store")
    assert told.status == 1, told
    assert "the file system is read-only: choose a folder that you may write to" in told.err


def test_output_that_finds_no_room(study: Study) -> None:
    with open("/dev/full", "wb") as full:
        told = ended(study.start("plan", "grid.yaml", stdout=full))
    assert told.status == 1
    assert told.err == "failed: [Errno 28] No space left on device\n"


@pytest.mark.slow
def test_a_store_that_fills_up_and_is_given_room(study: Study) -> None:
    """The stage that found no room is tried once more, the end says what to do, and with room it goes on."""
    study.break_xnli()
    study.long_mnli(50_000)
    again = (
        f"mount -o remount,size=64m small; {shlex.quote(sys.executable)} -m xtl.cli.app run grid.yaml --store small/s"
    )
    told = mounted(study, "size=240k", f"xtl run grid.yaml --store small/s; echo ended with $?; {again}")
    assert "fetch mnli: cannot write " in told.err, told
    assert "the disk is full: make room or choose another folder; it is tried once more\n" in told.err
    assert "ended with 1\n" in told.out
    assert told.status == 1, told
    assert "FAILED fetch mnli" not in told.err.rpartition("stages are done already")[2]
    assert "done      " in told.err.rpartition("fetch mnli")[0].rpartition("\n")[2]
