"""Summaries beside the mean, and Holm's correction over the contrasts that a grid names.

Interquartile mean and probability of improvement are those of Agarwal et al. 2021 (2108.13264), as the authors' package
`rliable` computes them. Neither sees that runs are paired by seed, nor how certain it is: they stand beside the paired
differences of `seeds.py`, which carry the claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from xtl.errors import UserError


def interquartile_mean(values: npt.ArrayLike | Iterable[float]) -> float:
    """The mean of the middle half: a quarter of the values, rounded down, is dropped at each end.

    values: of any shape (runs x languages), taken as one list. Below four values it is the mean. Raises UserError for
    none, and for one that is no finite number.
    """
    from scipy.stats import trim_mean

    return float(trim_mean(_checked(values, "interquartile mean"), 0.25, axis=None))


def probability_of_improvement(arm: npt.ArrayLike, against: npt.ArrayLike) -> float:
    """How often a run of the arm beats a run of the baseline, ties counting half, averaged over columns; 0 to 1.

    arm, against: [runs, languages or tasks] scores; the numbers of runs may differ. Every run meets every other: it is
    the Mann-Whitney U over the number of pairs, so that runs are not paired by seed. Raises UserError for no runs, for
    other columns on one side, and for a score that is no finite number.
    """
    left, right = (_checked(side, "probability of improvement") for side in (arm, against))
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise UserError(f"probability of improvement: runs x columns on both sides, not {left.shape} and {right.shape}")
    ours, theirs = left[:, None, :], right[None, :, :]
    return float(np.mean((ours > theirs) + 0.5 * (ours == theirs)))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p values by name, in the order given, for all contrasts that the grid names and no others.

    Step down: the smallest p is multiplied by their number, the next by one less, and so on; none falls below the one
    before it, none exceeds 1 (Holm 1979). The chance that any of them is a false alarm then stays below the level
    chosen. Raises UserError for a p that is no number from 0 to 1.
    """
    for name, p in p_values.items():
        if not 0 <= p <= 1:
            raise UserError(f"contrast {name}: its p value is {p}")
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda one: p_values[one])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def _checked(values: npt.ArrayLike | Iterable[float], of: str) -> npt.NDArray[np.float64]:
    array = np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=np.float64)  # type: ignore[arg-type]
    if not array.size:
        raise UserError(f"{of}: no scores")
    if not np.isfinite(array).all():
        raise UserError(f"{of}: a score is {array[~np.isfinite(array)][0]}: run that stage again, or leave it out")
    return array
