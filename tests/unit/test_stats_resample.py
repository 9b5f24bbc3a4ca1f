"""Item noise: on the items as they are it equals the scores to the last digit, on drawn items the score of the drawn
rows; parallel languages are drawn together, others apart."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.test_scoring_items import study
from xtl.errors import UserError
from xtl.scoring import resample
from xtl.scoring.aligned import drawn_together, rows_of
from xtl.scoring.counts import mean
from xtl.scoring.items import Item, aggregate, headline, outcome_of, score_items
from xtl.scoring.resample import Comparison, item_noise, percentile_interval
from xtl.scoring.run_items import COLUMNS, Items, read_items, score
from xtl.scoring.xtreme import targets

SEEDS = (1, 2)
MNLI = Comparison(arm="mnli", against="none", seeds=SEEDS)
TASKS = [*targets(), "ccg"]


def languages_of(task: str) -> tuple[str, ...]:
    return targets()[task].languages[:4] if task in targets() else ("en",)


def rows(task: str, arm: str, seed: int) -> dict[str, list[Item]]:
    """Rows of `items.parquet` by language: the gold of one study, answered by chance."""
    found = {}
    for language in languages_of(task):
        pick = random.Random(f"{task} {language} {arm} {seed}")
        if task == "ccg":
            sizes = [random.Random(place).randint(1, 9) for place in range(40)]
            found[language] = [
                {"language": language, "id": str(place), "n_correct": pick.randint(0, size), "n_predicted": size,
                 "n_gold": size} for place, size in enumerate(sizes)
            ]  # fmt: skip
            continue
        examples, predictions = study(task, language, 1)
        if task == "bucc2018":
            predictions = [
                (source, pick.choice([target, "en-7"])) for source, target in predictions if pick.random() < 0.8
            ]
        elif task in ("udpos", "panx"):
            predictions = [[tag if pick.random() < 0.8 else "O" for tag in row] for row in predictions]
        else:
            predictions = [one if pick.random() < 0.7 else pick.choice(predictions) for one in predictions]
        found[language] = score_items(task, language, examples, predictions)
    return found


def all_rows(task: str) -> dict[tuple[str, int], dict[str, list[Item]]]:
    return {(arm, seed): rows(task, arm, seed) for arm in ("none", "mnli") for seed in SEEDS}


def of_rows(task: str, languages: Mapping[str, list[Item]]) -> dict[str, Items]:
    """One run's rows as columns, without a file."""
    names = COLUMNS[outcome_of(task)]
    return {
        language: Items(
            ids=np.array([row["id"] for row in part], dtype=object),
            columns={name: np.array([row[name] for row in part]) for name in names},
        )
        for language, part in languages.items()
    }


def as_items(
    task: str, runs: Mapping[tuple[str, int], Mapping[str, list[Item]]]
) -> dict[tuple[str, int], dict[str, Items]]:
    return {run: of_rows(task, languages) for run, languages in runs.items()}


def figure(task: str, part: list[Item]) -> float:
    return headline(aggregate(task, part))


@pytest.mark.parametrize("task", TASKS)
def test_unresampled_it_is_the_score_to_the_last_digit(task: str) -> None:
    runs = all_rows(task)
    items = as_items(task, runs)
    for run, languages in runs.items():
        for language, part in languages.items():
            assert score(task, items[run][language]) == figure(task, part)
    found = item_noise(task, items, {"c": MNLI}, resamples=3)["c"]
    assert set(found.languages) == set(languages_of(task))
    for language in found.languages:
        figures = {run: figure(task, languages[language]) for run, languages in runs.items()}
        assert found.differences[language] == mean(figures["mnli", s] - figures["none", s] for s in SEEDS)
    assert any(found.differences.values())
    assert found.interval().mean == mean(found.differences.values())


@pytest.mark.parametrize("task", TASKS)
def test_a_draw_is_the_score_of_the_drawn_rows(task: str) -> None:
    """The indices are drawn again from the same stream, and the rows they name are scored as any rows are."""
    runs = all_rows(task)
    items = as_items(task, runs)
    found = item_noise(task, items, {"c": MNLI}, resamples=6, draw_seed=3)["c"]
    ids: dict[str, list[str]] = {}
    for language in languages_of(task):  # BUCC: every sentence that any run has
        every = [row["id"] for run in MNLI.runs for row in runs[run][language]]
        first = [row["id"] for row in runs["none", 1][language]]
        ids[language] = list(dict.fromkeys(every)) if task == "bucc2018" else first
    for group in drawn_together(task, {language: np.array(part, dtype=object) for language, part in ids.items()}):
        total, places = rows_of([np.array(ids[language], dtype=object) for language in group])
        drawn = resample._generator(3, task, group).integers(0, total, size=(6, total))
        for language, where in zip(group, places, strict=True):
            row_of = {int(place): position for position, place in enumerate(where)}
            for number, indices in enumerate(drawn.tolist()):
                taken = [row_of[index] for index in indices if index in row_of]
                figures = {run: drawn_figure(task, part[language], ids[language], taken) for run, part in runs.items()}
                expected = mean(figures["mnli", s] - figures["none", s] for s in SEEDS)
                assert found.draws[found.languages.index(language), number] == pytest.approx(expected, abs=1e-9)


