"""Every run that a study needs, done or not: what failed says why, what is done counts, and what was seen is what the
manifests say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.reports import ARMS, SEVERAL, manifests_of, report, spec_of
from xtl.report import tables
from xtl.report.build import build
from xtl.report.model import Report, Run, Seen
from xtl.report.page import page
from xtl.report.runs import Evidence

TASKS = ("xnli", "tatoeba")


def planned(spec: Mapping[str, Any], manifests: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A plan as the store holds it, of stages whose manifests are these."""
    titles = {
        key: f"target {row['task']} after {row['arm']} seed {row['seed']}"
        for row, key in zip(spec["rows"], spec["parents"]["rows"], strict=True)
    }
    found = {}
    for key, manifest in manifests.items():
        one, kind = manifest["spec"], manifest["kind"]
        parents = [one["parents"]["encoder"], one["parents"]["eval"]] if kind == "target" else []
        title = titles.get(key) or (f"fetch {one['task']}" if kind == "fetch" else f"intermediate seed {one['seed']}")
        labels = {} if one.get("seed") is None else {"seed": str(one["seed"])}
        found[key] = {"kind": kind, "title": title, "labels": labels, "parents": [x for x in parents if x in manifests]}
    return found


class Studied:
    """Two arms and seeds. `lost` are the titles of stages without a result, `failed` the reasons of some by title."""

    def __init__(self, *lost: str, **failed: str) -> None:
        self.spec = spec_of(seeds=(1, 2), tasks=TASKS, arms=ARMS[:2], contrasts=())
        whole = manifests_of(self.spec, frozenset())
        self.stages = planned(self.spec, whole)
        self.keys = {one["title"]: key for key, one in self.stages.items()}
        manifests = {key: None if self.stages[key]["title"] in lost else one for key, one in whole.items()}
        reasons = {self.keys[title.replace("_", " ")]: why for title, why in failed.items()}
        evidence = Evidence(manifests=manifests, stages=self.stages, failed=reasons)
        self.report = build(self.spec, "r" * 64, evidence)
        self.runs = {run.key: run for run in self.report.runs}

    def run(self, title: str) -> Run:
        return self.runs[self.keys[title]]


ALL_OF_SEED_2 = ("intermediate seed 2", "target xnli after mnli seed 2", "target tatoeba after mnli seed 2")


def test_a_failed_intermediate_is_listed_with_its_reason_and_what_hangs_on_it() -> None:
    found = Studied(*ALL_OF_SEED_2, intermediate_seed_2="the loss is nan at step 7 of 9")
    one = found.run("intermediate seed 2")
    assert (one.title, one.arm, one.seed, one.done) == ("intermediate mnli", "mnli", 2, False)
    assert one.why == "failed: the loss is nan at step 7 of 9"
    assert found.run("target xnli after mnli seed 2").why == "skipped, for it needs intermediate seed 2"
    assert found.run("target xnli after mnli seed 1").why == ""
    assert "failed: the loss is nan at step 7 of 9" in page(found.report)


def test_a_failed_fetch_is_listed_and_what_only_waits_is_not_called_failed() -> None:
    xnli = [f"target xnli after {arm} seed {seed}" for arm in ("none", "mnli") for seed in (1, 2)]
    found = Studied("fetch xnli", *xnli, fetch_xnli="xnli.test.tsv:4: gold_label")
    assert found.run("fetch xnli").why == "failed: xnli.test.tsv:4: gold_label"
    assert found.run("fetch xnli").title == "fetch xnli"
    waiting = Studied(*ALL_OF_SEED_2)
    assert [run.why for run in waiting.report.runs if not run.done] == ["", "", ""]
    assert "no result yet" in page(waiting.report)


def test_the_hours_of_an_intermediate_count_before_its_targets_are_done() -> None:
    found = Studied(*ALL_OF_SEED_2[1:])
    assert found.run("intermediate seed 2").done
    assert found.run("intermediate seed 2").gpu_hours == 2.0
    hours = sum(run.gpu_hours for run in found.report.runs)
    assert hours == sum(run.gpu_hours for run in Studied().report.runs if run.key not in (
        found.keys[ALL_OF_SEED_2[1]], found.keys[ALL_OF_SEED_2[2]]))  # fmt: skip


def test_without_a_plan_the_runs_are_those_that_manifests_tell_of() -> None:
    found = Studied()
    manifests = manifests_of(found.spec, frozenset())
    alone = build(found.spec, "r" * 64, Evidence(manifests=manifests))
    assert {run.key for run in alone.runs} == set(found.runs)


def test_a_stage_that_the_seed_cannot_change_is_one_run() -> None:
    found = report(seeds=(1, 2, 3), tasks=TASKS, arms=ARMS[:2], contrasts=(), holes=frozenset())
    table = tables.retrieval(found)
    assert table is not None
    assert [(row[1], row[-1]) for row in table.rows] == [("none", "1 run, no seed"), ("mnli", "3 seeds")]
    assert {curve.arm: (curve.seeds, curve.stages) for curve in found.layers} == {"none": (3, 1), "mnli": (3, 3)}
    cells = {line.arm: line.cells for line in found.table.lines}
    assert (cells["none"]["tatoeba"].told, cells["none"]["xnli"].told) == ("1 run, no seed", "3 seeds")
    assert page(found).count("1 run, no seed") >= 4  # scores, coverage, the retrieval table, the curve


def seen(found: Report, arm: str) -> Mapping[str, Mapping[str, Seen]]:
    return next(one.seen for one in found.arms if one.name == arm)


def test_what_was_seen_is_what_was_drawn_from_the_fewest_to_the_most_of_the_seeds() -> None:
    found = report(seeds=(1, 2, 3), tasks=("xnli",), holes=frozenset())
    one = Seen(available=(1625, 1625), examples=(1601, 1603), draws=(3202, 3206))
    assert seen(found, SEVERAL) == {"xnli": {"de": one, "ru": one, "sw": one}}
    assert seen(found, "none") == {}
    table = tables.seen(found)
    assert table is not None
    assert table.rows[0] == ("mnli", "mnli", "en 1,601 to 1,603", "en 3,202 to 3,206", "en 1,625")
    assert "Where runs differ, the fewest to the most." in table.notes


def test_a_run_that_did_not_count_what_it_drew_says_what_there_was() -> None:
    spec = spec_of(seeds=(1,), tasks=("xnli",), arms=ARMS[:2], contrasts=())
    manifests = manifests_of(spec, frozenset())
    for manifest in manifests.values():
        if manifest and manifest["kind"] == "intermediate":
            manifest["metrics"]["trained_on"]["mnli"] = {"examples": {"en": 1625}}
    found = build(spec, "r" * 64, Evidence(manifests=manifests))
    assert seen(found, "mnli") == {"mnli": {"en": Seen(available=(1625, 1625))}}
    table = tables.seen(found)
    assert table is not None
    assert table.rows[0] == ("mnli", "mnli", "en -", "en -", "en 1,625")
