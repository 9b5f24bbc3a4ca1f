"""XTREME's averages, and the golden figures of the official evaluator on its own mock submission.

`tests/golden/xtreme_mock_scores.json` was written by google-research/xtreme's `evaluate.py` (commit 838c13b) with
seqeval 0.0.12; its averages are those that its unit test asserts.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.samples import DATA, needs_samples
from xtl.scoring.evaluator import evaluate
from xtl.scoring.xtreme import summarise, targets

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "xtreme_mock_scores.json").read_text())

#: The averages that XTREME's evaluate_test.py asserts (times 100).
PUBLISHED = {
    ("pawsx", "accuracy"): 51.42857142857143,
    ("xnli", "accuracy"): 30.666666666666668,
    ("panx", "f1"): 57.50793650793652,
    ("panx", "precision"): 54.729166666666664,
    ("panx", "recall"): 62.750000000000014,
    ("udpos", "f1"): 70.21746048354693,
    ("udpos", "precision"): 71.02232625883823,
    ("udpos", "recall"): 69.54982073976082,
    ("bucc2018", "f1"): 55.0,
    ("tatoeba", "accuracy"): 53.611111111111114,
    ("xquad", "exact_match"): 77.27272727272727,
    ("xquad", "f1"): 79.9586776859504,
    ("mlqa", "exact_match"): 57.142857142857146,
    ("mlqa", "f1"): 81.76870748299321,
    ("tydiqa", "exact_match"): 88.88888888888889,
    ("tydiqa", "f1"): 97.22222222222223,
}


def near(value: float) -> object:
    return pytest.approx(value, abs=1e-9, rel=0)


@needs_samples
def test_the_mock_submission_scores_as_the_official_evaluator_has_it() -> None:
    summary, notes = evaluate(DATA / "xtreme_mock" / "predictions", DATA / "xtreme_mock" / "labels")
    assert notes == []
    for (key, metric), value in PUBLISHED.items():
        assert summary.tasks[key].metrics[metric] == near(value)
    scored = summary.to_json()
    assert set(scored["tasks"]) == set(GOLDEN["tasks"])
    for key, task in GOLDEN["tasks"].items():
        assert scored["tasks"][key]["score"] == near(task["score"])
        assert scored["tasks"][key]["languages"] == {x: near_all(metrics) for x, metrics in task["languages"].items()}
        assert not scored["tasks"][key]["partial"]
    assert scored["groups"] == near_all(GOLDEN["groups"])
    assert scored["overall"] == near(GOLDEN["overall"])


def near_all(figures: dict[str, float]) -> dict[str, object]:
    return {name: near(value) for name, value in figures.items()}


def golden_scores() -> dict[str, dict[str, dict[str, float]]]:
    return {key: dict(task["languages"]) for key, task in GOLDEN["tasks"].items()}


def test_averages_of_the_golden_figures() -> None:
    summary = summarise(golden_scores())
    for key, task in GOLDEN["tasks"].items():
        assert summary.tasks[key].score == near(task["score"])
    assert summary.groups == near_all(GOLDEN["groups"])
    assert summary.overall == near(GOLDEN["overall"])


def test_nine_tasks_in_four_groups() -> None:
    summary = summarise({})
    assert summary.members == {
        "classification": ("xnli", "pawsx"),
        "structured": ("udpos", "panx"),
        "qa": ("xquad", "mlqa", "tydiqa"),
        "retrieval": ("bucc2018", "tatoeba"),
    }
    assert [len(task.languages) for task in targets().values()] == [15, 7, 33, 40, 11, 7, 9, 4, 36]
    assert summary.overall is None


def test_the_order_of_tasks_and_languages_changes_nothing() -> None:
    scores = golden_scores()
    mixed = {
        key: {x: scores[key][x] for x in random.Random(key).sample(list(scores[key]), len(scores[key]))}
        for key in reversed(scores)
    }
    assert json.dumps(summarise(mixed).to_json()) == json.dumps(summarise(scores).to_json())


def test_a_language_missing_makes_all_above_it_partial() -> None:
    scores = golden_scores()
    del scores["panx"]["yo"], scores["panx"]["ar"]
    summary = summarise(scores)
    panx = summary.tasks["panx"]
    assert panx.partial
    assert panx.missing == ("ar", "yo")
    assert panx.score == near(sum(metrics["f1"] for metrics in scores["panx"].values()) / 38)
    assert summary.groups["structured"] is None
    assert summary.groups["qa"] == near(GOLDEN["groups"]["qa"])
    assert summary.overall is None
    assert summary.to_json()["tasks"]["panx"]["missing"] == ["ar", "yo"]


def test_a_task_missing_is_not_there_and_leaves_no_overall_score() -> None:
    scores = golden_scores()
    del scores["tatoeba"]
    scores["bucc2018"] = {}
    summary = summarise(scores)
    assert summary.missing_tasks == ("bucc2018", "tatoeba")
    assert not {"bucc2018", "tatoeba"} & set(summary.to_json()["tasks"])
    assert summary.groups["retrieval"] is None
    assert summary.overall is None


def test_a_language_that_xtreme_has_not_is_refused() -> None:
    with pytest.raises(KeyError, match="xnli has no language xx"):
        summarise({"xnli": {"xx": {"accuracy": 1.0}}})
