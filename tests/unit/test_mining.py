"""Nearest neighbours against a dense search in float64, and mining against XTREME's rule written out in full."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jobs import neighbours
from jobs.mining import mine
from jobs.neighbours import both_ways, nearest
from xtl.errors import Stopped


def cosines(src: np.ndarray, tgt: np.ndarray) -> np.ndarray:
    """(src, tgt) in float64, on the grid of ties; vectors of zeros have cosine 0."""

    def unit(rows: np.ndarray) -> np.ndarray:
        rows = rows.astype(np.float32).astype(np.float64)  # vectors are float32
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)

    return np.round(unit(src) @ unit(tgt).T * neighbours.GRID) / neighbours.GRID


def dense(src: np.ndarray, tgt: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    table = cosines(src, tgt)
    order = np.argsort(-table, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(table, order, axis=1)


def assert_exact(src: np.ndarray, tgt: np.ndarray, k: int) -> None:
    forward, backward = both_ways(src, tgt, k)
    for found, (indices, values) in ((forward, dense(src, tgt, k)), (backward, dense(tgt, src, k))):
        np.testing.assert_array_equal(found.indices, indices)
        np.testing.assert_allclose(found.cosines, values, atol=2 / neighbours.GRID)
    np.testing.assert_array_equal(nearest(src, tgt), dense(src, tgt, 1)[0][:, 0])


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_shape", lambda device: (128, 64))


@st.composite
def sides(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Few small whole numbers: full of equal vectors, multiples of one another and zeros."""
    size = draw(st.integers(1, 4))

    def side() -> np.ndarray:
        shape = (draw(st.integers(1, 40)), size)
        return draw(arrays(np.float32, shape, elements=st.integers(-2, 2).map(float)))

    return side(), side()


@given(sides(), st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_both_ways_equals_a_dense_search_with_ties(pair: tuple[np.ndarray, np.ndarray], k: int) -> None:
    assert_exact(*pair, k)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize(("n", "m"), [(1, 1), (127, 65), (300, 450), (64, 700), (513, 3)])
def test_tiles_and_their_edges_change_nothing(n: int, m: int) -> None:
    rng = np.random.default_rng(n + m)
    assert_exact(rng.standard_normal((n, 24)), rng.standard_normal((m, 24)), 4)


@pytest.mark.usefixtures("small_tiles")
def test_equal_vectors_come_lowest_index_first_across_tiles() -> None:
    rng = np.random.default_rng(3)
    few = rng.standard_normal((9, 32)).astype(np.float32)
    src, tgt = few[rng.integers(0, 9, 200)], few[rng.integers(0, 9, 333)] * 2
    assert_exact(src, tgt, 4)  # far more equal ones than a search keeps


@pytest.mark.usefixtures("small_tiles")
def test_vectors_that_float32_cannot_tell_apart() -> None:
    """As a collapsed encoder gives them: all cosines within 1e-7 of 1."""
    rng = np.random.default_rng(4)
    base = rng.standard_normal(48)
    src, tgt = (base + 2e-4 * rng.standard_normal((n, 48)) for n in (190, 260))
    src, tgt = src.astype(np.float32), tgt.astype(np.float32)

    def unit(rows: np.ndarray) -> np.ndarray:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    assert (np.argmax(unit(src) @ unit(tgt).T, axis=1) != dense(src, tgt, 1)[0][:, 0]).any()
    assert_exact(src, tgt, 4)


@pytest.mark.usefixtures("small_tiles")
def test_the_same_whatever_torch_is_told_about_precision_and_determinism() -> None:
    rng = np.random.default_rng(5)
    src, tgt = rng.standard_normal((150, 40)), rng.standard_normal((170, 40))
    before = torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled()
    try:
        torch.set_float32_matmul_precision("medium")
        torch.use_deterministic_algorithms(True)
        assert_exact(src, tgt, 3)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.use_deterministic_algorithms(before[1])


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"one size.*\(2, 3\) and \(2, 4\)"):
        nearest(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="no vectors"):
        nearest(np.ones((2, 3)), np.ones((0, 3)))
    with pytest.raises(ValueError, match="not numbers"):
        nearest(np.ones((2, 3)), np.full((2, 3), np.nan))


