"""The intervals on made-up studies whose truth is known, thousands of them: how often they cover it.

Every tolerance is more than four standard errors of the simulation wide (for a share of 5 % over N studies,
sqrt(0.05 x 0.95 / N)), so that a right method does not fail by chance, and each run draws the same studies.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from xtl.scoring import resample
from xtl.scoring.resample import Comparison, item_noise
from xtl.scoring.run_items import Items
from xtl.scoring.seeds import paired_t

Floats = npt.NDArray[np.float64]
Runs = dict[tuple[str, int], dict[str, Items]]

EFFECT = 2.0  # points
SEEDS = [3, 5, 10]
SHARE = Comparison(arm="arm", against="none", seeds=(1, 2, 3))


def enough(studies: int, tolerance: float) -> bool:
    return tolerance > 4 * math.sqrt(0.05 * 0.95 / studies)


def differences(studies: int, seeds: int, *, seed_points: float, items: int, effect: float) -> Floats:
    """[studies, seeds] points of accuracy, arm minus baseline. A run's chance of being right is its study's, shifted by
    its own skill (standard deviation seed_points) and in the arm by the effect; what it answers is drawn."""
    rng = np.random.default_rng([seeds, items, int(10 * effect)])
    chance = rng.uniform(0.5, 0.7, (studies, 1))
    scores = []
    for shift in (effect, 0.0):
        skill = rng.normal(shift, seed_points, (studies, seeds)) / 100
        scores.append(100 * rng.binomial(items, chance + skill) / items)
    return scores[0] - scores[1]


#: What a difference's standard deviation is made of: 4.2 points of seeds and 1.0 of items, or 0.1 and 6.9.
NOISE = [
    pytest.param({"seed_points": 3.0, "items": 5000}, id="seeds-dominate"),
    pytest.param({"seed_points": 0.1, "items": 100}, id="items-dominate"),
]


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("noise", NOISE)
def test_without_an_effect_five_in_a_hundred_are_rejected(seeds: int, noise: dict[str, float]) -> None:
    studies = 20_000
    assert enough(studies, 0.01)
    _, p = paired_t(differences(studies, seeds, effect=0.0, **noise))
    assert 0.04 < np.mean(p <= 0.05) < 0.06


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("noise", NOISE)
def test_a_known_effect_is_covered(seeds: int, noise: dict[str, float]) -> None:
    studies = 20_000
    assert enough(studies, 0.02)
    found = differences(studies, seeds, effect=EFFECT, **noise)
    half, _ = paired_t(found)
    assert 0.93 < np.mean(np.abs(found.mean(axis=1) - EFFECT) <= half) < 0.97


@pytest.mark.parametrize(("seeds", "covered"), [(3, 0.75), (5, 0.84), (10, 0.90)])
def test_a_percentile_bootstrap_over_so_few_seeds_is_too_narrow(seeds: int, covered: float) -> None:
    """Why the interval over seeds is the t interval. Of three seeds' resamples one in 27 is thrice the same seed, so
    the interval reaches from the least difference to the greatest, and the truth is outside when all three lie on
    one side of it: 2 / 2^3."""
    rng = np.random.default_rng(seeds)
    found = differences(10_000, seeds, seed_points=3.0, items=5000, effect=EFFECT)
    means = found @ (rng.multinomial(seeds, np.full(seeds, 1 / seeds), 1000).T / seeds)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert np.mean((low <= EFFECT) & (high >= EFFECT)) == pytest.approx(covered, abs=0.02)


@pytest.mark.slow
def test_seeds_and_items_drawn_in_one_bootstrap_are_too_narrow_too() -> None:
    """The hierarchical percentile bootstrap: three seeds are drawn, then the test items. Seeds dominate. 79 % here."""
    studies, items, resamples = 2000, 400, 400
    rng = np.random.default_rng(0)
    counts = np.empty((resamples, items))
    covered = 0
    for _ in range(studies):
        luck = rng.random(items)  # of an item, for both arms: outcomes differ where the arms' chances do
        chance = 0.6 + rng.normal(EFFECT / 100, 0.04, (3, 1))
        gains = 100.0 * ((luck < chance).astype(int) - (luck < 0.6))
        resample._multinomial(counts, rng)
        means = np.take_along_axis(counts @ gains.T / items, rng.integers(0, 3, (resamples, 3)), axis=1).mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        covered += low <= EFFECT <= high
    assert covered / studies == pytest.approx(0.79, abs=0.04)


def accuracy(studies: int, items: int, rng: np.random.Generator) -> tuple[Runs, Floats]:
    """Runs of as many test sets ("languages"), and by test set what the difference is on all items there could be: an
    item's chance is its own, uniform about 0.6, plus the run's skill."""
    chance = rng.uniform(0.35, 0.85, (studies, items))
    runs: Runs = {}
    truth = np.zeros(studies)
    for arm, seed in SHARE.runs:
        skill = rng.normal(0.02 if arm == "arm" else 0.0, 0.03, studies).clip(-0.1, 0.1)
        right = rng.random((studies, items)) < chance + skill[:, None]
        runs[arm, seed] = test_sets({"correct": right})
        truth += (1 if arm == "arm" else -1) * skill * 100 / len(SHARE.seeds)
    return runs, truth


def micro_f1(studies: int, items: int, rng: np.random.Generator) -> tuple[Runs, Floats]:
    """The same of sentences: 1 + Poisson(1.5) gold spans, found with the sentence's own chance, and Poisson spans that
    are none. The truth is F1 of the expected counts."""
    gold = 1 + rng.poisson(1.5, (studies, items))
    hard = rng.choice([-0.15, 0.15], (studies, items))
    runs: Runs = {}
    truth = np.zeros(studies)
    for arm, seed in SHARE.runs:
        recall = rng.normal(0.64 if arm == "arm" else 0.6, 0.03, studies).clip(0.5, 0.75)
        spurious = rng.uniform(0.4, 0.8, studies)
        correct = rng.binomial(gold, recall[:, None] + hard)
        predicted = correct + rng.poisson(spurious[:, None], (studies, items))
        runs[arm, seed] = test_sets({"n_correct": correct, "n_predicted": predicted, "n_gold": gold})
        f1 = 2 * 2.5 * recall / (2.5 * recall + spurious + 2.5)
        truth += (1 if arm == "arm" else -1) * f1 * 100 / len(SHARE.seeds)
    return runs, truth


def test_sets(columns: dict[str, npt.NDArray]) -> dict[str, Items]:
    """[test sets, items] columns, each test set under a name of its own."""
    count, items = next(iter(columns.values())).shape
    ids = np.array([str(place) for place in range(items)], dtype=object)
    return {str(at): Items(ids=ids, columns={name: part[at] for name, part in columns.items()}) for at in range(count)}


test_sets.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "made_up"), [("tatoeba", accuracy), ("panx", micro_f1)])
def test_the_item_interval_covers_the_truth_with_the_seeds_fixed(
    task: str, made_up: Callable[[int, int, np.random.Generator], tuple[Runs, Floats]]
) -> None:
    studies = 3000
    assert enough(studies, 0.02)
    runs, truth = made_up(studies, 400, np.random.default_rng(1))
    found = item_noise(task, runs, {"c": SHARE}, resamples=1000)["c"]
    ends = [found.interval([language]) for language in found.languages]
    covered = np.mean([one.low <= true <= one.high for one, true in zip(ends, truth, strict=True)])
    assert 0.93 < covered < 0.97


@pytest.mark.slow
def test_a_mean_over_parallel_languages_is_covered_when_they_are_drawn_together() -> None:
    """What the arm gains hangs on the item, in every language alike. Drawn apart, the interval is far too narrow."""
    studies, apart = 2000, 300
    assert enough(studies, 0.02)
    rng = np.random.default_rng(2)
    one = Comparison(arm="arm", against="none", seeds=(1,))
    covered = {"xnli": 0, "tatoeba": 0}
    for study in range(studies):
        chance, gain = rng.uniform(0.3, 0.6, 200), rng.choice([-0.26, 0.3], 200)
        runs = {
            (arm, 1): test_sets({"correct": rng.random((12, 200)) < chance + extra})
            for arm, extra in (("arm", gain), ("none", 0.0))
        }
        for task in covered if study < apart else ("xnli",):
            found = item_noise(task, runs, {"c": one}, resamples=400)["c"].interval()
            covered[task] += found.low <= EFFECT <= found.high
    assert 0.93 < covered["xnli"] / studies < 0.97
    assert covered["tatoeba"] / apart < 0.85
