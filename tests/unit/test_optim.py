"""The learning rate's course, and what weight decay leaves alone."""

from __future__ import annotations

import pytest
from torch import nn

from jobs.optim import make_optimizer, parameter_groups, rate


def test_the_rate_rises_over_the_warm_up_and_falls_to_zero() -> None:
    course = [rate(step, 100, 0.1) for step in range(101)]
    assert course[0] == 0.0
    assert course[5] == pytest.approx(0.5)
    assert max(course) == course[10] == 1.0
    assert course[55] == pytest.approx(0.5)
    assert course[100] == 0.0


def test_a_warm_up_of_one_or_more_is_a_number_of_steps() -> None:
    assert rate(250, 1000, 500) == pytest.approx(0.5)
    assert rate(500, 1000, 500) == 1.0
    assert rate(0, 100, 0) == 1.0


def test_biases_and_norms_are_not_decayed_and_tied_weights_count_once() -> None:
    first, norm, second = nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 3)
    second.weight = first.weight
    body = nn.Module()
    body.dense, body.LayerNorm = first, norm
    decayed, plain = parameter_groups([body, second], 0.01)
    assert [id(p) for p in decayed["params"]] == [id(first.weight)]
    assert {id(p) for p in plain["params"]} == {id(p) for p in (first.bias, norm.weight, norm.bias, second.bias)}
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.01, 0.0)
    settings = {"lr": 1e-5, "adam_eps": 1e-8, "weight_decay": 0.01}
    assert sum(len(group["params"]) for group in make_optimizer([body, second], settings).param_groups) == 5
