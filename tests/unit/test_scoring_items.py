"""Outcomes of items, written to a submission, read back and scored: one path, one figure."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from xtl.scoring.evaluator import evaluate
from xtl.scoring.items import aggregate, headline, outcome_of, score_items
from xtl.scoring.submission import write_labels, write_predictions
from xtl.scoring.xtreme import summarise, targets

WORDS = ["Paris", "the Seine", "1987", "北京", "\u00a0 das  Haus.", "ال مدينة", "naïve – “x”", "a\u2028b", ""]
TAGS = {"udpos": ["NOUN", "VERB", "SYM", "SCONJ", "_"], "panx": ["O", "B-PER", "I-PER", "I-LOC"]}
LABELS = {"xnli": ["entailment", "neutral", "contradiction"], "pawsx": ["0", "1"]}


def study(task: str, language: str, seed: int) -> tuple[list[dict[str, Any]], Any]:
    """Canonical examples and predictions that are right about half the time."""
    pick = random.Random(f"{task} {language} {seed}")
    size = pick.randint(5, 30)
    if task in LABELS:
        words = LABELS[task]
        examples: list[dict[str, Any]] = [
            {"id": str(n), "text_a": "", "text_b": "", "label": pick.choice(words)} for n in range(size)
        ]
        return examples, [pick.choice([one["label"], pick.choice(words)]) for one in examples]
    if task in TAGS:
        tags = [[pick.choice(TAGS[task]) for _ in range(pick.randint(0, 9))] for _ in range(size)]
        examples = [{"id": str(n), "tokens": ["x"] * len(row), "tags": row} for n, row in enumerate(tags)]
        return examples, [[pick.choice([tag, pick.choice(TAGS[task])]) for tag in row] for row in tags]
    if task == "tatoeba":
        ids = pick.sample(range(size), size)
        return [{"id": str(n), "text": ""} for n in ids], [pick.choice([n, 0]) for n in ids]
    if task == "bucc2018":
        examples = [{"source": f"{language}-{n}", "target": f"en-{n}"} for n in range(size)]
        return examples, [(f"{language}-{n}", f"en-{pick.choice([n, 1])}") for n in range(3, size + 3)]
    answers = [[{"text": pick.choice(WORDS[:-1]), "start": 0} for _ in range(pick.randint(1, 3))] for _ in range(size)]
    examples = [
        {"id": f"q{n % (size - 1)}", "question": "?", "context": "", "answers": golds}
        for n, golds in enumerate(answers)
    ]
    return examples, [pick.choice([golds[0]["text"], pick.choice(WORDS)]) for golds in answers]


def test_a_stage_and_its_exported_files_agree_to_the_last_digit(tmp_path: Path) -> None:
    """All nine tasks in all their languages; `items.parquet`'s rows add up to what the files score."""
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for key, task in targets().items():
        for language in task.languages:
            examples, predictions = study(key, language, 1)
            scores.setdefault(key, {})[language] = aggregate(key, score_items(key, language, examples, predictions))
            write_predictions(tmp_path / "predictions", key, language, predictions, examples=examples)
            write_labels(tmp_path / "labels", key, language, examples)
    summary, notes = evaluate(tmp_path / "predictions", tmp_path / "labels")
    assert notes == []
    assert summary.to_json() == summarise(scores).to_json()
    assert summary.overall is not None
    assert 20 < summary.overall < 90


@pytest.mark.parametrize("key", list(targets()))
def test_perfect_predictions_score_100(key: str, tmp_path: Path) -> None:
    for language in targets()[key].languages:
        examples, _ = study(key, language, 2)
        labels = write_labels(tmp_path / "labels", key, language, examples)
        if labels.suffix == ".json":
            answers = {one["id"]: one["answers"][0]["text"] for one in examples}
            examples = [one for one in examples if one["answers"][0]["text"] == answers[one["id"]]]
            write_labels(tmp_path / "labels", key, language, examples)
            write_predictions(tmp_path / "predictions", key, language, answers)
        else:
            (tmp_path / "predictions" / key).mkdir(parents=True, exist_ok=True)
            (tmp_path / "predictions" / key / labels.name).write_bytes(labels.read_bytes())
    summary, _ = evaluate(tmp_path / "predictions", tmp_path / "labels")
    assert summary.tasks[key].score == 100
    assert not summary.tasks[key].partial


def test_rows_say_which_item_they_are() -> None:
    examples, predictions = study("xnli", "sw", 1)
    rows = score_items("xnli", "sw", examples, predictions)
    assert [row["position"] for row in rows] == list(range(len(examples)))
    assert [row["id"] for row in rows] == [one["id"] for one in examples]
    assert {row["language"] for row in rows} == {"sw"}
    assert [row["correct"] for row in rows] == [
        one["label"] == word for one, word in zip(examples, predictions, strict=True)
    ]


def test_rows_of_bucc_are_source_sentences() -> None:
    gold = [{"source": "de-1", "target": "en-1"}, {"source": "de-2", "target": "en-2"}]
    rows = score_items("bucc2018", "de", gold, [["de-9", "en-2"], ["de-1", "en-1"]])
    assert [(row["id"], row["n_correct"], row["n_predicted"], row["n_gold"]) for row in rows] == [
        ("de-1", 1, 1, 1),
        ("de-2", 0, 0, 1),
        ("de-9", 0, 1, 0),
    ]
    assert aggregate("bucc2018", rows) == {"f1": 50.0, "precision": 50.0, "recall": 50.0}


def test_intermediates_have_metrics_too() -> None:
    choice = [{"id": "1", "label": 3}, {"id": "2", "label": 0}]
    assert aggregate("hellaswag", score_items("hellaswag", "en", choice, [3, 1])) == {"accuracy": 50.0}
    supertags = [{"id": "0", "tags": ["N/N", "N", "."]}]
    assert aggregate("ccg", score_items("ccg", "en", supertags, [["N/N", "NP", "."]])) == {
        "accuracy": pytest.approx(200 / 3)
    }
    questions: list[dict[str, Any]] = [{"id": "a", "answers": []}, {"id": "b", "answers": [{"text": "x", "start": 0}]}]
    rows = score_items("squad_v2", "en", questions, ["", "the x y"])
    assert aggregate("squad_v2", rows) == {"exact_match": 50.0, "f1": pytest.approx(250 / 3)}
    assert headline(aggregate("squad_v2", rows)) == pytest.approx((50 + 250 / 3) / 2)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="2 predicted tags for 1 tokens"):
        score_items("udpos", "de", [{"id": "0", "tags": ["X"]}], [["X", "X"]])
    with pytest.raises(ValueError, match="zip"):
        score_items("xnli", "de", [{"id": "0", "label": "neutral"}], [])
    with pytest.raises(ValueError, match="'7' has no label"):
        score_items("qqp", "en", [{"id": "7", "label": None}], ["0"])
    with pytest.raises(ValueError, match="mlm has no metric"):
        outcome_of("mlm")
    with pytest.raises(ValueError, match="no items"):
        aggregate("xnli", [])


@pytest.mark.parametrize("label", ["", " neutral", "a\nb", "a\tb", "a\r"])
def test_a_line_that_would_not_be_read_back_is_refused(label: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot stand on a line"):
        write_predictions(tmp_path, "xnli", "de", ["neutral", label])
