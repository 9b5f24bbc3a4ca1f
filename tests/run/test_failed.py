"""A stage that fails: the others go on, what needs it is skipped with the reason, and the end says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import smallworld
from tests.run.study import BROKEN, FAILING, Ended, Study, keys
from tests.tiny import tiny_encoder, tiny_tokenizer
from xtl.process import last_error
from xtl.store import commit, layout, open_store
from xtl.store.base import Store


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Store, Ended]:
    """A study of which XNLI's fetch failed, after its first run."""
    study = Study(tmp_path_factory.mktemp("failed"), FAILING)
    study.break_xnli()
    return study, open_store(str(study.folder / "store")), study.run("--parallel", "2")


def test_the_others_go_on_and_the_end_says_what_failed_why_and_where(failed: tuple[Study, Store, Ended]) -> None:
    _, store, first = failed
    assert first.status == 1, first
    assert f"FAILED fetch xnli: {BROKEN}\n       log: " in first.err
    log = Path(first.err.split("       log: ")[1].splitlines()[0])
    assert BROKEN in log.read_text(encoding="utf-8")
    assert "skipped" in first.err
    assert "target xnli after none seed 1: needs fetch model tiny, which was skipped" in first.err
    assert "Mend the cause and run the same command again" in first.err
    assert "Incomplete: none of 4 results is there." in first.out
    assert "Nothing to do" not in first.out
    key = keys(store, "failing")
    assert {title for title, one in key.items() if one in commit.manifests(store)} == {"fetch mnli", "fetch tatoeba"}
    note = commit.get_json(store, layout.failed_name(key["fetch xnli"]))
    assert note is not None
    assert (note["status"], note["reason"]) == (42, BROKEN)


def test_status_tells_failed_skipped_and_a_partial_report(failed: tuple[Study, Store, Ended]) -> None:
    study, _, _ = failed
    told = study.xtl("status", "grid.yaml", "--store", "store", "-o", "json")
    assert told.status == 0, told
    found = {stage["title"]: (stage["state"], stage["reason"]) for stage in json.loads(told.out)["stages"]}
    assert found["fetch xnli"] == ("failed", BROKEN)
    assert found["fetch mnli"] == ("done", "")
    assert found["intermediate mnli seed 1"] == ("skipped", "needs fetch model tiny, which was skipped")
    assert found["reduce"][0] == "waiting"
    assert "4 of 4 results" in found["reduce"][1]
    shown = study.xtl("status", "grid.yaml", "--store", "store").out
    assert shown.startswith("failing: 1 failed, 2 done, 6 skipped, 1 waiting\n")
    assert "fetch mnli" not in shown
    assert "fetch mnli" in study.xtl("status", "grid.yaml", "--store", "store", "--all").out


def test_logs_by_key_by_title_and_when_that_is_not_clear(failed: tuple[Study, Store, Ended]) -> None:
    study, store, _ = failed
    key = keys(store, "failing")
    by_title = study.xtl("logs", "grid.yaml", "fetch xnli", "--store", "store")
    assert by_title.status == 0
    assert BROKEN in by_title.out
    for more in ([], ["-f"]):
        by_key = study.xtl("logs", "grid.yaml", key["fetch xnli"][:10], "--store", "store", *more)
        assert by_key.out == by_title.out
    several = study.xtl("logs", "grid.yaml", "fetch", "--store", "store")
    assert several.status == 2
    assert "4 stages match 'fetch'; choose one of\n" in several.err
    assert f"  {key['fetch mnli'][:12]} fetch mnli\n" in several.err
    none = study.xtl("logs", "grid.yaml", "wikipedia", "--store", "store")
    assert none.status == 2
    assert "no stages match 'wikipedia'; choose one of\n" in none.err
    unborn = study.xtl("logs", "grid.yaml", "after none seed 1", "--store", "store")
    assert unborn.status == 2
    assert "has no log yet: it has not started" in unborn.err


