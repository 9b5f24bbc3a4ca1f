"""Contrasts from a fixed scores table: what is paired, which languages count, and what is said of holes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from xtl.errors import UserError
from xtl.report.answer import sentence
from xtl.report.contrasts import compare
from xtl.report.differences import ContrastResult
from xtl.scoring.table import Score

TRAINED_IN = {"none": (), "english": ("en",), "german": ("de",), "french": ("fr",)}


def table(
    values: Mapping[tuple[str, int, str], Mapping[str, float]], own: Mapping[str, str] | None = None
) -> list[Score]:
    """Scores by (arm, seed, task) and language. own: languages in which an arm trained the task itself."""
    return [
        {
            "model": "tiny", "intermediate": arm, "seed": seed, "task": task, "language": language,
            "metric": "f1" if task in ("udpos", "panx") else "accuracy", "checkpoint": "last", "value": value,
            "n": 10, "split": "test", "stage": f"{arm}-{seed}-{task}",
            "zero_shot": language != "en" and language not in (own or {}).get(arm, "").split(),
        }
        for (arm, seed, task), languages in values.items() for language, value in languages.items()
    ]  # fmt: skip


def contrast(scores: list[Score], arm: str = "german", against: str = "none", **other: Any) -> ContrastResult:
    named = {"name": "c", "arm": arm, "against": against, "tasks": (), "languages": (), **other.pop("named", {})}
    tasks = sorted({score["task"] for score in scores})
    (found,) = compare([named], scores, models=["tiny"], tasks=tasks, trained_in=TRAINED_IN, **other)
    return found


PAIRED = {
    ("none", 1, "xnli"): {"en": 80.0, "de": 50.0, "fr": 40.0},
    ("none", 2, "xnli"): {"en": 82.0, "de": 54.0, "fr": 42.0},
    ("german", 1, "xnli"): {"en": 81.0, "de": 60.0, "fr": 42.0},
    ("german", 2, "xnli"): {"en": 80.0, "de": 62.0, "fr": 48.0},
}


def test_differences_are_paired_by_seed_and_english_is_apart() -> None:
    (task,) = contrast(table(PAIRED)).tasks
    assert task.headline is not None
    assert task.headline.by_seed == {1: 6.0, 2: 7.0}
    assert task.headline.value == 6.5
    assert task.headline.languages == ("de", "fr")
    half = 12.706204736432095 * 0.5  # t(0.975, 1 degree) x the standard error of two differences one point apart
    assert task.headline.seeds == pytest.approx((6.5 - half, 6.5 + half))
    assert {kind: figure.value for kind, figure in task.by_kind.items()} == {
        "seen": 9.0,
        "unseen": 4.0,
        "english": -0.5,
    }
    assert [(one.language, one.kind, one.arm, one.against) for one in task.languages] == [
        ("en", "english", 80.5, 81.0), ("de", "seen", 61.0, 52.0), ("fr", "unseen", 45.0, 41.0),
    ]  # fmt: skip


def test_a_language_that_the_arm_trained_this_task_in_is_shown_apart_and_not_averaged() -> None:
    (task,) = contrast(table(PAIRED, own={"german": "de"})).tasks
    assert task.headline is not None
    assert task.headline.languages == ("fr",)
    assert task.by_kind["own"].languages == ("de",)
    assert task.by_kind["own"].value == 9.0
    (only,) = contrast(table(PAIRED, own={"german": "de fr"})).tasks
    assert only.headline is None
    assert (only.hole, only.excluded) == ("every language is English or the task's own", True)


def test_under_translate_train_what_both_arms_trained_in_is_compared() -> None:
    """The target itself was trained in German under either arm."""
    scores = table(PAIRED, own={"german": "de", "none": "de"})
    (task,) = contrast(scores, setting="translate-train").tasks
    assert task.headline is not None
    assert task.headline.languages == ("de", "fr")
    assert task.by_kind["trained"].languages == ("de",)
    (apart,) = contrast(scores).tasks
    assert apart.headline is not None
    assert apart.headline.languages == ("fr",)


def test_named_languages_and_tasks_alone_are_compared_english_too() -> None:
    more = {**PAIRED, **{(arm, seed, "panx"): {"de": 1.0} for arm, seed, _ in PAIRED}}
    found = contrast(table(more), named={"tasks": ("xnli",), "languages": ("en", "fr")})
    assert [task.task for task in found.tasks] == ["xnli"]
    assert found.tasks[0].headline is not None
    assert found.tasks[0].headline.languages == ("en", "fr")
    assert [one.language for one in found.tasks[0].languages] == ["en", "fr"]


def test_only_seeds_that_both_have_are_paired_and_none_in_common_is_a_hole() -> None:
    more = {**PAIRED, ("german", 3, "xnli"): {"de": 99.0, "fr": 99.0, "en": 99.0}}
    (task,) = contrast(table(more)).tasks
    assert task.headline is not None
    assert set(task.headline.by_seed) == {1, 2}
    apart = {("none", 1, "xnli"): {"de": 1.0}, ("german", 2, "xnli"): {"de": 2.0}}
    found = contrast(table(apart))
    assert found.tasks[0].hole == "the two arms have no seed in common (german: 2; none: 1)"
    assert (found.figure, found.holm, found.seeds) == (None, None, 0)


def test_a_missing_arm_or_language_is_a_hole_and_not_a_zero() -> None:
    half = {run: languages for run, languages in PAIRED.items() if run[0] == "none"}
    assert contrast(table(half)).tasks[0].hole == "no result yet of german"
    less = {**PAIRED, ("german", 2, "xnli"): {"en": 80.0, "de": 62.0}}
    (task,) = contrast(table(less)).tasks
    assert task.missing == ("fr",)
    assert task.headline is not None
    assert task.headline.languages == ("de",)
    assert task.headline.by_seed == {1: 10.0, 2: 8.0}


def test_the_overall_difference_is_over_whole_tasks_and_common_seeds() -> None:
    more = {**PAIRED, **{(arm, seed, "panx"): {"de": 10.0 + (arm == "german")} for arm, seed, _ in PAIRED}}
    found = contrast(table(more))
    assert found.overall is not None
    assert found.overall.by_seed == {1: 3.5, 2: 4.0}  # (6 + 1) / 2, (7 + 1) / 2
    del more["german", 1, "panx"], more["german", 2, "panx"]
    assert contrast(table(more)).overall is None


def test_a_claim_counts_the_seeds_that_all_tasks_have() -> None:
    """Six seeds, a hole in each of two tasks: four are common."""
    values = {
        (arm, seed, task): {"fr": 10.0 * seed + (arm == "german") * (seed + (task == "panx"))}
        for arm in ("none", "german") for task, missing in (("xnli", 1), ("panx", 6))
        for seed in range(1, 7) if not (arm == "german" and seed == missing)
    }  # fmt: skip
    found = contrast(table(values))
    assert found.overall is not None
    assert set(found.overall.by_seed) == {2, 3, 4, 5}
    assert found.seeds == 4
    assert found.overall.by_seed[2] == 2.5
    assert (found.overall_iqm, found.overall_improvement) == (None, None)


def test_a_task_that_has_nothing_to_compare_is_left_out_and_not_waited_for() -> None:
    more = {**PAIRED, **{(arm, seed, "panx"): {"sw": 1.0, "en": 2.0} for arm, seed, _ in PAIRED}}
    found = contrast(table(more), named={"languages": ("fr",)})
    assert [(task.task, task.excluded) for task in found.tasks] == [("panx", True), ("xnli", False)]
    assert found.tasks[0].hole == "none of the contrast's languages is scored"
    assert found.overall is not None
    assert found.overall.by_seed == {1: 2.0, 2: 6.0}


def test_whose_intermediate_held_text_in_a_language_is_told_apart() -> None:
    runs = {(arm, seed, task): PAIRED["german" if arm == "german" else "none", seed, task]
            for arm in ("german", "french") for _, seed, task in PAIRED}  # fmt: skip
    (task,) = contrast(table(runs), against="french").tasks
    assert {kind: figure.languages for kind, figure in task.by_kind.items()} == {
        "seen": ("de",), "seen-by-baseline": ("fr",), "english": ("en",),
    }  # fmt: skip
    same = {(arm, seed, task): PAIRED["none", seed, task] for arm in ("german", "english") for _, seed, task in PAIRED}
    trained = {**TRAINED_IN, "english": ("en", "de")}
    named = [{"name": "c", "arm": "german", "against": "english", "tasks": (), "languages": ()}]
    (both,) = compare(named, table(same), models=["tiny"], tasks=["xnli"], trained_in=trained)
    assert both.tasks[0].by_kind["seen-by-both"].languages == ("de",)


def test_kinds_and_retrieval_have_figures_over_all_tasks() -> None:
    more = {**PAIRED, **{(arm, seed, "tatoeba"): {"fr": 30.0 * (arm == "german")} for arm, seed, _ in PAIRED}}
    found = contrast(table(more))
    assert found.overall is not None
    assert found.overall.by_seed == {1: 18.0, 2: 18.5}
    assert found.without_retrieval is not None
    assert found.without_retrieval.by_seed == {1: 6.0, 2: 7.0}
    assert {kind: figure.value for kind, figure in found.overall_by_kind.items()} == {"seen": 9.0, "unseen": 4.0}
    assert contrast(table(PAIRED)).without_retrieval is None


def test_contrasts_without_a_result_yet_count_for_holm() -> None:
    """A report over some of the results claims nothing that the whole one might not."""
    named = [
        {"name": arm, "arm": arm, "against": "none", "tasks": (), "languages": ()} for arm in ("german", "english")
    ]
    here, missing = compare(named, table(PAIRED), models=["tiny"], tasks=["xnli"], trained_in=TRAINED_IN)
    assert here.figure is not None
    assert here.figure.p is not None
    assert here.holm == pytest.approx(2 * here.figure.p)
    assert missing.holm is None


def test_an_arm_that_changes_nothing_differs_by_exactly_nothing() -> None:
    same = {**PAIRED, **{("german", seed, task): PAIRED["none", seed, task] for arm, seed, task in PAIRED}}
    figure = contrast(table(same)).figure
    assert figure is not None
    assert (figure.value, figure.seeds, figure.p) == (0.0, (0.0, 0.0), 1.0)


def test_holm_corrects_for_the_named_contrasts_on_every_model_and_nothing_else() -> None:
    one, other = table(PAIRED), [{**score, "model": "large"} for score in table(PAIRED)]
    named = [{"name": "c", "arm": "german", "against": "none", "tasks": (), "languages": ()}]
    alone = compare(named, one, models=["tiny"], tasks=["xnli"], trained_in=TRAINED_IN)
    assert alone[0].holm == alone[0].tasks[0].headline.p  # type: ignore[union-attr]
    both = compare(named, one + other, models=["tiny", "large"], tasks=["xnli"], trained_in=TRAINED_IN)
    assert [result.holm for result in both] == pytest.approx([2 * alone[0].holm] * 2)  # type: ignore[operator]


def test_a_score_that_is_no_number_is_refused_with_its_place() -> None:
    broken = table({**PAIRED, ("german", 2, "xnli"): {"de": math.nan, "en": 1.0, "fr": 1.0}})
    with pytest.raises(UserError, match=r"holds nan for tiny german 2 xnli de accuracy \(stage german-2-xnl\)"):
        contrast(broken)
    with pytest.raises(UserError, match="'c' names no arm of the study: 'swahili'"):
        contrast(table(PAIRED), arm="swahili")


def test_degenerate_runs_of_the_two_arms_are_counted() -> None:
    runs = [
        {"model": "tiny", "intermediate": arm, "seed": 1, "task": "xnli", "languages": ["de"]}
        for arm in ("none", "english")
    ]
    assert contrast(table(PAIRED), degenerate=runs).degenerate == ("none seed 1 xnli (de)",)
    elsewhere = [{**runs[0], "seed": 9}, {**runs[0], "languages": ["en"]}, {**runs[0], "model": "large"}]
    assert contrast(table(PAIRED), degenerate=elsewhere).degenerate == ()


def test_retrieval_has_the_chosen_layer_beside_the_fixed_one() -> None:
    fixed = {(arm, 1, "tatoeba"): {"de": value} for arm, value in (("none", 10.0), ("german", 20.0))}
    chosen = [{**score, "checkpoint": "layer-oracle", "value": score["value"] * 2} for score in table(fixed)]
    (task,) = contrast(table(fixed) + chosen).tasks
    assert task.headline is not None
    assert task.chosen_layer is not None
    assert (task.headline.value, task.chosen_layer.value, task.layer_rule) == (10.0, 20.0, "oracle")


def test_a_contrast_across_two_models_is_about_one_of_them_and_pairs_their_seeds() -> None:
    def of(model: str, arm: str, values: Mapping[int, float]) -> list[Score]:
        found = table({(arm, seed, "xnli"): {"de": value} for seed, value in values.items()})
        return [{**one, "model": model} for one in found]

    scores = of("a", "mnli", {1: 60.0, 2: 62.0}) + of("b", "mnli", {1: 50.0, 3: 0.0}) + of("b", "none", {1: 40.0})
    named = {"name": "models", "arm": "mnli", "against": "mnli", "tasks": ["xnli"], "languages": []}
    across = {**named, "model": "a", "against_model": "b"}
    within = {**named, "name": "within", "against": "none"}
    (one, *others) = compare(
        [across, within], scores, models=["a", "b"], tasks=["xnli"], trained_in={"mnli": ["en"], "none": []}
    )
    assert (one.model, one.base, one.arm, one.against) == ("a", "b", "mnli of a", "mnli of b")
    assert one.figure is not None
    assert one.figure.by_seed == {1: 10.0}
    assert [(other.name, other.model) for other in others] == [("within", "a"), ("within", "b")]
    assert sentence(one, of_model=True).startswith(
        "1 seed is too few to say whether mnli of a differs from mnli of b ("
    )
