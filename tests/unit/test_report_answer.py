"""The answer's sentences, from fixed scores: what is claimed, what is not, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from xtl.report.answer import answer, claimed
from xtl.report.contrasts import compare
from xtl.report.differences import ContrastResult, with_seeds
from xtl.scoring.table import Score

TRAINED_IN = {"none": (), "english": ("en",), "german": ("de",), "null": ("en",)}
EVENLY = (0.0, 0.1, -0.1, 0.2, -0.2)  # what seeds add, so that intervals have a width


def table(gains: Mapping[str, Mapping[str, float]], seeds: int = 5, own: Sequence[str] = ()) -> list[Score]:
    """Of `none` 50 in every language; of `german` as much and its gain by task and language. own: languages in which it
    trained the task itself."""
    return [
        {
            "model": "m", "intermediate": arm, "seed": seed, "task": task, "language": language,
            "metric": "accuracy" if task in ("xnli", "pawsx", "tatoeba") else "f1", "checkpoint": "last",
            "value": 50.0 + (gain + EVENLY[seed] if arm == "german" else 0.0), "n": 100, "split": "test",
            "zero_shot": language != "en" and not (arm == "german" and language in own), "stage": "s",
        }
        for task, languages in gains.items() for language, gain in languages.items()
        for arm in ("none", "german", "null") for seed in range(seeds)
    ]  # fmt: skip


def results(scores: list[Score], **named: Any) -> tuple[ContrastResult, ...]:
    one = {"name": "c", "arm": "german", "against": "none", "tasks": (), "languages": (), **named}
    tasks = list(dict.fromkeys(score["task"] for score in scores))
    return compare([one], scores, models=["m"], tasks=tasks, trained_in=TRAINED_IN)


def first(scores: list[Score], **named: Any) -> str:
    return answer(results(scores, **named)).first


XNLI = {"xnli": {"de": 6.0, "fr": 2.0}}


def test_a_difference_that_five_seeds_show_is_claimed_with_its_interval() -> None:
    # mean 4; t(0.975, 4 degrees) = 2.776 times the standard error of (0, 0.1, -0.1, 0.2, -0.2), 0.0707
    assert first(table(XNLI)) == (
        "german beats none by 4.0 points (95 % interval +3.8 to +4.2 over 5 seeds), on xnli in 2 languages other than "
        "English (de fr). Apart: +6.0 [+5.8, +6.2] in de (seen in its intermediate), +2.0 [+1.8, +2.2] in fr (not "
        "seen)."
    )


def test_a_loss_is_told_as_one() -> None:
    assert first(table({"xnli": {"fr": -3.0}})).startswith("german falls 3.0 points behind none (95 % interval -3.2 to")


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_with_fewer_than_five_seeds_nothing_is_claimed_however_large(seeds: int) -> None:
    found = results(table({"xnli": {"fr": 30.0}}, seeds))
    assert not claimed(found[0])
    said = answer(found)
    assert said.first.startswith(
        f"{seeds} seeds are too few to say whether german differs from none (5 are needed): +30"
    )
    assert "beats" not in said.first
    assert said.cautions[0] == (
        f"Too few seeds to claim anything: c ({seeds}). Below five no sign-flip test can reach 0.05 (three seeds give "
        "0.25 at best)."
    )


def test_one_seed_has_no_interval() -> None:
    said = first(table({"xnli": {"fr": 30.0}}, 1))
    assert said == (
        "1 seed is too few to say whether german differs from none (5 are needed): +30.0 points (1 seed), on xnli in 1 "
        "language other than English (fr)."
    )


def test_a_difference_within_the_noise_is_not_claimed() -> None:
    said = first(table({"xnli": {"fr": 0.05}}))
    assert said.startswith("german shows no sure difference from none: +0.1 points (95 % interval -0.1 to +0.2 over 5")
    assert "; Holm-corrected p 0.519), on xnli" in said


def test_an_arm_that_is_the_baseline_shows_no_difference() -> None:
    said = first(table(XNLI), arm="null")
    assert said == (
        "null shows no difference from none: every paired difference is exactly 0 (5 seeds), on xnli in 2 languages "
        "other than English (de fr)."
    )


def test_other_contrasts_can_take_a_claim_away() -> None:
    """Alone it would stand; Holm's correction for twenty does not let it."""
    noisy = with_seeds({seed: 1.0 + 4 * noise for seed, noise in enumerate(EVENLY)}, ("fr",))
    (one,) = results(table({"xnli": {"fr": 1.0}}))
    one = replace(one, tasks=(replace(one.tasks[0], headline=noisy),))
    assert noisy.p is not None
    assert noisy.p < 0.05
    assert claimed(replace(one, holm=noisy.p))
    assert not claimed(replace(one, holm=min(1.0, 20 * noisy.p)))


def test_test_items_that_might_not_show_it_are_told() -> None:
    (one,) = results(table({"xnli": {"fr": 4.0}}))
    headline = one.tasks[0].headline
    assert headline is not None
    unsure = replace(one, tasks=(replace(one.tasks[0], headline=replace(headline, items=(-0.5, 8.5))),))
    said = answer([unsure]).first
    assert "; -0.5 to +8.5 over test items)" in said
    assert said.startswith("german is 4.0 points ahead of none (95 %"), "and does not beat it"
    assert said.endswith("Other test items might not show it: that interval includes 0.")