def test_running_again_tries_only_what_is_missing(failed: tuple[Study, Store, Ended]) -> None:
    study, store, _ = failed
    before = study.attempts(store)
    again = study.run("-o", "json")
    assert again.status == 1
    assert "] 2 of 10 stages are done already\n" in again.err
    after = study.attempts(store)
    assert {title for title in after if after[title] != before[title]} == {"fetch xnli", "reduce"}
    told = json.loads(again.out)  # JSON and nothing else
    assert told["ran"] == 2
    by_key = told["stages"][keys(store, "failing")["fetch xnli"]]
    assert (by_key["state"], by_key["reason"]) == ("failed", BROKEN)
    assert BROKEN in Path(by_key["log"]).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_partial_report_and_then_the_whole(tmp_path: Path) -> None:
    """Where rows fail there are scores of the others; the row mended, only what hangs on it runs."""
    text = FAILING.replace("tiny", "./m").replace("[none, mnli]", "[none]")
    text += "train: {target: {default: {lr: 1e-3, epochs: 1, batch: 8, length: 32}}}\n"
    study, store = Study(tmp_path, text), open_store(str(tmp_path / "store"))
    mended = (tmp_path / "data/xnli/XNLI-1.0/xnli.test.tsv").read_bytes()
    study.break_xnli()
    tokenizer = tiny_tokenizer(smallworld.sentences("en"))
    tiny_encoder(tokenizer).save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")

    first = study.run("--parallel", "2")
    assert first.status == 1, first
    assert "Incomplete: 1 of 2 results are there." in first.out
    assert "reduce: a partial report: not every row is done" in first.err
    scores = (tmp_path / "store/grids/failing/scores.csv").read_text().splitlines()
    assert {line.split(",")[3] for line in scores[1:]} == {"tatoeba"}
    assert keys(store, "failing")["reduce"] not in commit.manifests(store)
    shown = study.xtl("status", "grid.yaml", "--store", "store").out
    assert "for 1 of 2 results that failed or were skipped; its report is partial" in shown

    (tmp_path / "data/xnli/XNLI-1.0/xnli.test.tsv").write_bytes(mended)
    second = study.run()
    assert second.status == 0, second
    ran = {line.split(maxsplit=4)[4] for line in second.err.splitlines() if "] running " in line}
    assert ran == {"fetch xnli", "target xnli after none seed 1", "reduce"}
    scores = (tmp_path / "store/grids/failing/scores.csv").read_text().splitlines()
    assert {line.split(",")[3] for line in scores[1:]} == {"tatoeba", "xnli"}

    study.break_xnli()  # now a whole report would be lost
    third = study.run()
    assert third.status == 2, third
    told = "another grid named 'failing':\n(the file is the same: its data or models changed, or xtl did)\n"
    assert told in third.err


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("", ""),
        ("bash: no such program\n", "bash: no such program"),
        (
            "2026-01-02T03:04:05 INFO begun\n2026-01-02T03:04:06 ERROR f.tsv:3: bad\nvery\n"
            "2026-01-02T03:04:07 WARNING heartbeat not written\n",
            "f.tsv:3: bad\nvery",
        ),
        (
            "2026-01-02T03:04:06 ERROR unexpected error\nTraceback (most recent call last):\n  File\nKeyError: 'x'\n",
            "unexpected error: KeyError: 'x'",
        ),
        ("2026-01-02T03:04:05 ERROR first\n2026-01-02T03:04:06 ERROR the ERROR second\n", "the ERROR second"),
    ],
)
def test_the_reason_is_the_last_error_of_the_log(log: str, error: str, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(log, encoding="utf-8")
    assert last_error(tmp_path / "log.txt") == error


def test_the_reason_of_a_log_that_is_not_there_or_is_huge(tmp_path: Path) -> None:
    assert last_error(tmp_path / "log.txt") == ""
    with (tmp_path / "log.txt").open("w", encoding="utf-8") as file:
        for number in range(50_000):
            file.write(f"2026-01-02T03:04:05 INFO line {number} ä\n")
        file.write("2026-01-02T03:04:06 ERROR the end\n")
    assert last_error(tmp_path / "log.txt") == "the end"
