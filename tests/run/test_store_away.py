"""A store that dies half way through a run: a short while is waited for, a long one ends the run in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.study import FAILING, Study, children, ended, wait
from tests.s3server import S3Server
from xtl import local
from xtl.cli.common import load_grid, make_plan
from xtl.cli.live import PlainLines
from xtl.errors import StoreError
from xtl.plan import Stage
from xtl.store import commit, layout, open_store
from xtl.store.s3 import S3Store

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """One that may be killed; the shared one lends its clean environment."""
    with S3Server(tmp_path / "s3") as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def study(server: S3Server, tmp_path: Path) -> Study:
    study = Study(tmp_path, FAILING, server.url)
    study.break_xnli()
    study.long_mnli(40_000)
    return study


def test_a_bucket_that_dies_and_comes_back_is_waited_for(server: S3Server, study: Study) -> None:
    process = study.start_run()
    plan = wait(
        lambda: commit.get_json(open_store(server.url), f"{layout.grid_prefix('failing')}plan.json"), "the grid"
    )
    key = next(key for key, stage in plan["stages"].items() if stage["title"] == "fetch mnli")
    child = wait(lambda: children(process).get(key), "MNLI's fetch")
    server.kill()
    os.kill(child, signal.SIGKILL)  # so that what comes next needs the store
    wait(lambda: key not in children(process), "the end of it")
    server.start()
    told = ended(process, timeout=300)
    assert "Traceback" not in told.err
    assert told.status == 1, told
    assert key in commit.manifests(open_store(server.url)), told
    assert "FAILED fetch mnli" not in told.err
    assert server.secret not in told.err


def test_a_bucket_that_stays_away_ends_the_run(
    server: S3Server, study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, so that neither the client nor the run waits as long as they would."""
    found = load_grid(study.folder / "grid.yaml", None, server.url)
    plan = make_plan(found)
    store = S3Store(server.url, attempts=1, connect_seconds=1)
    local.prepare(plan, store)
    monkeypatch.setattr(local, "MISSES", 2)

    class Dies(PlainLines):
        def changed(self, stage: Stage, state: local.State, reason: str) -> None:
            super().changed(stage, state, reason)
            if state == "failed":
                server.kill()

    run = local.Run(plan, store, study.folder / "work", Dies(plan), parallel=1)
    with pytest.raises(StoreError, match="nobody answers, tried again and again: check endpoint and network"):
        run.execute()
    told = capsys.readouterr().err
    assert "The store did not take the note that fetch xnli failed: " in told
    assert told.count("Trying again\n") == 1
    assert not run.running
    server.start()
    for entry in store.list(layout.CLAIMS):  # could not be given back; free once their process is gone, and ours is not
        store.delete(entry.name)
    assert study.run().status == 1
    assert {"fetch mnli", "fetch tatoeba"} == {plan.stages[key].title for key in commit.manifests(store)}
