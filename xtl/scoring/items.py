"""Outcomes of single items, and what they add up to: the one path by which xtl arrives at a score.

A stage calls `score_items` on canonical examples and a family's predictions and keeps the rows as `items.parquet`;
`xtl score` calls `outcomes` on files; both then call `aggregate`. So a stage's scores equal `xtl score` on its exported
files to the last digit, and any subset or resample of the rows can be scored again.

An item is a sentence, a pair, a question; in BUCC it is a source sentence that has a gold or a predicted pair (arms are
joined by id; one that lacks a row predicted nothing for it).

    outcome      tasks                            columns                            metrics (percent)
    choice       pair and choice tasks, Tatoeba   correct                            accuracy
    qa           span QA                          em, f1                             exact_match, f1
    spans        udpos, panx; bucc2018 (pairs)    n_correct, n_predicted, n_gold     f1, precision, recall
    tokens       ccg                              n_correct, n_predicted, n_gold     accuracy
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from xtl.scoring import classification, qa, retrieval, tagging
from xtl.scoring.counts import mean, precision_recall_f1

Outcome = Literal["choice", "qa", "spans", "pairs", "tokens"]
Item = dict[str, Any]
Question = tuple[str, Sequence[str]]  # its id and its gold answers

_BY_FORM: dict[str, Outcome] = {"pair": "choice", "choice": "choice", "span": "qa", "tagging": "spans"}
_BY_TASK: dict[str, Outcome] = {"bucc2018": "pairs", "tatoeba": "choice", "ccg": "tokens"}
_COUNTS = ("n_correct", "n_predicted", "n_gold")


def outcome_of(task: str) -> Outcome:
    """How a task's items come out. Raises ValueError for a task without a metric (plain text)."""
    if task in _BY_TASK:
        return _BY_TASK[task]
    from xtl.tasks import TASKS

    form = TASKS[task].form
    if form not in _BY_FORM:
        raise ValueError(f"{task} has no metric: its form is {form}")
    return _BY_FORM[form]


def outcomes(task: str, language: str, gold: Any, predicted: Any) -> list[Item]:
    """One row an item, outcome columns and `id` (where the gold holds one, else None).

    gold and predicted: labels and labels; sentences of tags and sentences of tags; a list of `Question` and a mapping
    of id to answer (an unanswered question scores 0); pairs and pairs. Raises ValueError where their numbers differ.
    """
    kind = outcome_of(task)
    if kind == "choice":
        return [{"id": None, "correct": correct} for correct in classification.matches(gold, predicted)]
    if kind == "qa":
        return _answered(task, language, gold, predicted)
    if kind == "pairs":
        return [dict(zip(("id", *_COUNTS), row, strict=True)) for row in retrieval.pair_counts(gold, predicted)]
    count = tagging.span_counts if kind == "spans" else tagging.token_counts
    return [{"id": None, **dict(zip(_COUNTS, row, strict=True))} for row in count(gold, predicted)]


def _answered(task: str, language: str, questions: Iterable[Question], answers: Mapping[str, str]) -> list[Item]:
    if task == "squad_v2":
        score = qa.squad_v2_em_f1
    else:
        score = partial(qa.em_f1, normal=qa.mlqa_normaliser(language) if task == "mlqa" else qa.squad_normal)
    rows = []
    for identifier, golds in questions:
        em, f1 = score(answers[identifier], golds) if identifier in answers else (0.0, 0.0)
        rows.append({"id": identifier, "em": em, "f1": f1})
    return rows


def score_items(
    task: str, language: str, examples: Sequence[Mapping[str, Any]], predictions: Sequence[Any] | Mapping[str, str]
) -> list[Item]:
    """The rows of `items.parquet` of one language: language, position, id, and the outcome's columns.

    examples: one listing in CANON's form; for bucc2018 the gold listing, for tatoeba the (sorted) English side, whose
    id is the gold. predictions: what a family's `decode` gives, one an example (label, position, tags, answer; QA also
    as a mapping of id to answer); for tatoeba the index of the foreign sentence; for bucc2018 pairs (source id, English
    id). Raises ValueError where their numbers differ.
    """
    kind = outcome_of(task)
    gold = gold_of(task, examples)
    predicted: Any = predictions
    if kind == "qa" and not isinstance(predictions, Mapping):
        predicted = answers_by_id(examples, predictions)
    elif kind == "pairs":
        predicted = [tuple(pair) for pair in predictions]
    elif kind == "spans":
        _aligned(gold, predicted)
    rows = outcomes(task, language, gold, predicted)
    for position, row in enumerate(rows):
        if row["id"] is None:
            row["id"] = examples[position]["id"]
    return [{"language": language, "position": position, **row} for position, row in enumerate(rows)]


def gold_of(task: str, examples: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The gold side of canonical examples, in the form `outcomes` takes."""
    kind = outcome_of(task)
    if kind == "qa":
        return [(example["id"], [answer["text"] for answer in example["answers"]]) for example in examples]
    if kind == "pairs":
        return [(example["source"], example["target"]) for example in examples]
    if kind == "choice":
        return [example["id"] for example in examples] if task == "tatoeba" else [_label(one) for one in examples]
    return [example["tags"] for example in examples]


def _label(example: Mapping[str, Any]) -> Any:
    if example["label"] is None:
        raise ValueError(f"example {example['id']!r} has no label: it cannot be scored")
    return example["label"]


def answers_by_id(examples: Sequence[Mapping[str, Any]], answers: Sequence[str]) -> dict[str, str]:
    """A family's answers as a submission holds them: ids need not be unique, the last answer stands."""
    return {example["id"]: answer for example, answer in zip(examples, answers, strict=True)}


def _aligned(gold: Sequence[Sequence[str]], predicted: Sequence[Any]) -> None:
    for position, (right, tags) in enumerate(zip(gold, predicted, strict=True)):
        if len(right) != len(tags):
            raise ValueError(f"sentence {position}: {len(tags)} predicted tags for {len(right)} tokens")


def aggregate(task: str, items: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """What rows add up to: `{METRIC: percent}`. Raises ValueError for no items where the metric is a mean."""
    kind, rows = outcome_of(task), list(items)
    if kind == "choice":
        return {"accuracy": classification.accuracy(row["correct"] for row in rows)}
    if kind == "qa":
        return {
            "exact_match": mean(row["em"] for row in rows) * 100,
            "f1": mean(row["f1"] for row in rows) * 100,
        }
    correct, predicted, gold = (sum(int(row[column]) for row in rows) for column in _COUNTS)
    if kind == "tokens":
        if not gold:
            raise ValueError("accuracy of no tokens")
        return {"accuracy": correct / gold * 100}
    return precision_recall_f1(correct, predicted, gold)


def headline(metrics: Mapping[str, float]) -> float:
    """The one figure of a language: accuracy, F1, or in QA the mean of EM and F1."""
    if "exact_match" in metrics:
        return mean((metrics["exact_match"], metrics["f1"]))
    return metrics["accuracy"] if "accuracy" in metrics else metrics["f1"]
