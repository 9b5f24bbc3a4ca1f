"""Seed noise: would the difference stand if everything were trained again? Paired differences, one a seed.

An arm and its baseline are compared at the same seed, and the differences are what is analysed. Their interval is the
paired t interval. A percentile bootstrap over so few seeds is too narrow: where it should cover the truth 95 times in a
hundred, it does 75 times with three seeds, 84 with five, 90 with ten, and drawing the test items too hardly mends it
(tests/unit/test_stats_simulated.py; the t interval: 95 with each). It covers what a new seed changes (heads, order of
examples, dropout, the sample of a capped task) on *these* test items in *these* languages; what other test items would
change is in `resample.py`, and the two intervals stand side by side, never in one. The t test takes differences to be
near normal. The sign-flip test takes only that a difference is as likely to be negative as positive where the arm does
nothing, and pays for it: two-sided, n seeds never give less than 2 / 2^n, so three seeds 0.25, four 0.125, five 0.0625
(0.031 one-sided, for a direction named before the run), six 0.031. Everything here is two-sided: a contrast in a grid
names no direction.

Differences are in percentage points throughout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtl.errors import UserError
from xtl.scoring.claims import LEVEL
from xtl.scoring.counts import mean

Floats = npt.NDArray[np.float64]

#: Differences that are nearer than this are equal, in points: float rounding, far below one item of any test set.
ROUNDING = 1e-9
#: The sign-flip test looks at all 2^n signs, up to this n.
MOST_FLIPPED = 20


@dataclass(frozen=True, kw_only=True)
class SeedNoise:
    """One comparison over its seeds, in percentage points.

    differences: arm minus baseline, by seed. low, high: the paired t interval at `level`; None for one seed. p: of the
    two-sided paired t test; 1 for one seed. sign_flip_p: two-sided and exact; None above 20 seeds.
    """

    differences: Mapping[int, float]
    mean: float
    low: float | None
    high: float | None
    p: float
    sign_flip_p: float | None
    level: float = LEVEL


def seed_noise(differences: Mapping[int, float], *, of: str, level: float = LEVEL) -> SeedNoise:
    """The t interval and both tests of paired differences by seed. `of` names the comparison in errors.

    All differences zero: the interval is [0, 0] and p is 1. All equal but not zero (a coarse test set, or stages that
    the seed hardly changes): the interval has no width, and p is the sign-flip test's, for t does not exist. Raises
    UserError for no differences, and for one that is no finite number.
    """
    if not differences:
        raise UserError(f"{of}: no differences: the arms have no seed in common")
    for seed, value in differences.items():
        if not math.isfinite(value):
            raise UserError(
                f"{of}, seed {seed}: the difference is {value}: run that seed's stages again, or leave it out"
            )
    values = np.array(list(differences.values()), dtype=np.float64)
    middle, low, high, p = mean(differences.values()), None, None, 1.0
    if len(values) > 1:
        half, p = (float(figure) for figure in paired_t(values, level=level))
        low, high = middle - half, middle + half
    flipped = sign_flip(values) if len(values) <= MOST_FLIPPED else None
    return SeedNoise(
        differences=dict(differences), mean=middle, low=low, high=high, p=p, sign_flip_p=flipped, level=level
    )


def paired_t(differences: npt.ArrayLike, *, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Half width of the interval about the mean, and two-sided p, along the last axis.

    differences: [..., seeds] points, at least two seeds. Student's t with seeds - 1 degrees of freedom.
    """
    from scipy.special import stdtr, stdtrit

    values = np.asarray(differences, dtype=np.float64)
    seeds = values.shape[-1]
    middle, spread = values.mean(axis=-1), values.std(axis=-1, ddof=1)
    flat = spread < ROUNDING
    error = np.where(flat, 1.0, spread) / math.sqrt(seeds)
    p = 2 * stdtr(seeds - 1, -np.abs(middle) / error)
    without_t = np.where(np.abs(middle) < ROUNDING, 1.0, smallest_p(seeds))
    half = stdtrit(seeds - 1, (1 + level) / 2) * error
    return np.where(flat, 0.0, half), np.where(flat, without_t, p)


def sign_flip(differences: npt.ArrayLike) -> float:
    """Two-sided p of the exact sign-flip test: the share of all 2^n sign patterns whose sum lies at least as far from
    zero as the one seen. differences: [seeds], at most 20 of them (Fisher 1935, The Design of Experiments, 21)."""
    first, *rest = np.asarray(differences, dtype=np.float64)
    if len(rest) >= MOST_FLIPPED:
        raise ValueError(f"{len(rest) + 1} differences: all signs are tried for at most {MOST_FLIPPED}")
    sums = np.array([first])  # The first keeps its sign: the other half of the patterns mirrors these.
    for value in rest:
        sums = np.concatenate([sums + value, sums - value])
    return float(np.mean(np.abs(sums) >= np.abs(sums[0]) - ROUNDING))


def smallest_p(seeds: int) -> float:
    """The least that a two-sided sign-flip test of so many differences can give; 1 for one."""
    return 2.0 / 2**seeds
