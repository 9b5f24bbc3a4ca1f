"""The scores table and the study's table: nothing lost on the way, nothing claimed that is not there."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from xtl.report.study import cell_text, head_and_rows, markdown, notes, study
from xtl.scoring.table import COLUMNS, SWEEP, scores_of, sweep_of, to_csv, to_parquet
from xtl.scoring.xtreme import targets

ROWS = [
    {"model": "tiny", "arm": arm, "seed": seed, "task": task}
    for arm in ("none", "mnli")
    for seed in (1, 2)
    for task in ("xnli", "xquad")
]


def manifest(task: str, value: float, languages: tuple[str, ...] | None = None, split: str = "test") -> dict[str, Any]:
    names = {"qa": ("exact_match", "f1"), "retrieval": ("accuracy",), "classification": ("accuracy",)}
    group = targets()[task].group
    languages = languages or targets()[task].languages
    figures = dict.fromkeys(names.get(str(group), ("f1", "precision", "recall")), value)
    if group == "qa":
        figures = {"exact_match": value - 10, "f1": value + 10}
    scores = {"last": dict.fromkeys(languages, figures), "english-dev": {x: {"accuracy": 99.0} for x in languages}}
    return {
        "key": f"key of {task}",
        "metrics": {"scores": scores, "n": dict.fromkeys(languages, 7), "split": split, "degenerate": []},
    }


def table(values: dict[tuple[str, int, str], dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        score
        for row in ROWS
        if (found := values.get((row["arm"], row["seed"], row["task"])))
        for score in scores_of(row, found)
    ]


def test_the_table_has_a_row_a_figure_and_reads_back_as_it_was(tmp_path: Path) -> None:
    scores = scores_of(ROWS[0], manifest("xnli", 1 / 3, ("en", "de")))
    assert [(*score, "setting") for score in scores] == [COLUMNS] * 4
    expected = [{**score, "setting": "translate-train"} for score in scores]
    found = list(csv.DictReader(io.StringIO(to_csv(scores, "translate-train").decode())))
    assert found == [{name: str(value) for name, value in score.items()} for score in expected]
    assert float(found[0]["value"]) == scores[0]["value"], "to the last digit"
    to_parquet(scores, "translate-train", tmp_path / "scores.parquet")
    assert pq.read_table(tmp_path / "scores.parquet").to_pylist() == expected


def test_the_table_of_layers_says_the_setting_too() -> None:
    found = manifest("tatoeba", 30.0, ("de",))
    found["metrics"]["sweep"] = {"de": [1.0, 2.0]}
    row = {"model": "tiny", "arm": "none", "seed": 1, "task": "tatoeba"}
    lines = list(csv.DictReader(io.StringIO(to_csv(sweep_of(row, found), "zero-shot", SWEEP).decode())))
    assert [(line["pooling"], line["layer"], line["value"], line["setting"]) for line in lines] == [
        ("mean", "0", "1.0", "zero-shot"),
        ("mean", "1", "2.0", "zero-shot"),
    ]
    found["metrics"]["sweep_last"] = {"de": [3.0]}
    assert [(line["pooling"], line["layer"], line["value"]) for line in sweep_of(row, found)][2:] == [("last", 0, 3.0)]


def test_what_is_not_zero_shot_is_flagged_and_told() -> None:
    own = manifest("xnli", 50.0, ("en", "de", "fr"))
    own["metrics"]["seen"] = ["en", "de"]
    scores = table({("mnli", 1, "xnli"): own, ("none", 1, "xnli"): manifest("xnli", 50.0, ("en", "de"))})
    flagged = {(s["intermediate"], s["language"]) for s in scores if not s["zero_shot"]}
    assert flagged == {("mnli", "en"), ("mnli", "de")}
    told = "Not zero-shot, for the task itself was trained in that language: xnli after mnli in de."
    assert told in notes(study(ROWS, scores))
    assert not any("zero-shot" in note for note in notes(study(ROWS, table({}))))
    marked = study(ROWS, scores)
    cell = marked.lines[1].cells["xnli"]
    assert cell_text(cell) == "50.0*‡"
    assert (cell.own, cell.without_own) == (("de",), {1: 50.0})
    assert "‡ with those languages; without them: xnli after mnli 50.0." in notes(marked)
    assert marked.lines[0].cells["xnli"].own == ()


def test_an_average_with_what_is_not_zero_shot_is_marked_and_stands_without_it_too() -> None:
    rows = [{"model": "tiny", "arm": arm, "seed": 1, "task": task} for arm in ("none", "xnli@de") for task in targets()]
    whole = {task: manifest(task, 50.0) for task in targets()}
    own = manifest("xnli", 50.0)
    own["metrics"]["scores"]["last"]["de"] = {"accuracy": 95.0}  # mean 53
    own["metrics"]["seen"] = ["de"]
    manifests = {**{("xnli@de", task): one for task, one in whole.items()}, ("xnli@de", "xnli"): own}
    found = study(rows, [
        s for row in rows for s in scores_of(row, manifests.get((row["arm"], row["task"]), whole[row["task"]]))
    ])  # fmt: skip
    _, (none, german), _ = head_and_rows(found)
    assert (none[-1], german[-1]) == ("50.0", "50.3‡")
    assert "‡ with those languages; without them: xnli after xnli@de 50.0, average after xnli@de 50.0." in notes(found)
    line = found.lines[1]
    assert (line.without_own("classification"), line.without_own("qa")) == (50.0, None)
    assert line.groups["classification"] == pytest.approx(51.5)
    assert found.lines[0].without_own() is None


def test_means_over_fewer_seeds_are_told() -> None:
    told = notes(study(ROWS, table({("none", 1, "xnli"): manifest("xnli", 50.0)})))
    assert "Means over fewer seeds than the grid has: xnli after none 1 of 2." in told


def test_retrieval_keeps_its_score_at_the_chosen_layer_apart() -> None:
    rows = [{"model": "tiny", "arm": "none", "seed": 1, "task": "tatoeba"}]
    found = manifest("tatoeba", 30.0)
    languages = found["metrics"]["scores"]["last"]
    best = {x: {"accuracy": 40.0} for x in languages}
    found["metrics"]["chosen_layer"] = {"layer": 1, "rule": "oracle", "scores": best}
    scores = scores_of(rows[0], found)
    assert {score["value"] for score in scores if score["checkpoint"] == "layer-oracle"} == {40.0}
    assert study(rows, scores).lines[0].cells["tatoeba"].value == 30.0


def test_groups_are_averaged_where_they_are_whole() -> None:
    rows = [
        {"model": "tiny", "arm": "none", "seed": seed, "task": task} for seed in (1, 2) for task in ("xnli", "pawsx")
    ]
    values = {("xnli", 1): 40.0, ("xnli", 2): 60.0, ("pawsx", 1): 80.0, ("pawsx", 2): 100.0}
    scores = [s for row in rows for s in scores_of(row, manifest(row["task"], values[row["task"], row["seed"]]))]
    assert study(rows, scores).lines[0].groups == {"classification": 70.0}
    assert study(rows, [s for s in scores if s["language"] != "de"]).lines[0].groups == {}


def test_a_cell_is_the_mean_over_seeds_of_the_mean_over_languages() -> None:
    half = dict.fromkeys(("en",), manifest("xnli", 10.0)["metrics"]["scores"]["last"]["en"])
    one = manifest("xnli", 60.0)
    one["metrics"]["scores"]["last"] |= half
    values = {("none", 1, "xnli"): one, ("none", 2, "xnli"): manifest("xnli", 80.0)}
    found = study(ROWS, table(values))
    expected = ((14 * 60.0 + 10.0) / 15 + 80.0) / 2
    assert found.lines[0].cells["xnli"].value == pytest.approx(expected)
    assert (found.rows_done, found.rows) == (2, 8)


def test_qa_is_the_mean_of_exact_match_and_f1() -> None:
    found = study(ROWS, table({("none", 1, "xquad"): manifest("xquad", 50.0)}))
    assert found.lines[0].cells["xquad"].value == pytest.approx(50.0)


def test_english_stands_alone_below_the_means() -> None:
    one = manifest("xnli", 40.0)
    one["metrics"]["scores"]["last"]["en"] = {"accuracy": 90.0}
    head, rows, english = head_and_rows(study(ROWS, table({("none", 1, "xnli"): one})))
    assert head == ["intermediate", "xnli", "xquad", "average"]
    assert rows[0] == ["none", f"{(14 * 40 + 90) / 15:.1f}", "-", "-"]
    assert english == [["none, English alone", "90.0", "-", "-"]], "and none of an arm that has no figure in it"


def test_translate_train_says_so_everywhere() -> None:
    found = study(ROWS, table({("none", 1, "xnli"): manifest("xnli", 40.0)}), setting="translate-train")
    assert any("translate-train" in note for note in notes(found))
    assert "translate-train" in markdown(found).splitlines()[0]
    assert not any("setting" in note for note in notes(study(ROWS, [])))


def test_only_the_last_checkpoint_is_a_headline() -> None:
    found = study(ROWS, table({("none", 1, "xnli"): manifest("xnli", 40.0)}))
    assert found.lines[0].cells["xnli"].value == pytest.approx(40.0)


def test_what_is_partial_or_on_dev_or_missing_says_so() -> None:
    values = {
        ("none", 1, "xnli"): manifest("xnli", 40.0, ("en", "de")),
        ("none", 1, "xquad"): manifest("xquad", 40.0, split="dev"),
    }
    stuck = {"model": "tiny", "intermediate": "none", "seed": 1, "task": "xnli", "languages": ["de"]}
    found = study(ROWS, table(values), [stuck])
    line = found.lines[0]
    assert cell_text(line.cells["xnli"]) == "40.0*"
    assert cell_text(line.cells["xquad"]) == "40.0†"
    assert cell_text(found.lines[1].cells.get("xnli")) == "-"
    said = " ".join(notes(found))
    told = "2 of 8 results", "xnli 2 of 15", "scored on dev", "xquad", "No overall", "2 seeds", "seed 1 xnli (de)"
    for words in told:
        assert words in said
    assert "| none | 40.0* | 40.0† | - |" in markdown(found)


def test_the_overall_average_needs_nine_whole_tasks_on_test() -> None:
    rows = [{"model": "tiny", "arm": "none", "seed": 1, "task": task} for task in targets()]
    whole = {task: manifest(task, 50.0) for task in targets()}

    def overall(**other: dict[str, Any]) -> float | None:
        scores = [s for row in rows for s in scores_of(row, {**whole, **other}[row["task"]])]
        return study(rows, scores).lines[0].overall

    assert overall() == pytest.approx(50.0)
    assert overall(xnli=manifest("xnli", 59.0)) == pytest.approx(51.0)
    assert overall(xnli=manifest("xnli", 59.0, ("en",))) is None
    assert overall(bucc2018=manifest("bucc2018", 50.0, split="dev")) is None
