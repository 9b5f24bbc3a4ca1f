"""Two `xtl run`s of one grid on one store at the same time share the work: each stage runs once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.run.study import BROKEN, FAILING, RETRIEVAL, Study, ended, keys
from tests.s3server import S3Server
from xtl.store import commit, layout, open_store


@pytest.mark.parametrize("kind", ["folder", pytest.param("s3", marks=pytest.mark.slow)])
def test_each_stage_runs_once_and_a_failure_is_told_in_both(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = str(tmp_path / "store")
    if kind == "s3":
        server: S3Server = request.getfixturevalue("s3")
        place = server.fresh_url()
    study = Study(tmp_path, FAILING, place)
    study.break_xnli()
    study.long_mnli(100_000)
    store = open_store(place)
    both = [ended(process) for process in [study.start_run(), study.start_run()]]
    assert [one.status for one in both] == [1, 1], both
    assert all(f"FAILED fetch xnli: {BROKEN}" in one.err or f"in another run: {BROKEN}" in one.err for one in both)
    assert any("another `xtl run` is at it" in one.err for one in both)
    assert not [one for one in both if "Traceback" in one.err]
    found = study.attempts(store)
    del found["reduce"]  # over a part of the rows it commits nothing, and tells each run what there is
    assert found.pop("fetch xnli") in (1, 2)  # a run that begins after it failed tries it anew
    assert found == {title: int(title in ("fetch mnli", "fetch tatoeba")) for title in found}
    assert not list(store.list(layout.CLAIMS))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_both_end_with_the_whole_study(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = str(tmp_path / "store")
    if kind == "s3":
        server: S3Server = request.getfixturevalue("s3")
        place = server.fresh_url()
    study = Study(tmp_path, RETRIEVAL, place)
    store = open_store(place)
    both = [ended(process) for process in [study.start_run("--parallel", "2"), study.start_run("--parallel", "2")]]
    assert [one.status for one in both] == [0, 0], both
    assert both[0].out.replace("Nothing to do: all 4 stages are done.\n", "") == both[1].out.replace(
        "Nothing to do: all 4 stages are done.\n", ""
    )
    assert set(study.attempts(store).values()) == {1}
    assert set(keys(store, "small").values()) == commit.manifests(store)