def drawn_figure(task: str, part: list[Item], ids: list[str], taken: list[int]) -> float:
    if outcome_of(task) == "pairs":
        nothing = {"n_correct": 0, "n_predicted": 0, "n_gold": 0}
        held = {row["id"]: row for row in part}
        return figure(task, [held.get(ids[position], nothing) for position in taken])
    return figure(task, [part[position] for position in taken])


def choices(right: Mapping[str, Any], ids: Mapping[str, Any] | None = None) -> dict[str, Items]:
    """One run's languages: hits, and ids 0, 1, ... unless given."""
    found = {}
    for language, hits in right.items():
        names = [str(place) for place in range(len(hits))] if ids is None else list(ids[language])
        found[language] = Items(ids=np.array(names, dtype=object), columns={"correct": np.asarray(hits, dtype=bool)})
    return found


ONE = Comparison(arm="arm", against="none", seeds=(1,))


def test_parallel_languages_are_drawn_together_and_others_apart() -> None:
    """Four languages with equal outcomes: drawn together, their mean is no surer than one of them; apart, by half."""
    rng = np.random.default_rng(0)
    hits, base = rng.random(400) < 0.7, rng.random(400) < 0.6
    languages = ("de", "en", "es", "fr")
    runs = {("arm", 1): choices(dict.fromkeys(languages, hits)), ("none", 1): choices(dict.fromkeys(languages, base))}
    together = item_noise("pawsx", runs, {"c": ONE}, resamples=4000)["c"]
    apart = item_noise("tatoeba", runs, {"c": ONE}, resamples=4000)["c"]
    assert together.draws.std(axis=1) == pytest.approx(np.full(4, together.means().std()), rel=1e-9)
    assert apart.means().std() == pytest.approx(apart.draws.std(axis=1).mean() / 2, rel=0.05)
    assert together.interval(["de"]).low == pytest.approx(together.interval().low, abs=1e-9)


def test_partly_parallel_languages_are_joined_by_id() -> None:
    """A question asked in two languages comes up in both or in neither; too short and unrelated lists go alone."""
    ids = {
        "en": np.array([f"q{n}" for n in range(100)], dtype=object),
        "de": np.array([f"q{n}" for n in range(99, 49, -1)], dtype=object),
        "zh": np.array([f"q{n}" for n in range(10)], dtype=object),
        "hi": np.array([f"other{n}" for n in range(60)], dtype=object),
    }
    assert drawn_together("mlqa", ids) == [("en", "de"), ("zh",), ("hi",)]
    assert drawn_together("mlqa", {"zh": ids["zh"], "en": ids["zh"][::-1]}) == [("zh", "en")]
    assert drawn_together("tydiqa", {"ar": ids["zh"], "en": ids["zh"]}) == [("ar",), ("en",)]
    total, (en, de) = rows_of([ids["en"], ids["de"]])
    assert total == 100
    assert ids["en"][de].tolist() == ids["de"].tolist()
    assert en.tolist() == list(range(100))


def test_equal_ids_of_one_language_stay_two_items() -> None:
    total, places = rows_of([np.array(["a", "a", "b"], dtype=object), np.array(["b", "a"], dtype=object)])
    assert (total, [part.tolist() for part in places]) == (3, [[0, 1, 2], [2, 0]])


def test_an_arm_that_changes_nothing_shows_nothing() -> None:
    for task in ("xnli", "udpos", "xquad"):
        same = {("mnli", seed): rows(task, "none", seed) for seed in SEEDS}
        runs = as_items(task, same | {("none", seed): rows(task, "none", seed) for seed in SEEDS})
        found = item_noise(task, runs, {"c": MNLI}, resamples=50)["c"].interval()
        assert (found.mean, found.low, found.high) == (0, 0, 0)


