"""A study's line and table, what its figures are made of, and which stage a person means."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from tests.readme import table
from xtl import spent
from xtl.cli.common import Output
from xtl.cli.status_table import Report, Screen, as_json, headline, print_report
from xtl.cli.status_table import table as status_table
from xtl.errors import UserError
from xtl.render import job_name
from xtl.spent import study
from xtl.stage_names import find
from xtl.states import StageState, State
from xtl.store import commit, layout, open_store

STAGES: dict[str, dict[str, Any]] = {
    "aa1": {"title": "fetch xnli", "kind": "fetch", "labels": {"kind": "fetch", "task": "xnli"}},
    "bb1": {
        "title": "target xnli after mnli seed 1",
        "kind": "target",
        "labels": {"kind": "target", "task": "xnli", "intermediate": "mnli", "seed": "1"},
    },
    "bb2": {
        "title": "target xnli after mnli seed 2",
        "kind": "target",
        "labels": {"kind": "target", "task": "xnli", "intermediate": "mnli", "seed": "2"},
    },
    "cc1": {
        "title": "target panx after mnli seed 1",
        "kind": "target",
        "labels": {"kind": "target", "task": "panx", "intermediate": "mnli", "seed": "1"},
    },
}
URL = "s3://bucket/prefix"


def state(key: str, state: Any, **more: Any) -> StageState:
    return StageState(key=key, title=STAGES[key]["title"], kind=STAGES[key]["kind"], state=state, **more)


def test_hours_are_the_manifests_and_only_those_of_gpus() -> None:
    found = [state("aa1", "done"), state("bb1", "done"), state("bb2", "waiting"), state("cc1", "done")]
    one = study(found, STAGES, {"aa1": 9000.0, "bb1": 3600.0, "cc1": 1800.0}, {})
    assert (one.gpu_hours, one.exact) == (1.5, True)
    assert one.counts == {"done": 3, "waiting": 1}


def test_a_manifest_that_was_not_read_counts_by_its_job() -> None:
    job = {"status": {"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:30:00Z"}}
    one = study([state("bb1", "done"), state("cc1", "done")], STAGES, {"bb1": 3600.0}, {"cc1": job})
    assert (one.gpu_hours, one.exact) == (1.5, False)


@pytest.mark.parametrize(
    ("states", "left"),
    [
        ([state("bb1", "done"), state("bb2", "waiting")], 3600.0),
        ([state("bb1", "done"), state("bb2", "running", progress={"seconds_left": 60})], 60.0),
        ([state("bb1", "done"), state("bb2", "running", progress={"seconds_left": 60}), state("cc1", "ready")], 3660.0),
        ([state("bb1", "done"), state("bb2", "failed"), state("cc1", "skipped")], None),
        ([state("aa1", "done"), state("bb1", "waiting")], None),
    ],
)
def test_the_time_left_is_that_of_likes_by_what_runs_at_a_time(states: list[StageState], left: float | None) -> None:
    assert study(states, STAGES, {"bb1": 3600.0, "aa1": 1.0}, {}).seconds_left == left


def test_manifests_are_read_once_and_again_when_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = open_store(str(tmp_path / "store"))
    name = layout.manifest_name("bb1")
    reads: list[str] = []
    monkeypatch.setattr(commit, "read_manifest", lambda store, key: reads.append(key) or commit.get_json(store, name))

    def look() -> dict[str, float]:
        listed = {str(layout.key_of(entry.name)): entry for entry in store.list(layout.MANIFESTS)}
        return spent.seconds(store, listed, ["bb1", "cc1"])

    commit.put_json(store, name, {"seconds": {"total": 5.0}, "files": {}})
    assert look() == look() == {"bb1": 5.0}
    assert reads == ["bb1"]
    commit.put_json(store, name, {"seconds": {"total": 7.25}, "files": {}})
    assert look() == {"bb1": 7.25}
    for file in (tmp_path / "cache/xtl/spent").iterdir():
        file.write_text("no JSON")
    assert look() == {"bb1": 7.25}


def report(*states: StageState, **more: Any) -> Report:
    figures = study(states, STAGES, {"bb1": 3600.0}, {})
    return Report(name="s", stages=states, counts=figures.counts, study=figures, **more)


def test_the_readme_explains_every_state() -> None:
    written = [state for row in table("What `xtl status` says", "state") for state in re.findall(r"`([^`]+)`", row[0])]
    assert sorted(written) == sorted(get_args(State))


def test_the_headline() -> None:
    found = report(state("bb1", "done"), state("bb2", "running"), state("cc1", "image pull"), state("aa1", "queued"))
    said = "s: 1 of 4 stages done, 1 running, 1 waiting, 0 failed, 1 image pull; about 2h00m left; 1.0 GPU hours used"
    assert headline(found) == said


def test_a_line_a_stage_on_eighty_columns() -> None:
    found = report(
        state("bb1", "running", reason="training", progress={"step": 120, "steps": 24543, "loss": 0.7012}),
        state("bb2", "waiting", reason="for target panx after mnli seed 1"),
    )
    out = io.StringIO()
    Console(file=out, width=80).print(status_table(found, False, 80))
    shown = out.getvalue().splitlines()
    assert shown[1].split() == ["stage", "state", "step", "loss", "why"], "keys only where there is room"
    assert "120/24543" in shown[2]
    assert max(map(len, shown)) <= 80
    out = io.StringIO()
    Console(file=out, width=160).print(status_table(found, False, 160))
    assert "bb1" in out.getvalue()


def test_a_name_or_a_message_cannot_speak_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    found = report(state("bb1", "image pull", reason="no \x1b[2Jimage\x07"), problem="\x1b]0;title\x07 away")
    for output in Output:
        print_report(found, True, output)
    with Screen(False, Output.table) as screen:
        screen.show(found)
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\x07" not in said
    assert said.count(r"no \x1b[2Jimage") == 2


def test_a_watch_without_a_terminal_prints_what_changes(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen(False, Output.table) as screen:
        for step in (1, 2):
            screen.show(report(state("bb1", "done"), state("bb2", "running", progress={"step": step, "steps": 2})))
        first = capsys.readouterr().out.splitlines()
        screen.show(report(state("bb1", "done"), state("bb2", "done")))
        then = capsys.readouterr().out.splitlines()
    assert len(first) == 2
    assert "running   bb2 target xnli after mnli seed 2" in first[0]
    assert "1 of 2 stages done, 1 running" in first[1]
    assert len(then) == 2
    assert "done      bb2" in then[0]


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        ("cc", "cc1"),
        ("panx after", "cc1"),
        ("target xnli after mnli seed 1", "bb1"),
        ("target/xnli/mnli/2", "bb2"),
        ("target/panx", "cc1"),
        (job_name("target", "bb2", URL), "bb2"),
        (f"{job_name('target', 'bb2', URL)}-x7k2p", "bb2"),
    ],
)
def test_a_stage_has_many_names(wanted: str, key: str) -> None:
    assert find(STAGES, wanted, URL) == key


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("target/xnli", "2 stages match 'target/xnli'; choose one of\n  bb1 target"),
        ("target/xnli/mnli/3", "no stages match"),
        (job_name("target", "bb2", "s3://elsewhere"), "no stages match"),
    ],
)
def test_what_is_not_one_stage_lists_the_choices(wanted: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        find(STAGES, wanted, URL)
    assert said in str(error.value)


def test_an_estimate_tells_the_time_left_of_what_has_no_like_at_the_pace_of_what_is_done() -> None:
    estimated = {"bb1": 1800.0, "bb2": 1800.0, "cc1": 600.0}
    stages = {key: {**stage, "seconds": estimated.get(key)} for key, stage in STAGES.items()}
    open_ = [state("bb2", "waiting"), state("cc1", "waiting")]
    assert study([state("bb1", "waiting"), *open_], stages, {}, {}).seconds_left == 4200.0
    assert study([state("bb1", "done"), *open_], stages, {"bb1": 3600.0}, {}).seconds_left == 3600.0 + 2 * 600.0


def test_what_a_stage_took_stands_beside_what_was_estimated() -> None:
    stages = {key: {**stage, "seconds": 70.0} for key, stage in STAGES.items()}
    old = {"bb1": {**STAGES["bb1"]}}
    assert spent.compared([state("bb1", "done")], old, {"bb1": 65.0})[0].predicted_seconds is None
    stages_ = [state("bb1", "done"), state("cc1", "waiting", reason="for intermediate mnli seed 1")]
    found = report(*spent.compared(stages_, stages, {"bb1": 65.0}))
    assert [one["seconds"] for one in as_json(found)["stages"]] == [65.0, None]
    assert [one["predicted_seconds"] for one in as_json(found)["stages"]] == [70.0, 70.0]
    for width in (80, 160):
        for all_ in (True, False):
            out = io.StringIO()
            Console(file=out, width=width).print(status_table(found, all_, width))
            shown = out.getvalue()
            assert max(map(len, shown.splitlines())) <= width
            assert ("1m05s" in shown) == all_
            assert ("1m10s" in shown) == (all_ or width == 160)
            assert "for intermediate mnli seed 1" in " ".join(shown.split())
