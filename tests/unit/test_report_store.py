"""A report and its store: what is there is kept, mended or made anew; what is lost, broken or old is said and costs no
more than itself."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from jobs import stage, stop
from tests.reports import ARMS, MODEL, manifests_of, report, spec_of
from xtl.cli import results
from xtl.cli.app import app
from xtl.errors import StoreError, UserError
from xtl.keys import stage_key
from xtl.report import evidence, page, write
from xtl.report.build import build
from xtl.report.model import FORMAT, Report, from_json, to_json
from xtl.report.runs import Evidence
from xtl.report.write import stored, to_store
from xtl.scoring.xtreme import targets
from xtl.store import commit, layout, open_store
from xtl.store.base import Store

GRID = """\
name: fixed
model: FacebookAI/xlm-roberta-large
seeds: [1, 2]
intermediates: [none, mnli]
targets: [xnli, pawsx]
contrasts: [{name: english, arm: mnli, against: none}]
"""
PREFIX = "grids/fixed/"
CONTRAST = {"name": "english", "arm": "mnli", "against": "none", "tasks": [], "languages": []}
HOLE = frozenset({("mnli", 2, "pawsx")})


class Study:
    """Two arms, seeds and tasks in a store: manifests and items of all but the holes, spec and plan of the reduce
    stage, no report yet."""

    def __init__(self, folder: Path, holes: frozenset[tuple[str, int, str]] = frozenset()) -> None:
        self.store = open_store(str(folder / "store"))
        self.grid = folder / "grid.yaml"
        self.grid.write_text(GRID, encoding="utf-8")
        self.spec = spec_of(seeds=(1, 2), tasks=("xnli", "pawsx"), arms=ARMS[:2], contrasts=(CONTRAST,))
        self.key = stage_key(self.spec)
        self.whole = manifests_of(self.spec, frozenset())
        there = manifests_of(self.spec, holes)
        self.rows = {(row["arm"], row["seed"], row["task"]): key for row, key in self._keys()}
        for key in self.whole:
            if there[key] is not None:
                self.commit(key)
        self.write_spec(self.spec)
        self.write_plan()

    def _keys(self) -> list[tuple[Mapping[str, Any], str]]:
        return list(zip(self.spec["rows"], self.spec["parents"]["rows"], strict=True))

    def commit(self, key: str, items: bytes | None = None) -> None:
        manifest = dict(self.whole[key] or {})
        name = f"{layout.attempt_prefix(key, manifest['attempt'])}items.parquet"
        files = {}
        if manifest["kind"] == "target":
            path = self.grid.with_name("items.parquet")
            path.write_bytes(items or right_and_wrong(manifest["spec"]["task"], int(key[:2], 16)))
            files = commit.encode_files({"items.parquet": self.store.upload(path, name)})
        commit.put_json(self.store, layout.manifest_name(key), {**manifest, "files": files})

    def write_spec(self, spec: Mapping[str, Any]) -> None:
        commit.put_json(self.store, layout.spec_name(self.key), {"spec": spec})

    def write_plan(self) -> None:
        stages: dict[str, Any] = {}
        for key, manifest in self.whole.items():
            spec = dict(manifest or {})["spec"]
            if spec["kind"] == "fetch":
                stages[key] = {"title": f"fetch {spec['task']}", "kind": "fetch", "parents": [], "labels": {}}
        for (arm, seed, task), key in self.rows.items():
            encoder = dict(self.whole[key] or {})["spec"]["parents"]["encoder"]
            if arm != "none":
                title, labels = f"intermediate {arm} seed {seed}", {"seed": str(seed)}
                stages[encoder] = {"title": title, "kind": "intermediate", "parents": [], "labels": labels}
            parents = [x for x in (encoder, dict(self.whole[key] or {})["spec"]["parents"]["eval"]) if x in stages]
            title = f"target {task} after {arm} seed {seed}"
            stages[key] = {"title": title, "kind": "target", "parents": parents, "labels": {"seed": str(seed)}}
        stages[self.key] = {"title": "reduce", "kind": "reduce", "parents": list(self.rows.values()), "labels": {}}
        plan = {"reduce": self.key, "grid": GRID, "rows": [], "stages": stages, "order": list(stages)}
        commit.put_json(self.store, f"{PREFIX}plan.json", plan)

    def report(self, *arguments: str) -> Any:
        """`xtl report`; what a user is told of in one message is raised."""
        ended = CliRunner().invoke(app, ["report", str(self.grid), "--store", self.store.url, *arguments])
        if ended.exception is not None:
            raise ended.exception
        return ended

    def reduce(self) -> int:
        try:
            return stage.main(["--store", self.store.url, "--key", self.key])
        finally:
            stop._asked.clear()

    def stored(self) -> Report:
        return from_json(self.text("report.json").encode())

    def text(self, name: str) -> str:
        return self.store.get(PREFIX + name)[0].decode()


def right_and_wrong(task: str, seed: int) -> bytes:
    """Eight items a language, some of them right."""
    rows = [
        {"checkpoint": "last", "language": x, "position": n, "id": str(n), "correct": (n * seed) % 3 > 0}
        for x in targets()[task].languages
        for n in range(8)
    ]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


@pytest.fixture
def partial(tmp_path: Path) -> Study:
    return Study(tmp_path, HOLE)


@pytest.mark.parametrize(
    "data",
    [b"", b"no JSON", b"[]", b'{"format": 1}', b'{"format": 0, "answer": {}}'],
    ids=["empty", "text", "list", "no fields", "another format"],
)
def test_a_report_that_cannot_be_read_is_made_anew(data: bytes, study: Study) -> None:
    study.store.put(f"{PREFIX}report.json", data)
    plan: Any = SimpleNamespace(grid=SimpleNamespace(name="fixed", contrasts=[CONTRAST]), reduce=study.key)
    assert results._answers(plan, study.store) == ()
    ended = study.report()
    assert study.stored().answer.first in " ".join(ended.stdout.split())
    assert results._answers(plan, study.store)[2:] == study.stored().answer.sentences


@pytest.mark.parametrize("change", [{"format": FORMAT + 1}, {"xtl": "0.0.1"}, {"key": "f" * 64}])
def test_another_version_s_report_or_another_study_s_is_made_anew(change: dict[str, Any], study: Study) -> None:
    study.report()
    mine = study.text("report.json")
    study.store.put(f"{PREFIX}report.json", to_json(replace(study.stored(), **change)))
    study.report()
    assert study.text("report.json") == mine


@pytest.mark.parametrize("lacks", ["arms", "an arm's languages", "a contrast's tasks"])
def test_a_study_of_an_older_xtl_is_told_so(lacks: str, study: Study) -> None:
    spec = json.loads(json.dumps(study.spec))
    if lacks == "arms":
        del spec["arms"]
    elif lacks == "an arm's languages":
        del spec["arms"][1]["languages"]
    else:
        del spec["contrasts"][0]["tasks"]
    study.write_spec(spec)
    with pytest.raises(
        UserError, match="'fixed' was submitted by an older xtl: run or submit it again, with --replace"
    ):
        study.report()


def test_the_scores_are_there_whatever_becomes_of_the_comparison(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs import reduce

    monkeypatch.setattr(reduce, "make", lambda *arguments: 1 / 0)
    assert study.reduce() != 0
    assert study.text("scores.csv").count("\n") == 1 + 2 * 2 * sum(
        len(targets()[x].languages) for x in ("xnli", "pawsx")
    )
    assert study.text("scores.md").startswith("Scores, zero-shot.")


def lost(study: Study, key: str) -> None:
    for entry in list(study.store.list(f"stages/{key}/")):
        study.store.delete(entry.name)


def no_parquet(study: Study, key: str) -> None:
    study.commit(key, b"PAR1 and no more")


def no_column(study: Study, key: str) -> None:
    table = pq.read_table(io.BytesIO(right_and_wrong("pawsx", 1))).drop_columns("correct")
    out = io.BytesIO()
    pq.write_table(table, out)
    study.commit(key, out.getvalue())


@pytest.mark.parametrize(
    ("harm", "told"),
    [(lost, "items.parquet is missing"), (no_parquet, "cannot be read"), (no_column, "have no column correct")],
)
def test_a_task_s_broken_items_cost_its_interval_over_items_alone(
    harm: Callable[[Study, str], None], told: str, study: Study
) -> None:
    harm(study, study.rows["mnli", 2, "pawsx"])
    assert study.reduce() == 0
    found = study.stored()
    by_task = {task.task: task.headline for task in found.contrasts[0].tasks}
    assert by_task["xnli"] is not None
    assert by_task["xnli"].items is not None
    assert by_task["pawsx"] is not None
    assert by_task["pawsx"].items is None
    assert by_task["pawsx"].seeds is not None
    (caution,) = [x for x in found.answer.cautions if x.startswith("No interval over test items on pawsx: ")]
    assert told in caution


def test_a_store_that_is_away_is_no_lost_item(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage is tried again: a report without its intervals would stand for ever."""

    def away(*arguments: Any) -> None:
        raise StoreError("away")

    monkeypatch.setattr(commit, "pull", away)
    with pytest.raises(StoreError, match="away"):
        study.report()


