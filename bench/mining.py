"""The search under BUCC's mining, four neighbours both ways, beside a plain exact search of the same vectors.

    python bench/mining.py [--sentences 20000] [--size 256]

The peer is faiss's flat index where faiss-cpu is installed (what XTREME's script uses), else numpy: products over tiles
and argpartition. Both run in this process, twice in turn, on all cores or OMP_NUM_THREADS of them; the ratio is of the
best times. How many neighbours agree is printed too: where they differ, the peer's float32 rounding decided a near tie.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from collections.abc import Callable

import numpy as np

K = 4


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


def timed(search: Callable[[], tuple[np.ndarray, np.ndarray]]) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    begun = time.perf_counter()
    found = search()
    return time.perf_counter() - begun, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=20_000, help="of each side")
    parser.add_argument("--size", type=int, default=256, help="numbers of a vector")
    given = parser.parse_args()
    compare(given.sentences, given.size, int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))


def compare(sentences: int, size: int, threads: int) -> None:
    import torch

    from jobs.neighbours import both_ways

    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((sentences, size), dtype=np.float32) for _ in range(2))
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y)]
    name, search = peer(threads)

    def theirs() -> tuple[np.ndarray, np.ndarray]:
        return search(unit[0], unit[1]), search(unit[1], unit[0])

    def ours() -> tuple[np.ndarray, np.ndarray]:
        forward, backward = both_ways(x, y, K)
        return forward.indices, backward.indices

    ours_seconds, theirs_seconds = [], []
    for _ in range(2):
        seconds, wanted = timed(theirs)
        theirs_seconds.append(seconds)
        seconds, found = timed(ours)
        ours_seconds.append(seconds)
    agree = np.mean([np.mean(a == b) for a, b in zip(found, wanted, strict=True)])
    best, peers = min(ours_seconds), min(theirs_seconds)
    print(
        f"{sentences} x {sentences} x {size}, both ways, {threads} threads: {best:.2f} s, "
        f"{peers / best:.2f} times as fast as {name} ({peers:.2f} s); {100 * agree:.4f} % of neighbours agree"
    )


if __name__ == "__main__":
    main()