def test_draws_hang_on_the_seed_and_not_on_what_else_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = as_items("xnli", all_rows("xnli"))
    other = Comparison(arm="none", against="mnli", seeds=(2,))
    alone = item_noise("xnli", runs, {"c": MNLI}, resamples=40)["c"]
    monkeypatch.setattr(resample, "_THREADS", 1)
    beside = item_noise("xnli", runs, {"d": other, "c": MNLI}, resamples=40)
    assert np.array_equal(alone.draws, beside["c"].draws)
    assert not np.array_equal(alone.draws, item_noise("xnli", runs, {"c": MNLI}, resamples=40, draw_seed=1)["c"].draws)
    back = Comparison(arm="none", against="mnli", seeds=SEEDS)
    assert np.array_equal(item_noise("xnli", runs, {"c": back}, resamples=40)["c"].draws, -alone.draws)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the resamples are cut, each is a draw of as many items as there are, and their scores agree in size."""
    runs = as_items("panx", all_rows("panx"))
    whole = item_noise("panx", runs, {"c": MNLI}, resamples=900)["c"]
    monkeypatch.setattr(resample, "_BLOCK", 100)
    cut = item_noise("panx", runs, {"c": MNLI}, resamples=900)["c"]
    assert cut.draws.shape == whole.draws.shape == (4, 900)
    assert cut.interval().low == pytest.approx(whole.interval().low, abs=3)
    counts = np.empty((50, 30), dtype=np.float32)
    resample._multinomial(counts, np.random.default_rng(0))
    assert counts.sum(axis=1).tolist() == [30] * 50


def test_languages_that_one_arm_lacks_are_left_out_of_its_comparisons_alone() -> None:
    hits = np.arange(50) % 3 > 0
    runs = {
        ("arm", 1): choices({"de": hits, "fr": hits}),
        ("none", 1): choices({"de": hits, "fr": hits[::-1]}),
        ("part", 1): choices({"fr": hits}),
    }
    part = Comparison(arm="part", against="none", seeds=(1,))
    for task in ("xnli", "tatoeba"):
        found = item_noise(task, runs, {"c": ONE, "p": part}, resamples=20)
        assert (found["c"].languages, found["p"].languages) == (("de", "fr"), ("fr",))
        assert np.array_equal(found["c"].draws[1], found["p"].draws[0])
    with pytest.raises(ValueError, match="de"):
        found["p"].interval(["de"])


def test_what_cannot_be_compared_is_named() -> None:
    hits = np.arange(50) % 2 == 0
    runs = {
        ("arm", 1): choices({"de": hits}),
        ("none", 1): choices({"de": hits[:-1]}),
        ("fr", 1): choices({"fr": hits}),
    }
    with pytest.raises(UserError, match=r"xnli de: none seed 1 was scored on other items \(49\) than"):
        item_noise("xnli", runs, {"c": ONE})
    with pytest.raises(UserError, match="xnli: none seed 2 has no items"):
        item_noise("xnli", runs, {"c": Comparison(arm="none", against="arm", seeds=(2,))})
    with pytest.raises(UserError, match="contrast c, xnli: arm and none have no seed in common"):
        item_noise("xnli", runs, {"c": Comparison(arm="arm", against="none", seeds=())})
    with pytest.raises(UserError, match="contrast c: arm and fr have no language in common"):
        item_noise("xnli", runs, {"c": Comparison(arm="arm", against="fr", seeds=(1,))})


@pytest.mark.parametrize("task", ["xnli", "mlqa", "udpos", "bucc2018"])
def test_items_are_read_from_what_a_stage_leaves(task: str, tmp_path: Path) -> None:
    """Languages mixed, another checkpoint rule beside: the same as from the rows."""
    languages = rows(task, "none", 1)
    part = [row for language in languages.values() for row in language]
    other = [{"checkpoint": "english-dev", **row} for row in part[:7]]
    table = pa.Table.from_pylist(
        other + sorted(({"checkpoint": "last", **row} for row in part), key=lambda row: row["position"])
    )
    pq.write_table(table, tmp_path / "items.parquet")
    data = (tmp_path / "items.parquet").read_bytes()
    found, expected = read_items(task, data, of="stage"), of_rows(task, languages)
    assert set(found) == set(expected)
    for language, items in expected.items():
        assert found[language].ids.tolist() == items.ids.tolist()
        for name, column in items.columns.items():
            assert found[language].columns[name].tolist() == column.tolist()
        assert score(task, found[language]) == score(task, items)
    assert sum(map(len, read_items(task, data, rule="english-dev", of="stage").values())) == 7
    with pytest.raises(UserError, match="stage 1: no items at the checkpoint rule target-dev"):
        read_items(task, data, rule="target-dev", of="stage 1")
    wrong = "xquad" if task == "xnli" else "xnli"
    with pytest.raises(UserError, match="stage 1: its items have no column"):
        read_items(wrong, data, of="stage 1")


@pytest.mark.parametrize(
    ("task", "outcome", "column"),
    [("xquad", {"em": 0.0, "f1": float("nan")}, "f1"), ("xnli", {"correct": None}, "correct")],
)
def test_an_outcome_that_is_no_number_is_named(task: str, outcome: dict[str, Any], column: str) -> None:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{"checkpoint": "last", "language": "de", "id": "q", **outcome}]), out)
    with pytest.raises(UserError, match=f"run 1 de: column {column}"):
        read_items(task, out.getvalue(), of="run 1")


def test_an_interval_over_several_tasks() -> None:
    """Tasks are drawn apart, so the mean of two is surer than either."""
    runs = {task: as_items(task, all_rows(task)) for task in ("xnli", "pawsx")}
    found = [item_noise(task, held, {"c": MNLI}, resamples=2000)["c"] for task, held in runs.items()]
    middle = mean(one.interval().mean for one in found)
    both = percentile_interval(middle, np.mean([one.means() for one in found], axis=0))
    assert both.low < both.mean == middle < both.high
    widths = [one.interval().high - one.interval().low for one in found]
    assert both.high - both.low == pytest.approx(np.hypot(*widths) / 2, rel=0.1)
