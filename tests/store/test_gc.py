"""What `xtl gc` finds and keeps, on both stores, and the command on a folder."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from xtl.cli.app import app
from xtl.errors import Corrupt, XtlError
from xtl.store import Store, open_store
from xtl.store.commit import commit, put_json
from xtl.store.gc import damaged, find, remove
from xtl.store.layout import claim_name, failed_name, input_prefix, log_name, manifest_name, progress_name, spec_name

DONE, FAILED, OPEN, BROKEN = "aa" * 32, "bb" * 32, "cc" * 32, "dd" * 32
#: Which no grid asks for: done, failed and stopped.
FORMER = ("ee" * 32, "ff" * 32, "00" * 32)


def plan(store: Store, grid: str, *keys: str) -> None:
    put_json(store, f"grids/{grid}/plan.json", {"stages": {key: {} for key in keys}})


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
    plan(store, "demo", DONE, FAILED)
    plan(store, "other", OPEN, BROKEN)
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


@pytest.fixture
def former(used: Store, folder: Path) -> Store:
    """And stages of an earlier form of a grid, with the folder that one of them was to read."""
    done, failed, stopped = FORMER
    for key in FORMER:
        put_json(used, spec_name(key), {"title": f"former {key[:2]}", "where": {"folder": f"{used.url}/inputs/{key}"}})
    commit(used, done, "won", folder, {})
    put_json(used, failed_name(failed), {"attempt": "f1"})
    used.put(log_name(failed, "f1"), b"a log")
    put_json(used, progress_name(stopped), {"step": 3})
    used.put(f"stages/{stopped}/resume/s1-7/manifest.json", b"{}")
    put_json(used, spec_name(OPEN), {"title": "mnli cc", "where": {"folder": f"{used.url}/inputs/{OPEN}"}})
    for key in (OPEN, done):
        used.put(f"{input_prefix(key)}train.tsv", b"text")
    return used


def test_stages_that_no_grid_asks_for_go_whole(former: Store) -> None:
    found = {one.name: one for one in find(former, age_seconds=-60)}
    assert found.keys() == LITTER | {f"stages/{key}/" for key in FORMER} | {input_prefix(FORMER[0])}
    assert found[f"stages/{FORMER[0]}/"].why == "no grid asks for it: former ee"
    kept = {entry.name for entry in former.list("")} - {name for one in found.values() for name in one.objects}
    remove(former, list(found.values()))
    left = {entry.name for entry in former.list("")}
    assert left == kept
    assert not [name for name in left for key in FORMER if key in name]
    assert {manifest_name(DONE), f"stages/{OPEN}/resume/o1-7/manifest.json", f"{input_prefix(OPEN)}train.tsv"} < left


def test_what_a_grid_has_come_to_ask_for_meanwhile_stays(former: Store) -> None:
    found = find(former, age_seconds=-60)
    plan(former, "late", FORMER[0])
    remove(former, [one for one in found if one.name.startswith("stages/")])
    assert {key for key in FORMER if former.head(spec_name(key))} == {FORMER[0]}
    assert damaged(former)[0].key == BROKEN
    assert former.head(manifest_name(FORMER[0])) is not None


def test_word_pieces_go_with_the_data_they_are_of(former: Store) -> None:
    for name, source in (("1", f"{DONE}/en/train.parquet"), ("2", f"{FORMER[0]}/en/train.parquet"), ("3", "")):
        former.put(f"tokens/{name}.arrow", b"pieces")
        put_json(former, f"tokens/{name}.json", {"source": source})
    former.put("tokens/4.arrow", b"whose note was never written")
    found = [one for one in find(former, age_seconds=-60) if one.name.startswith("tokens/")]
    assert {one.name for one in found} == {"tokens/2", "tokens/3", "tokens/4"}
    remove(former, found)
    assert {entry.name for entry in former.list("tokens/")} == {"tokens/1.arrow", "tokens/1.json"}
    assert [one.name for one in find(former, age_seconds=3600)] == [], "what is young may be someone's who has no plan"


@pytest.mark.parametrize("spec", [None, b"{"], ids=["not yet written", "unreadable"])
def test_uploads_stay_where_what_reads_them_is_not_known(former: Store, spec: bytes | None) -> None:
    former.delete(spec_name(OPEN)) if spec is None else former.put(spec_name(OPEN), spec)
    assert not [one for one in find(former, age_seconds=-60) if one.name.startswith("inputs/")]


@pytest.mark.parametrize("text", [b"{", b"{}"])
def test_nothing_goes_where_it_is_not_known_what_a_grid_asks_for(former: Store, text: bytes) -> None:
    former.put("grids/demo/plan.json", text)
    with pytest.raises(
        Corrupt, match=r"grids/demo/plan.json is no plan, .* nothing is removed: delete it, run or submit"
    ):
        find(former, age_seconds=-60)


def test_nothing_younger_than_a_day_is_touched(former: Store) -> None:
    assert find(former) == []


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
    plan(store, "demo", DONE, OPEN)
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