def test_a_search_stops_between_tiles(small_tiles: None) -> None:
    seen = []

    def check() -> None:
        seen.append(1)
        if len(seen) == 2:
            raise Stopped("told to")

    with pytest.raises(Stopped):
        mine(np.ones((500, 2)), np.ones((500, 2)), check=check)
    assert len(seen) == 2


# ------------------------------------------------------------------------------------------------------------ mining


def mined_in_full(src: np.ndarray, tgt: np.ndarray, k: int) -> list[tuple[int, int, float]]:
    """XTREME's 'max' retrieval from the whole table of cosines, by loops."""
    table = cosines(src, tgt)
    to_tgt, to_src = dense(src, tgt, k)[0], dense(tgt, src, k)[0]
    mean_src = [np.mean([table[i, j] for j in to_tgt[i]]) for i in range(len(src))]
    mean_tgt = [np.mean([table[i, j] for i in to_src[j]]) for j in range(len(tgt))]

    def margin(i: int, j: int) -> float:
        middle = (mean_src[i] + mean_tgt[j]) / 2
        return float(table[i, j] / middle) if middle else -np.inf

    proposed = [max(((margin(i, j), i, j) for j in to_tgt[i]), key=lambda p: p[0]) for i in range(len(src))]
    proposed += [max(((margin(i, j), i, j) for i in to_src[j]), key=lambda p: p[0]) for j in range(len(tgt))]
    pairs, used_src, used_tgt = [], set(), set()
    for score, i, j in sorted(proposed, key=lambda p: (-p[0], p[1], p[2])):
        if score > 0 and i not in used_src and j not in used_tgt:
            used_src.add(i)
            used_tgt.add(j)
            pairs.append((i, int(j), score))
    return pairs


@given(st.integers(0, 10**6), st.integers(1, 50), st.integers(1, 50), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_mine_equals_the_rule_in_full(seed: int, n: int, m: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(16)  # as encoders have it: every cosine well above 0
    src, tgt = common + rng.standard_normal((n, 16)), common + rng.standard_normal((m, 16))
    src[n // 2 :] = src[0]  # and repeated sentences
    src, tgt = src.astype(np.float32), tgt.astype(np.float32)
    found, wanted = mine(src, tgt, k=k), mined_in_full(src, tgt, k)
    assert [pair[:2] for pair in found] == [pair[:2] for pair in wanted]
    np.testing.assert_allclose([p[2] for p in found], [p[2] for p in wanted], rtol=1e-7)


@given(sides())
@settings(max_examples=60, deadline=None)
def test_each_sentence_is_used_once_and_scores_fall(pair: tuple[np.ndarray, np.ndarray]) -> None:
    found = mine(*pair)
    assert len({i for i, _, _ in found}) == len({j for _, j, _ in found}) == len(found)
    scores = [score for _, _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)


def test_hidden_translations_are_found() -> None:
    rng = np.random.default_rng(8)
    src, tgt = rng.standard_normal((400, 64)), rng.standard_normal((600, 64))
    hidden = rng.permutation(600)[:50]
    tgt[hidden] = src[:50] + 0.3 * rng.standard_normal((50, 64))
    best = mine(src, tgt)[:50]
    assert {(i, j) for i, j, _ in best} == {(i, int(j)) for i, j in enumerate(hidden)}


def test_no_sentences_no_pairs() -> None:
    assert mine(np.ones((0, 4)), np.ones((3, 4))) == []
    assert mine(np.ones((3, 4)), np.ones((0, 4))) == []


# ------------------------------------------------------------------------------------------------------------ memory

_MEASURE = """
import sys, numpy as np, torch
torch.set_num_threads(1)
from jobs.mining import mine
n, size = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
src, tgt = (rng.standard_normal((n, size), dtype=np.float32) for _ in range(2))
pairs = mine(src, tgt)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(len(pairs), int(peak.split()[1]) * 1024)
"""


def peak_bytes(n: int, size: int) -> int:
    command = [sys.executable, "-c", _MEASURE, str(n), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    pairs, peak = map(int, done.stdout.split())
    assert pairs > n / 4
    return peak


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")


@linux
def test_memory_stays_far_below_the_table_of_cosines() -> None:
    assert peak_bytes(20_000, 64) < 0.7e9  # the table alone would be 1.6 GB


@linux
@pytest.mark.slow
def test_a_hundred_thousand_by_a_hundred_thousand_in_two_gigabytes() -> None:
    assert peak_bytes(100_000, 256) < 2e9  # the table alone would be 40 GB