def test_over_many_tasks_the_most_and_the_least_are_named_and_retrieval_is_taken_out() -> None:
    gains = {"xnli": {"fr": 1.0}, "pawsx": {"fr": -1.0}, "panx": {"fr": 2.0}, "tatoeba": {"fr": 30.0}}
    said = first(table(gains))
    assert said.startswith("german beats none by 8.0 points")
    assert "on average over 4 tasks (xnli pawsx panx tatoeba) in 1 language other than English (fr)." in said
    assert said.endswith(
        "By task: xnli +1.0 [+0.8, +1.2], pawsx -1.0 [-1.2, -0.8], panx +2.0 [+1.8, +2.2], tatoeba +30.0 [+29.8, "
        "+30.2]. Without retrieval: +0.7 [+0.5, +0.9]."
    )
    more = first(table({**gains, "udpos": {"fr": 0.5}}))
    assert "4 of 5 tasks gain: most tatoeba +30.0 [+29.8, +30.2], least pawsx -1.0 [-1.2, -0.8]." in more


def test_seen_and_unseen_are_told_apart_over_the_tasks_that_have_both() -> None:
    both = {"de": 6.0, "fr": 2.0}
    said = first(table({"xnli": both, "pawsx": {"de": 4.0, "fr": 0.0}, "panx": {"fr": 1.0}}))
    assert said.endswith(
        "Apart, over the tasks that have several kinds: +5.0 [+4.8, +5.2] in de (seen in its intermediate), +1.0 "
        "[+0.8, +1.2] in fr (not seen)."
    )
    assert "all seen in its intermediate" in first(table({"xnli": {"de": 6.0}}))


def test_what_is_not_zero_shot_is_left_out_and_said() -> None:
    said = answer(results(table(XNLI, own=["de"])))
    assert said.first.startswith("german beats none by 2.0 points")
    assert "in 1 language other than English (fr)" in said.first
    assert said.cautions == (
        "Not zero-shot, for the intermediate trained this very task in them, so left out of the differences and shown "
        "apart: xnli in de (c).",
    )


def test_without_a_result_there_is_no_answer_and_it_says_why() -> None:
    scores = [score for score in table({**XNLI, "panx": {"fr": 1.0}}) if (score["task"], score["intermediate"]) != (
        "panx", "german")]  # fmt: skip
    said = answer(results(scores))
    assert (
        said.first
        == "c: german against none: no answer yet (panx: no result yet of german). By task: xnli +4.0 [+3.8, +4.2]."
    )
    assert said.cautions == (
        "Not all results are there for c: what is missing is shown as missing, and no average is taken over it.",
    )
    lone = [score for score in table(XNLI) if (score["intermediate"] == "none") == (score["seed"] < 2)]
    assert "no seed in common (german: 2 3 4; none: 0 1)" in answer(results(lone)).first


def test_the_setting_and_degenerate_runs_are_cautions() -> None:
    stuck = [{"model": "m", "intermediate": "none", "seed": n, "task": "xnli", "languages": ["fr"]} for n in range(5)]
    one = {"name": "c", "arm": "german", "against": "none", "tasks": (), "languages": ()}
    found = compare([one], table(XNLI), models=["m"], tasks=["xnli"], trained_in=TRAINED_IN, degenerate=stuck)
    said = answer(found, "translate-train")
    assert said.cautions[0].startswith("The setting is translate-train")
    assert said.cautions[1].startswith("5 degenerate runs (one class predicted for everything), kept in the averages: ")
    assert said.cautions[1].endswith("none seed 3 xnli (fr); and 1 more.")


def test_a_grid_without_contrasts_asks_nothing() -> None:
    said = answer([])
    assert (said.first, said.sentences) == (
        "The grid names no contrast, so there is nothing to answer: add `contrasts`.",
        (),
    )


def test_a_contrast_is_over_the_tasks_that_have_its_languages() -> None:
    """Swahili is in XNLI and not in PAWS-X, so that nothing is missing there."""
    found = results(table({"xnli": {"sw": 1.0, "fr": 9.0}, "pawsx": {"fr": 1.0}}), languages=("sw",))
    assert [task.task for task in found[0].tasks] == ["xnli"]
    assert found[0].tasks[0].missing == ()
    several = results(table({"xnli": {"sw": 1.0, "fr": 9.0}, "pawsx": {"fr": 1.0}}), languages=("fr", "sw"))
    assert [(task.task, task.missing) for task in several[0].tasks] == [("xnli", ()), ("pawsx", ())]


def test_equal_means_of_unequal_languages_are_not_nothing() -> None:
    """+2 and -2 at every seed: the mean is exactly 0, and the arm is not the baseline."""
    scores = [{**score, "value": round(score["value"])} for score in table({"xnli": {"de": 2.0, "fr": -2.0}})]
    said = first(scores)
    assert "exactly 0" not in said
    assert said.startswith("german shows no sure difference from none: +0.0 points")


def test_a_claim_over_degenerate_runs_says_so() -> None:
    runs = [
        {"model": "m", "intermediate": "none", "seed": seed, "task": "xnli", "languages": ["fr"]} for seed in (1, 2)
    ]
    one = {"name": "c", "arm": "german", "against": "none", "tasks": (), "languages": ()}
    found = compare([one], table(XNLI), models=["m"], tasks=["xnli"], trained_in=TRAINED_IN, degenerate=runs)
    assert "With care: 2 runs behind it predict one class for everything." in answer(found).first


def test_a_task_with_nothing_to_compare_is_told_and_not_waited_for() -> None:
    said = answer(results(table({**XNLI, "panx": {"sw": 1.0}}), languages=("fr",)))
    assert said.first.startswith("german beats none by 2.0 points")
    assert "Nothing to compare, so left out: panx (c: none of the contrast's languages is scored)." in said.cautions


def test_a_language_that_was_asked_for_and_is_not_there_is_told() -> None:
    said = answer(results(table(XNLI), languages=("fr", "zh")))
    assert "in 1 language other than English (fr)" in said.first
    assert "Not compared, for one arm or both lack them: xnli zh (c)." in said.cautions
