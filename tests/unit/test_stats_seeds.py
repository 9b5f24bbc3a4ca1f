"""Paired differences over seeds: intervals and p values beside scipy's and beside all signs written out; what is no
number or has holes is named."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from xtl.errors import UserError
from xtl.scoring.claims import ENOUGH
from xtl.scoring.seeds import over, paired, seed_noise, sign_flip, smallest_p
from xtl.scoring.summaries import interquartile_mean

ARM = {1: 71.3, 2: 70.1, 3: 73.9, 4: 70.7, 5: 72.2}
AGAINST = {1: 70.4, 2: 70.6, 3: 71.0, 4: 69.9, 5: 70.8}


def by_seed(values: list[float]) -> dict[int, float]:
    return dict(enumerate(values, start=1))


@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 25])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_and_p_are_those_of_the_paired_t_test(seeds: int, level: float) -> None:
    rng = np.random.default_rng(seeds)
    arm, against = rng.normal(71, 2, seeds), rng.normal(70, 2, seeds)
    peer = stats.ttest_rel(arm, against)
    found = seed_noise(paired(by_seed(arm.tolist()), by_seed(against.tolist()), of="c"), of="c", level=level)
    assert found.mean == pytest.approx(np.mean(arm - against), abs=1e-12)
    assert found.p == pytest.approx(peer.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx(tuple(peer.confidence_interval(level)), rel=1e-9)
    assert (found.seeds, found.level) == (seeds, level)


@pytest.mark.parametrize("seeds", [1, 2, 3, 5, 8, 12])
def test_all_signs_are_tried(seeds: int) -> None:
    values = np.random.default_rng(seeds).normal(0.5, 1, seeds).round(1)
    sums = [abs(np.dot(signs, values)) for signs in itertools.product((1, -1), repeat=seeds)]
    expected = np.mean([one >= abs(values.sum()) - 1e-9 for one in sums])
    assert sign_flip(values) == expected
    assert sign_flip(-values) == expected


@pytest.mark.parametrize(("seeds", "least"), [(1, 1.0), (2, 0.5), (3, 0.25), (4, 0.125), (5, 0.0625), (6, 0.03125)])
def test_the_least_p_that_so_many_seeds_can_give(seeds: int, least: float) -> None:
    """Two-sided. Below five seeds one side alone does not reach 0.05 either; five reach it on one side only."""
    found = seed_noise(by_seed([float(value) for value in range(1, seeds + 1)]), of="c")
    assert found.sign_flip_p == found.smallest_p == smallest_p(seeds) == least
    assert (least / 2 <= 0.05) == (seeds >= ENOUGH)
    assert (found.caution is None) == (seeds >= ENOUGH)


def test_too_few_seeds_are_told_in_a_sentence() -> None:
    assert seed_noise(by_seed([1.0, 2.0, 3.0]), of="c").caution == (
        "3 seeds: too few to claim a difference: a sign-flip test cannot give less than 0.25."
    )
    assert "no interval" in (seed_noise({7: 1.5}, of="c").caution or "")


def test_one_seed_has_no_interval() -> None:
    found = seed_noise({7: 1.5}, of="c")
    assert (found.mean, found.low, found.high, found.p, found.sign_flip_p) == (1.5, None, None, 1.0, 1.0)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_an_arm_that_changes_nothing(seeds: int) -> None:
    scores = {seed: ARM[seed] for seed in range(1, seeds + 1)}
    found = seed_noise(paired(scores, scores, of="null"), of="null")
    assert (found.mean, found.low, found.high, found.p, found.sign_flip_p) == (0, 0, 0, 1, 1)


def test_equal_differences_have_no_t_and_take_the_sign_flip_p() -> None:
    """Five times two points, but for rounding: that is no proof at p = 0."""
    found = seed_noise(paired({s: 0.1 * s + 2.0 for s in ARM}, {s: 0.1 * s for s in ARM}, of="c"), of="c")
    assert (found.low, found.high) == pytest.approx((2.0, 2.0))
    assert found.p == found.sign_flip_p == 0.0625


def test_above_twenty_seeds_the_t_test_stands_alone() -> None:
    values = np.random.default_rng(0).normal(1, 1, 21).tolist()
    assert seed_noise(by_seed(values), of="c").sign_flip_p is None
    assert seed_noise(by_seed(values[:20]), of="c").sign_flip_p == pytest.approx(
        stats.permutation_test(
            (values[:20],), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(1)
        ).pvalue,
        abs=0.01,
    )
    with pytest.raises(ValueError, match="21 differences"):
        sign_flip(values)


def test_differences_are_paired_by_seed_and_averaged_at_each() -> None:
    differences = paired(ARM, dict(reversed(AGAINST.items())), of="c")
    assert list(differences) == [1, 2, 3, 4, 5]
    assert differences == pytest.approx({1: 0.9, 2: -0.5, 3: 2.9, 4: 0.8, 5: 1.4})
    languages = {language: {1: float(place), 2: place * 2.0} for place, language in enumerate("abcd")}
    languages["d"] = {1: 103.0, 2: 106.0}
    assert over(languages, of="c") == {1: 26.5, 2: 28.0}
    assert over(languages, of="c", summary=interquartile_mean) == {1: 1.5, 2: 3.0}


def test_holes_and_what_is_no_number_are_named() -> None:
    with pytest.raises(UserError, match=r"xnli de: a score is missing for seed 4 \(baseline\), 6 \(arm\)"):
        paired({1: 1.0, 4: 1.0}, {1: 1.0, 6: 1.0}, of="xnli de")
    with pytest.raises(UserError, match="xnli de: no scores"):
        paired({}, {}, of="xnli de")
    with pytest.raises(UserError, match="xnli de, seed 2: the baseline's score is nan"):
        paired({2: 1.0}, {2: math.nan}, of="xnli de")
    with pytest.raises(UserError, match="xnli: fr has no difference for seed 2"):
        over({"de": {1: 1.0, 2: 1.0}, "fr": {1: 1.0}}, of="xnli")
    with pytest.raises(UserError, match="xnli: nothing to average"):
        over({}, of="xnli")
    with pytest.raises(UserError, match="xnli, seed 2: the difference is inf"):
        seed_noise({1: 1.0, 2: math.inf}, of="xnli")
    with pytest.raises(UserError, match="xnli: no differences"):
        seed_noise({}, of="xnli")
