"""Interquartile mean, probability of improvement and Holm's correction, beside definitions written out."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl.errors import UserError
from xtl.scoring.summaries import holm, interquartile_mean, probability_of_improvement


def middle_half(scores: np.ndarray) -> float:
    """The 25 % trimmed mean of all runs and tasks: rliable's `aggregate_iqm`, by hand."""
    ranked = sorted(scores.ravel().tolist())
    cut = len(ranked) // 4
    kept = ranked[cut : len(ranked) - cut]
    return math.fsum(kept) / len(kept)


def mean_u(arm: np.ndarray, against: np.ndarray) -> float:
    """The Mann-Whitney U of each task from its ranks, over the number of pairs, averaged over tasks: rliable's
    `probability_of_improvement`, by hand."""
    found = []
    for ours, theirs in zip(arm.T.tolist(), against.T.tolist(), strict=True):
        everyone = ours + theirs
        ranks = [sum(y < x for y in everyone) + (sum(y == x for y in everyone) + 1) / 2 for x in ours]
        u = math.fsum(ranks) - len(ours) * (len(ours) + 1) / 2
        found.append(u / (len(ours) * len(theirs)))
    return math.fsum(found) / len(found)


def peers(name: str, written: Callable[..., float]) -> list[Callable[..., Any]]:
    """The definition, and rliable itself where it is installed (its pins keep it out of the test extra)."""
    if importlib.util.find_spec("rliable") is None:
        return [written]
    return [written, getattr(importlib.import_module("rliable.metrics"), name)]


RUNS = [(1, 1), (3, 1), (3, 15), (5, 7), (5, 40), (10, 2)]


@pytest.mark.parametrize(("runs", "tasks"), RUNS)
@pytest.mark.parametrize("ties", [False, True])
def test_both_equal_rliable(runs: int, tasks: int, ties: bool) -> None:
    rng = np.random.default_rng([runs, tasks])
    arm, against = rng.normal(70, 3, (runs, tasks)), rng.normal(69, 3, (runs + 2, tasks))
    if ties:
        arm, against = arm.round(), against.round()
    for peer in peers("aggregate_iqm", middle_half):
        assert interquartile_mean(arm) == pytest.approx(peer(arm), abs=1e-12)
    for peer in peers("probability_of_improvement", mean_u):
        assert probability_of_improvement(arm, against) == pytest.approx(peer(arm, against), abs=1e-12)
        assert probability_of_improvement(arm, arm) == pytest.approx(peer(arm, arm), abs=1e-12)


def test_one_wild_language_moves_the_mean_and_not_the_middle_half() -> None:
    assert interquartile_mean([1.0, 2.0, 3.0, 4.0]) == 2.5
    assert interquartile_mean([1.0, 2.0, 3.0, 400.0]) == 2.5
    assert interquartile_mean([1.0, 5.0]) == 3.0
    assert interquartile_mean([[1.0, 2.0], [3.0, 400.0]]) == 2.5


def test_an_arm_that_always_wins() -> None:
    assert probability_of_improvement([[2.0, 9.0], [3.0, 8.0]], [[1.0, 7.0]]) == 1.0
    assert probability_of_improvement([[1.0, 7.0]], [[2.0, 9.0], [3.0, 8.0]]) == 0.0


def test_scores_that_are_no_scores_are_named() -> None:
    with pytest.raises(UserError, match=r"interquartile mean: a score is nan"):
        interquartile_mean([1.0, math.nan])
    with pytest.raises(UserError, match="no scores"):
        interquartile_mean([])
    with pytest.raises(UserError, match=r"\(1, 2\) and \(1, 1\)"):
        probability_of_improvement([[1.0, 2.0]], [[1.0]])
    with pytest.raises(UserError, match="a score is inf"):
        probability_of_improvement([[math.inf]], [[1.0]])


def test_holm_by_hand() -> None:
    """Four contrasts: 4 x 0.005, 3 x 0.01, then 2 x 0.03 which 1 x 0.04 may not fall below."""
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert list(found) == ["a", "b", "c", "d"]
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert holm({"alone": 0.04}) == {"alone": 0.04}
    assert holm({}) == {}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_its_steps_reject(p_values: list[float]) -> None:
    """At any level, exactly those that stepping down from the smallest p rejects; never less than p, never above 1."""
    named = {str(place): p for place, p in enumerate(p_values)}
    adjusted = holm(named)
    ranked = sorted(named, key=lambda name: named[name])
    assert [adjusted[name] for name in ranked] == sorted(adjusted.values())
    assert all(named[name] <= adjusted[name] <= 1 for name in named)
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, name in enumerate(ranked):
            if (len(ranked) - rank) * named[name] > level:
                break
            rejected.add(name)
        assert rejected == {name for name in named if adjusted[name] <= level}


@pytest.mark.parametrize("p", [math.nan, -0.1, 1.1])
def test_a_p_value_that_is_none_is_named(p: float) -> None:
    with pytest.raises(UserError, match="contrast german"):
        holm({"english": 0.1, "german": p})
