"""A study from its first run to its third, as a user goes through it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.run.study import RETRIEVAL, TRAINED, Ended, Study, beat, ended, keys, wait
from tests.s3server import S3Server
from xtl.store import commit, layout, open_store
from xtl.store.base import Store

SECRETS = {"HF_TOKEN": "hf_secretsecretsecretsecret", "AWS_SESSION_TOKEN_OLD": "stssecretsecretsecret"}


def test_first_second_and_third_run(tmp_path: Path) -> None:
    study, store = Study(tmp_path, RETRIEVAL, **SECRETS), open_store(str(tmp_path / "store"))
    first = study.run()
    assert first.status == 0, first
    assert "zero-shot scores" in first.out
    assert f"Results: {tmp_path}/store/grids/small/ (report.html, scores.csv, submissions/)\n" in first.out
    scores = (tmp_path / "store/grids/small/scores.csv").read_text()
    assert scores.splitlines()[1].startswith("tiny,none,1,tatoeba,de,accuracy,last,")
    assert_nothing_to_do(study, first)
    assert_told_of_a_finished_study(study)
    assert_no_secret(store, tmp_path, first)
    assert_a_lost_blob_runs_again(study, store, scores)


def assert_nothing_to_do(study: Study, first: Ended) -> None:
    began = time.monotonic()
    again = study.run()
    assert again.status == 0
    assert again.out == first.out.replace("Results:", "Nothing to do: all 4 stages are done.\nResults:")
    assert again.err == ""
    assert time.monotonic() - began < 20.0, "ten times what it takes when the machine is idle"
    as_json = json.loads(study.run("-o", "json").out)
    assert as_json["ran"] == 0
    assert {stage["state"] for stage in as_json["stages"].values()} == {"done"}


def assert_told_of_a_finished_study(study: Study) -> None:
    status = study.xtl("status", "grid.yaml", "--store", "store")
    assert status.out == "small: 4 done\nWhat is done is not listed: --all lists it.\n"
    log = study.xtl("logs", "grid.yaml", "target", "--store", "store", "-f")
    assert log.status == 0
    assert "tatoeba test de: " in log.out
    assert log.out.endswith("committed by this attempt\n")


def assert_no_secret(store: Store, folder: Path, *told: Ended, secret: str = "") -> None:
    texts = [one.out + one.err for one in told]
    texts += [path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file()]
    texts += [store.get(entry.name)[0].decode("utf-8", "replace") for entry in store.list("")]
    assert len(texts) > 20
    for one in filter(None, (secret, *SECRETS.values())):
        assert not [text for text in texts if one in text]


def assert_a_lost_blob_runs_again(study: Study, store: Store, scores: str) -> None:
    """The stage that lost it alone, and to the same scores."""
    key = keys(store, "small")["target tatoeba after none"]
    manifest = commit.read_manifest(store, key)
    assert manifest is not None
    store.delete(manifest["files"]["items.parquet"]["name"])
    again = study.run()
    assert again.status == 0
    assert f"waiting   {key[:12]} target tatoeba after none: will run again: stages/{key}/" in again.err
    found = study.attempts(store)
    assert found == {title: 2 if title.startswith("target") else 1 for title in found}
    assert (study.folder / "store/grids/small/scores.csv").read_text() == scores


def test_status_and_logs_of_a_stage_that_runs(tmp_path: Path) -> None:
    study, store = Study(tmp_path, RETRIEVAL.replace("[none]", "[mnli]")), open_store(str(tmp_path / "store"))
    study.long_mnli()
    process = study.start_run()
    plan = f"{layout.grid_prefix('small')}plan.json"
    wait(lambda: store.head(plan), "the grid's registration")
    key = keys(store, "small")["fetch mnli"]
    wait(lambda: beat(store, key), "its first heartbeat")
    follows = study.start("logs", "grid.yaml", "fetch mnli", "--store", "store", "-f")
    told = {
        x["title"]: x
        for x in json.loads(study.xtl("status", "grid.yaml", "-o", "json", "--store", "store").out)["stages"]
    }
    assert told["fetch mnli"]["state"] == "running"
    assert told["fetch mnli"]["progress"]["at"] > time.time() - 60
    assert told["reduce"]["state"] == "waiting"
    assert told["reduce"]["reason"] == "for target tatoeba after mnli seed 1"
    process.kill()
    process.communicate()
    log = ended(follows)
    assert log.status == 0, log
    assert log.out.endswith("stopped by SIGTERM; the same stage can be started again\n"), log
    assert "fetch mnli" in study.xtl("status", "grid.yaml", "--store", "store").out
    commit.put_json(store, layout.progress_name(key), {**beat(store, key), "ended": False, "at": time.time() - 300})
    silent = study.xtl("status", "grid.yaml", "--store", "store").out
    assert "1 silent" in silent
    assert "no heartbeat for 5 minutes: killed, or cut off" in silent


@pytest.mark.slow
def test_a_bucket_and_a_folder_give_the_same_scores(tmp_path: Path, s3: S3Server) -> None:
    """To the last digit, whatever the number of stages at a time."""
    study = Study(tmp_path, TRAINED, s3.fresh_url(), **SECRETS)
    on_s3 = study.run("--parallel", "2")
    assert on_s3.status == 0, on_s3
    bucket = open_store(study.store)
    scores, _ = bucket.get("grids/trained/scores.csv")
    third = study.run()
    assert "Nothing to do: all 8 stages are done." in third.out
    log = study.xtl("logs", "grid.yaml", "target xnli after mnli", "--store", study.store)
    assert "xnli test de: " in log.out
    assert re.search(r"step (\d+) of \1: loss [\d.]+, \d+ tokens/s", log.out), "how training went stands in the log"
    status = study.xtl("status", "grid.yaml", "--store", study.store)
    assert status.out.startswith("trained: 8 done\n")
    assert_no_secret(bucket, tmp_path, on_s3, third, log, status, secret=s3.secret)

    folder = study.xtl("run", "grid.yaml", "--store", "here")
    assert folder.status == 0, folder
    assert (tmp_path / "here/grids/trained/scores.csv").read_bytes() == scores
    assert folder.out.splitlines()[:-1] == on_s3.out.splitlines()[:-1]
