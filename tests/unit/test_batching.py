"""Steps and micro-batches: every item once an epoch, nothing that depends on history, no budget overrun."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.batching import Items, Schedule, micro_batches, sample, steps_an_epoch
from jobs.families.base import Feature

lengths = st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=4), min_size=1, max_size=30)


def item(*sizes: int) -> list[Feature]:
    return [Feature(example=0, pieces=[0] * size) for size in sizes]


@given(size=st.integers(1, 200), batch=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_an_epoch_draws_every_item_once(size: int, batch: int, seed: int) -> None:
    steps = steps_an_epoch(size, batch)
    schedule = Schedule(sizes=(size,), batch=batch, weights=(size,), steps=2 * steps, seed=seed)
    for epoch in range(2):
        drawn = np.concatenate([schedule.draw(0, epoch * steps + turn) for turn in range(steps)])
        assert sorted(drawn) == list(range(size))


def test_a_step_is_a_function_of_seed_and_number_alone() -> None:
    schedule = Schedule(sizes=(100,), batch=7, weights=(100,), steps=30, seed=3)
    again = Schedule(sizes=(100,), batch=7, weights=(100,), steps=30, seed=3)
    assert [again.draw(0, 20).tolist(), again.draw(0, 3).tolist()] == [
        schedule.draw(0, 20).tolist(),
        schedule.draw(0, 3).tolist(),
    ]
    other = Schedule(sizes=(100,), batch=7, weights=(100,), steps=30, seed=4)
    assert other.draw(0, 0).tolist() != schedule.draw(0, 0).tolist()


@given(sizes=st.lists(st.integers(1, 50), min_size=1, max_size=3), steps=st.integers(1, 60), seed=st.integers(0, 99))
def test_items_are_counted_as_they_are_drawn(sizes: list[int], steps: int, seed: int) -> None:
    schedule = Schedule(sizes=tuple(sizes), batch=4, weights=tuple(sizes), steps=steps, seed=seed)
    counted = [np.zeros(size, dtype=np.int64) for size in sizes]
    turns = [0] * len(sizes)
    for part in schedule.parts():
        counted[part][schedule.draw(part, turns[part])] += 1
        turns[part] += 1
    assert [schedule.times(part).tolist() for part in range(len(sizes))] == [one.tolist() for one in counted]


def test_parts_have_steps_in_proportion_to_their_capped_sizes() -> None:
    schedule = Schedule(sizes=(1000, 9000), batch=10, weights=(1000, 3000), steps=20_000, seed=1)
    assert (schedule.parts() == 1).mean() == pytest.approx(0.75, abs=0.02)


@given(size=st.integers(1, 300), small=st.integers(1, 300), more=st.integers(0, 100), seed=st.integers(0, 99))
def test_a_smaller_sample_lies_inside_a_larger_one(size: int, small: int, more: int, seed: int) -> None:
    inner, outer = sample(size, small, seed), sample(size, small + more, seed)
    assert set(inner) <= set(outer)
    assert len(inner) == min(size, small)
    assert list(inner) == sorted(inner)


@given(lengths, st.integers(1, 300))
def test_micro_batches_hold_every_feature_once_within_the_budget(sizes: list[list[int]], budget: int) -> None:
    batch = [item(*one) for one in sizes]
    cut = micro_batches(batch, budget)
    assert sorted(id(f) for part in cut for f in part) == sorted(id(f) for one in batch for f in one)
    whole = {id(one[0]): one for one in batch}
    for part in cut:
        items_here = sum(1 for feature in part if id(feature) in whole)
        padded = len(part) * max(map(len, part))
        assert padded <= budget or items_here == 1
    for one in batch:
        homes = {index for index, part in enumerate(cut) for feature in part if any(feature is f for f in one)}
        assert len(homes) == 1


def test_items_keep_the_choices_of_an_example_together() -> None:
    features = [Feature(example=index, pieces=[0]) for index in (0, 0, 0, 1, 1)]
    assert [len(one) for one in Items(features, together=True)] == [3, 2]
    assert [len(one) for one in Items(features, together=False)] == [1] * 5
