"""Stopped by a signal, killed, or one of its stages killed: the same command goes on. On a folder and on a bucket."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.run.study import FAILING, TRAINED, Study, alive, beat, children, ended, keys, wait
from tests.s3server import S3Server
from xtl.store import commit, layout, open_store
from xtl.store.base import Store

BOTH = ["folder", pytest.param("s3", marks=pytest.mark.slow)]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Study, Store]:
    """A study that ends with XNLI's failure, after MNLI's fetch of some seconds; and its store."""
    store = "store"
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        store = server.fresh_url()
    study = Study(tmp_path, FAILING, store)
    study.break_xnli()
    study.long_mnli()
    return study, open_store(store if request.param == "s3" else str(tmp_path / "store"))


def mnli_key(store: Store) -> str:
    found = wait(lambda: commit.get_json(store, f"{layout.grid_prefix('failing')}plan.json"), "the grid's registration")
    return next(key for key, stage in found["stages"].items() if stage["title"] == "fetch mnli")


def reading(study: Study, store: Store) -> str:
    """Waits until MNLI's fetch has begun; its key."""
    key = mnli_key(store)
    logs = study.folder / "cache/xtl/work/failing/logs"
    wait(lambda: any("INFO stage" in path.read_text() for path in logs.glob(f"{key[:12]}-*.txt")), "MNLI being read")
    return key


def finishes(study: Study, store: Store, of_mnli: int) -> None:
    """The same command goes on to the end, where MNLI's fetch is done after so many attempts and no claim is left."""
    last = study.run()
    assert last.status == 1, last
    assert mnli_key(store) in commit.manifests(store)
    assert study.attempts(store)["fetch mnli"] == of_mnli
    assert not list(store.list(layout.CLAIMS))


@pytest.mark.parametrize(
    ("place", "number"),
    [("folder", signal.SIGINT), ("folder", signal.SIGTERM), pytest.param("s3", signal.SIGINT, marks=pytest.mark.slow)],
    indirect=["place"],
)
def test_one_signal_stops_in_order(place: tuple[Study, Store], number: signal.Signals) -> None:
    study, store = place
    process = study.start_run()
    key = reading(study, store)
    wait(lambda: beat(store, key).get("state") == "reading", "rows being read: before that it ends too soon to be told")
    process.send_signal(number)
    told = ended(process)
    assert told.status == 130, told
    assert "Stopping: stages save their state and end; once more kills them" in told.err
    assert f"stopped   {key[:12]} fetch mnli\n" in told.err
    assert "Stopped; 9 of 10 stages are left. The same command goes on from here.\n" in told.err or (
        "Stopped; 10 of 10 stages are left." in told.err
    )
    assert "Traceback" not in told.err
    assert not list(store.list(layout.CLAIMS))
    assert key not in commit.manifests(store)
    shown = study.xtl("status", "grid.yaml", "--store", study.store).out
    assert "1 stopped" in shown
    assert "`xtl run` goes on, from its saved state where it has one" in shown
    finishes(study, store, 2)


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_second_signal_kills(place: tuple[Study, Store]) -> None:
    study, store = place
    process = study.start_run()
    key = reading(study, store)
    child = children(process)[key]
    os.kill(child, signal.SIGSTOP)  # hangs, whatever it is told
    process.send_signal(signal.SIGINT)
    time.sleep(1.0)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    told = ended(process, timeout=10.0)
    assert told.status == 130, told
    assert f"stopped   {key[:12]} fetch mnli: killed by SIGKILL" in told.err
    assert not alive(child)
    assert not list(store.list(layout.CLAIMS))
    scratch = study.folder / "cache/xtl/work/failing/scratch"
    assert not list(scratch.iterdir()), "what the killed stage left is cleared away"


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_after_sigkill_of_the_run_its_stages_stop_and_a_new_run_goes_on_at_once(place: tuple[Study, Store]) -> None:
    study, store = place
    process = study.start_run()
    key = reading(study, store)
    child = children(process)[key]
    process.kill()
    process.communicate()
    began = time.monotonic()
    finishes(study, store, 2)
    assert time.monotonic() - began < 50.0, "it waited for a claim to go stale"
    assert not alive(child)


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_a_stage_that_is_killed_is_tried_once_more(place: tuple[Study, Store]) -> None:
    study, store = place
    process = study.start_run()
    key = reading(study, store)
    os.kill(children(process)[key], signal.SIGKILL)
    told = ended(process)
    assert told.status == 1, told
    assert f"waiting   {key[:12]} fetch mnli: killed by SIGKILL (out of memory?); it is tried once more\n" in told.err
    assert f"done      {key[:12]} fetch mnli\n" in told.err
    assert study.attempts(store)["fetch mnli"] == 2
    assert "FAILED fetch mnli" not in told.err


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_stage_that_is_killed_twice_has_failed(place: tuple[Study, Store]) -> None:
    study, store = place
    process = study.start_run()
    key = mnli_key(store)
    for _ in range(2):
        child = wait(lambda: children(process).get(key), "MNLI's fetch")
        os.kill(child, signal.SIGKILL)
        wait(lambda child=child: children(process).get(key) != child, "the end of it")
    told = ended(process)
    assert told.status == 1, told
    assert "FAILED fetch mnli: killed by SIGKILL (out of memory?)" in told.err
    note = commit.get_json(store, layout.failed_name(key))
    assert note is not None
    assert note["status"] == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_stage_that_someone_else_stops_is_started_again(place: tuple[Study, Store]) -> None:
    """As a disruption, which counts for nothing: it may be stopped more often than it is tried."""
    study, store = place
    process = study.start_run()
    key = mnli_key(store)
    for _ in range(3):
        child = wait(lambda: children(process).get(key), "MNLI's fetch")
        time.sleep(1.0)
        os.kill(child, signal.SIGTERM)
        wait(lambda child=child: children(process).get(key) != child, "the end of it")
    told = ended(process)
    assert told.err.count("fetch mnli: it was told to stop; it is started again\n") == 3, told
    assert f"done      {key[:12]} fetch mnli\n" in told.err


@pytest.mark.slow
def test_training_that_is_stopped_goes_on_from_its_saved_state(tmp_path: Path) -> None:
    text = TRAINED.replace("epochs: 2", "epochs: 200", 1).replace("[xnli, tatoeba]", "[tatoeba]")
    study, store = Study(tmp_path, text), open_store(str(tmp_path / "store"))
    process = study.start_run()
    wait(lambda: store.head(f"{layout.grid_prefix('trained')}plan.json"), "the grid's registration")
    key = keys(store, "trained")["intermediate mnli seed 1"]
    wait(lambda: beat(store, key).get("step", 0) > 20, "training")
    shown = study.xtl("status", "grid.yaml", "--store", "store", "-o", "json")
    running = next(stage for stage in json.loads(shown.out)["stages"] if stage["key"] == key)
    assert running["state"] == "running"
    assert running["progress"]["steps"] == 1200
    process.send_signal(signal.SIGINT)
    told = ended(process)
    assert told.status == 130, told
    assert f"stopped   {key[:12]} intermediate mnli seed 1\n" in told.err
    assert list(store.list(layout.resumes_prefix(key)))
    again = study.run()
    assert again.status == 0, again
    log = study.xtl("logs", "grid.yaml", "intermediate", "--store", "store").out
    begun = re.search(r"going on from step (\d+) of 1200", log)
    assert begun, log
    assert int(begun[1]) > 20
    assert not list(store.list(layout.resumes_prefix(key)))
