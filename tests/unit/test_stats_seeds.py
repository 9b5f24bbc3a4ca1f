"""Paired differences over seeds: intervals and p values beside scipy's and beside all signs written out; what is no
number or has holes is named."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from xtl.errors import UserError
from xtl.scoring.claims import ENOUGH, too_few
from xtl.scoring.seeds import seed_noise, sign_flip, smallest_p


def by_seed(values: list[float]) -> dict[int, float]:
    return dict(enumerate(values, start=1))


@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 25])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_and_p_are_those_of_the_paired_t_test(seeds: int, level: float) -> None:
    rng = np.random.default_rng(seeds)
    arm, against = rng.normal(71, 2, seeds), rng.normal(70, 2, seeds)
    peer = stats.ttest_rel(arm, against)
    found = seed_noise(by_seed((arm - against).tolist()), of="c", level=level)
    assert found.mean == pytest.approx(np.mean(arm - against), abs=1e-12)
    assert found.p == pytest.approx(peer.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx(tuple(peer.confidence_interval(level)), rel=1e-9)
    assert (len(found.differences), found.level) == (seeds, level)


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
    assert found.sign_flip_p == smallest_p(seeds) == least
    assert (least / 2 <= 0.05) == (seeds >= ENOUGH) == (too_few(seeds) == "")


def test_too_few_seeds_are_told_in_one_sentence() -> None:
    assert too_few(3) == "3 seeds are too few to claim a difference: below five no sign-flip test can reach 0.05."
    assert too_few(1).startswith("1 seed is too few")


def test_one_seed_has_no_interval() -> None:
    found = seed_noise({7: 1.5}, of="c")
    assert (found.mean, found.low, found.high, found.p, found.sign_flip_p) == (1.5, None, None, 1.0, 1.0)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_an_arm_that_changes_nothing(seeds: int) -> None:
    found = seed_noise(by_seed([0.0] * seeds), of="null")
    assert (found.mean, found.low, found.high, found.p, found.sign_flip_p) == (0, 0, 0, 1, 1)


def test_equal_differences_have_no_t_and_take_the_sign_flip_p() -> None:
    """Five times two points, but for rounding: that is no proof at p = 0."""
    found = seed_noise({s: 0.1 * s + 2.0 - 0.1 * s for s in range(1, 6)}, of="c")
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


def test_no_differences_and_what_is_no_number_are_named() -> None:
    with pytest.raises(UserError, match="xnli, seed 2: the difference is inf"):
        seed_noise({1: 1.0, 2: math.inf}, of="xnli")
    with pytest.raises(UserError, match="xnli: no differences"):
        seed_noise({}, of="xnli")
