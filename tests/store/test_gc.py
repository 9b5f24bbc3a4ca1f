"""What `xtl gc` finds and keeps, on both stores, and the command on a folder."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from xtl.cli.app import app
from xtl.errors import XtlError
from xtl.store import Store, open_store
from xtl.store.commit import commit, put_json
from xtl.store.gc import damaged, find, remove
from xtl.store.layout import claim_name, failed_name, log_name, manifest_name, progress_name, spec_name

DONE, FAILED, OPEN, BROKEN = "aa" * 32, "bb" * 32, "cc" * 32, "dd" * 32


@pytest.fixture
def used(store: Store, folder: Path) -> Store:
    """A store with a stage committed after a lost attempt, one that failed, one that was stopped, one unreadable."""
    for key in (DONE, FAILED, OPEN, BROKEN):
        put_json(store, spec_name(key), {"title": f"mnli {key[:2]}"})
    store.put(log_name(DONE, "lost"), b"a log")
    store.put(f"stages/{DONE}/attempts/lost/model.bin", b"half")
    store.put(f"stages/{DONE}/resume/lost-7/manifest.json", b"{}")
    commit(store, DONE, "won", folder, {})
    store.put(log_name(DONE, "won"), b"a log")
    put_json(store, progress_name(DONE), {"step": 3})
    put_json(store, failed_name(DONE), {"attempt": "lost"})
    store.put(log_name(FAILED, "f1"), b"a log")
    store.put(log_name(FAILED, "f2"), b"a log")
    put_json(store, failed_name(FAILED), {"attempt": "f2"})
    store.put(log_name(OPEN, "o1"), b"a log")
    store.put(f"stages/{OPEN}/resume/o1-7/manifest.json", b"{}")
    put_json(store, claim_name(OPEN), {"host": "gone"})
    store.put(manifest_name(BROKEN), b"{")
    store.put(f"stages/{BROKEN}/attempts/b1/model.bin", b"x")
    put_json(store, "grids/demo/plan.json", {})
    return store


LITTER = {
    f"stages/{DONE}/attempts/lost/",
    f"stages/{DONE}/resume/",
    f"stages/{FAILED}/attempts/f1/",
    f"stages/{OPEN}/attempts/o1/",
    progress_name(DONE),
    failed_name(DONE),
    claim_name(OPEN),
}


def test_what_nothing_needs_goes_and_the_rest_stays(used: Store) -> None:
    found = find(used, age_seconds=-60)
    assert {one.name for one in found} == LITTER
    assert next(one.size for one in found if "lost" in one.name) == len(b"half") + len(b"a log")
    gone = {name for one in found for name in one.objects}
    before = {entry.name for entry in used.list("")}
    remove(used, found)
    assert {entry.name for entry in used.list("")} == before - gone
    assert find(used, age_seconds=-60) == []


def test_nothing_younger_than_a_day_is_touched(used: Store) -> None:
    assert find(used) == []


def test_damage_is_reported_by_name(used: Store) -> None:
    assert [(stage.key, stage.title) for stage in damaged(used)] == [(BROKEN, "mnli dd")]
    name = f"stages/{DONE}/attempts/won/model.bin"
    used.put(name, used.get(name)[0][:-1])
    assert [stage.title for stage in damaged(used)] == ["mnli aa", "mnli dd"]
    (problem,) = damaged(used)[0].problems
    assert problem.startswith(f"{name} holds")


@pytest.fixture
def old(tmp_path: Path, folder: Path) -> Store:
    """A folder store with an attempt of two days ago, and a temporary file of a killed writer."""
    store = open_store(str(tmp_path / "store"))
    commit(store, DONE, "won", folder, {})
    put_json(store, spec_name(DONE), {"title": "mnli\x1b[31m"})
    store.put(log_name(OPEN, "o1"), b"a log")
    left = tmp_path / "store" / "stages" / OPEN / ".xtl-0123"
    left.write_bytes(b"half a file")
    for path in (left, tmp_path / "store" / log_name(OPEN, "o1")):
        os.utime(path, (time.time() - 2 * 86_400,) * 2)
    return store


def test_the_command_shows_first_and_removes_when_told(old: Store) -> None:
    run = CliRunner().invoke
    shown = run(app, ["gc", "--store", old.url])
    assert shown.exit_code == 0
    assert f"stages/{OPEN}/attempts/o1/" in shown.output
    assert "Nothing was removed" in shown.output
    assert old.head(log_name(OPEN, "o1")) is not None

    as_json = json.loads(run(app, ["gc", "--store", old.url, "-o", "json"]).output)
    assert [one["name"] for one in as_json["litter"]] == [f"stages/{OPEN}/.xtl-0123", f"stages/{OPEN}/attempts/o1/"]
    assert not as_json["removed"]

    done = run(app, ["gc", "--store", old.url, "--yes"])
    assert "Removed." in done.output
    assert not (Path(old.url) / "stages" / OPEN).exists()
    assert "Nothing to remove." in run(app, ["gc", "--store", old.url]).output


def test_a_store_without_stages_is_asked_about(tmp_path: Path, old: Store) -> None:
    run = CliRunner().invoke
    shown = run(app, ["gc", "--store", str(tmp_path / "rnus"), "--verify"])
    assert shown.exit_code == 0
    assert f"There are no stages in {tmp_path / 'rnus'}: is this the store that you mean?" in shown.output.replace(
        "\n", " "
    )
    assert not (tmp_path / "rnus").exists()
    assert "no stages" not in run(app, ["gc", "--store", old.url]).output


def test_the_command_verifies(old: Store) -> None:
    run = CliRunner().invoke
    whole = run(app, ["gc", "--store", old.url, "--verify"])
    assert (whole.exit_code, "Every committed stage is whole." in whole.output) == (0, True)
    (Path(old.url) / f"stages/{DONE}/attempts/won/model.bin").write_bytes(b"short")
    broken = run(app, ["gc", "--store", old.url, "--verify"])
    assert broken.exit_code == 1
    assert r"damaged: mnli\x1b[31m (aaaaaaaaaaaa): " in broken.output
    assert "model.bin holds 5 bytes" in broken.output
    found = json.loads(run(app, ["gc", "--store", old.url, "--verify", "-o", "json"]).output)
    assert [stage["key"] for stage in found["damaged"]] == [DONE]


def test_a_store_that_is_none() -> None:
    done = CliRunner().invoke(app, ["gc", "--store", "gs://bucket"])
    assert isinstance(done.exception, XtlError)
    assert done.exception.status == 2