def test_a_score_that_is_no_number_is_a_hole_and_said() -> None:
    tasks = ("xnli", "pawsx")
    spec = spec_of(seeds=(1, 2), tasks=tasks, arms=ARMS[:2], contrasts=(CONTRAST,))
    manifests = manifests_of(spec, frozenset())
    key = spec["parents"]["rows"][spec["rows"].index({"model": MODEL, "arm": "mnli", "seed": 2, "task": "xnli"})]
    dict(manifests[key] or {})["metrics"]["scores"]["last"]["de"]["accuracy"] = float("nan")
    found = build(spec, "r" * 64, Evidence(manifests=manifests))
    task = found.contrasts[0].tasks[0]
    assert (task.task, task.missing) == ("xnli", ("de",))
    assert task.headline is not None
    assert np.isfinite(task.headline.value)
    (line,) = (line for line in found.table.lines if line.arm == "mnli")
    assert line.cells["xnli"].partial
    said = f"A score that is no number is left out and counts as missing: {MODEL} mnli 2 xnli de last."
    assert said in found.answer.cautions
    assert from_json(to_json(found)) == found


def test_a_report_with_holes_never_takes_the_place_of_a_whole_one(study: Study) -> None:
    whole = report(seeds=(1, 2), tasks=("xnli",), holes=frozenset())
    holes = report(seeds=(1, 2), tasks=("xnli",), holes=frozenset({("mnli", 2, "xnli")}))
    assert whole.key == holes.key
    to_store(holes, study.store)
    assert study.stored() == holes
    to_store(whole, study.store)
    to_store(holes, study.store)
    assert study.stored() == whole


