"""The search under BUCC's mining, four neighbours both ways, beside a plain exact search of the same vectors.

    python -m bench.mining [--sentences 100000] [--size 1024]

The peer is faiss's flat index where faiss-cpu is installed (what XTREME's script uses), else numpy: products over tiles
and argpartition. Both run in this process, by turns, on all cores or OMP_NUM_THREADS of them. Of large sets, where the
peer takes many minutes, it searches one way alone while xtl searches both. How many neighbours agree
is told too: where they differ, the peer's float32 rounding decided a near tie, which a search in float64 settles.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from collections.abc import Callable

import numpy as np

from bench._figures import Figure, ratios, rounds, tell

K = 4
LARGE = 50_000


def numpy_search(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    found = []
    for start in range(0, len(x), 1024):
        table = x[start : start + 1024] @ y.T
        near = np.argpartition(-table, K, axis=1)[:, :K]
        order = np.argsort(-np.take_along_axis(table, near, axis=1), axis=1, kind="stable")
        found.append(np.take_along_axis(near, order, axis=1))
    return np.concatenate(found)


def faiss_search(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    import faiss

    index = faiss.IndexFlatIP(x.shape[1])
    index.add(y)
    return index.search(x, K)[1]


def peer(threads: int) -> tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    if importlib.util.find_spec("faiss") is None:
        return f"numpy {np.__version__}", numpy_search
    import faiss

    faiss.omp_set_num_threads(threads)
    return f"faiss {faiss.__version__}", faiss_search


def timed(search: Callable[[], tuple[np.ndarray, ...]]) -> tuple[float, tuple[np.ndarray, ...]]:
    begun = time.perf_counter()
    found = search()
    return time.perf_counter() - begun, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, nargs="+", default=[20_000, 100_000], help="of each side")
    parser.add_argument("--size", type=int, nargs="+", default=[256, 1024], help="numbers of a vector")
    given = parser.parse_args()
    threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    found = []
    for sentences, size in zip(given.sentences, given.size, strict=True):
        found += figures(sentences, size, threads, 1 if sentences >= LARGE else 3)
    return tell(f"nearest neighbours of sentence vectors, both ways, {threads} threads", found)


def figures(sentences: int, size: int, threads: int, count: int) -> list[Figure]:
    import torch

    from jobs.neighbours import both_ways

    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((sentences, size), dtype=np.float32) for _ in range(2))
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y)]
    name, search = peer(threads)

    large = sentences >= LARGE

    def theirs() -> tuple[np.ndarray, ...]:
        ways = [(unit[0], unit[1])] if large else [(unit[0], unit[1]), (unit[1], unit[0])]
        return tuple(search(*way) for way in ways)

    def ours() -> tuple[np.ndarray, ...]:
        forward, backward = both_ways(x, y, K)
        return forward.indices, backward.indices

    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(count):
        seconds, found = timed(ours)
        spent[0].append(seconds)
        seconds, wanted = timed(theirs)
        spent[1].append(seconds)
    differ = [np.argwhere(a != b) for a, b in zip(found, wanted, strict=False)]
    wrong = sum(_farther(unit[way], unit[1 - way], found[way], wanted[way], each) for way, each in enumerate(differ))
    what = f"{sentences:,} x {sentences:,} x {size:,}"
    agree = 100 * (1 - sum(map(len, differ)) / (len(differ) * sentences * K))
    name += ", one way of the two" if large else ""
    return [
        ratios(f"{what}: xtl beside {name}", *spent, least=1.0),
        rounds(f"{what}: xtl", spent[0]),
        rounds(f"{what}: {name}", spent[1]),
        Figure(what=f"{what}: neighbours that agree", value=agree, unit="%", least=99.9),
        Figure(what=f"{what}: neighbours farther than the peer's, in float64", value=wrong, unit="", most=0),
    ]


def _farther(x: np.ndarray, y: np.ndarray, ours: np.ndarray, theirs: np.ndarray, where: np.ndarray) -> int:
    """How many of xtl's neighbours are farther than the peer's at the same rank, beyond float64's own rounding."""
    rows, ranks = where.T
    query = x[rows].astype(np.float64)
    scores = [(query * y[side[rows, ranks]].astype(np.float64)).sum(axis=1) for side in (ours, theirs)]
    return int((scores[0] < scores[1] - 1e-7).sum())


if __name__ == "__main__":
    raise SystemExit(main())