class Meddled:
    """A store in which something happens just before an object is put, once."""

    def __init__(self, store: Store, before: str, what: Callable[[], None]) -> None:
        self._store, self._before, self._what = store, before, [what]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, name: str, data: bytes, **conditions: Any) -> str:
        if name == PREFIX + self._before and self._what:
            self._what.pop()()
        return self._store.put(name, data, **conditions)


@pytest.mark.parametrize("at", ["report.json", "contrasts.csv", "report.html"])
def test_of_two_writers_at_once_the_whole_report_stands_with_all_its_files(at: str, study: Study) -> None:
    whole = report(seeds=(1, 2), tasks=("xnli",), holes=frozenset())
    holes = report(seeds=(1, 2), tasks=("xnli",), holes=frozenset({("mnli", 2, "xnli")}))
    meddled: Any = Meddled(study.store, at, lambda: to_store(whole, study.store))
    to_store(holes, meddled)
    assert {name: study.text(name).encode() for name in write.files(whole)} == write.files(whole)


def test_a_writer_killed_half_way_leaves_nothing_that_looks_done(study: Study) -> None:
    study.report()
    mine = {name: study.text(name) for name in ("report.html", "report.md", "report.json")}

    def killed() -> None:
        raise KeyboardInterrupt

    meddled: Any = Meddled(study.store, "report.md", killed)
    with pytest.raises(KeyboardInterrupt):
        to_store(replace(study.stored(), tasks=("xnli",)), meddled)
    assert stored(study.store, "fixed").report is None
    study.report()
    assert {name: study.text(name) for name in mine} == mine


def test_figures_of_contrasts_that_are_gone_go(study: Study) -> None:
    def named(name: str) -> Report:
        one = {**CONTRAST, "name": name}
        return report(seeds=(1, 2), tasks=("xnli", "tatoeba"), arms=ARMS[:2], contrasts=(one,), holes=frozenset())

    to_store(named("before"), study.store)
    to_store(named("layers-tatoeba"), study.store)
    figures = {entry.name.rpartition("/")[2] for entry in study.store.list(f"{PREFIX}figures/")}
    assert figures == {"heat-map.svg", "contrast-layers-tatoeba.svg", "layers-tatoeba.svg"}
    assert study.text("figures/layers-tatoeba.svg") != study.text("figures/contrast-layers-tatoeba.svg")


def test_a_grid_file_that_is_not_as_it_was_run_is_told(study: Study) -> None:
    assert "as it was run" not in study.report().output
    study.grid.write_text(GRID.replace("name: english", "name: renamed"), encoding="utf-8")
    ended = study.report()
    assert "the grid file is not as it was run, and this answers it as it was" in ended.stderr


def test_a_partial_report_is_made_anew_when_something_has_changed_and_not_before(
    partial: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = evidence.make
    monkeypatch.setattr(evidence, "make", lambda *arguments: made.append(arguments[2]) or make(*arguments))
    first, again = partial.report().stdout, partial.report().stdout
    assert first == again
    assert made == [partial.key]
    commit.put_json(partial.store, layout.failed_name(partial.rows["mnli", 2, "pawsx"]), {"reason": "out of memory"})
    partial.report()
    assert len(made) == 2
    assert "failed: out of memory" in partial.text("report.html")
    partial.commit(partial.rows["mnli", 2, "pawsx"])
    partial.report()
    assert len(made) == 3
    assert not partial.stored().missing


def test_without_jinja2_the_answer_is_still_read(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    page._template.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    ended = study.report()
    assert "mnli" in ended.stdout
    assert "Report:" not in ended.stdout
    assert "jinja2 is not installed: pip install 'xtl[report]'" in ended.stderr
    assert stored(study.store, "fixed").etag is None
    with pytest.raises(UserError, match="jinja2 is not installed"):
        study.report("--to", str(study.grid.parent / "out"))


def test_without_scipy_it_is_said_what_to_install(study: Study) -> None:
    script = "import sys; sys.modules['scipy'] = None; from xtl.cli.app import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", script, "report", str(study.grid), "--store", study.store.url],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "error: scipy is not installed: pip install 'xtl[report]'\n"


def test_what_json_does_not_show_is_refused(study: Study) -> None:
    with pytest.raises(UserError, match="--against sets a published study beside the text and the page"):
        study.report("--against", "phang2020", "-o", "json")
