"""Exact nearest neighbours by cosine, both ways from one pass, in memory that does not grow with the square.

The search is by matrix products over tiles: a float32 product finds each sentence's few best, in both directions at
once, and those are scored again in float64 from the vectors as given. Where the bound on float32's rounding leaves open
whether a better one was missed, that row is searched again in float64. So the neighbours are those of a search in
float64, for about the price of one in float32.

Cosines are compared on a grid of 2^-31: closer ones are ties, and of ties the lowest index is first. Equal vectors are
therefore equal wherever a tile happens to place them. A vector of zeros has cosine 0 to all.

What it does not do: approximate indices. XTREME's largest set, 460,000 by 558,000 sentences of 1,024 numbers, is
5 * 10^14 operations: a minute's work on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

GRID = 2**31
SPARE = 8  # candidates kept beyond k, so that rounding seldom leaves a row open
BLOCK = 64  # entries of a tile whose maximum decides whether they are looked at one by one
BAND = 8  # tiles of rows whose unit vectors are kept at a time
HALF_ULP = 2.0**-24  # float32's largest relative rounding error

Check = Callable[[], None]  # called between tiles; stops a search by raising


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The k best of every query, best first. indices: (n, k) int64; cosines: (n, k) float64, on the grid."""

    indices: NDArray[np.int64]
    cosines: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Side:
    """One side's vectors (n, size), as they were given, and the inverse of each one's length (float64)."""

    rows: Tensor
    inverse: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def unit(self, at: slice | Tensor, dtype: torch.dtype) -> Tensor:
        return (self.rows[at].double() * self.inverse[at, None]).to(dtype)


def nearest(src: NDArray[Any], tgt: NDArray[Any], *, device: torch.device | str = "cpu") -> NDArray[np.int64]:
    """The index of each src vector's nearest tgt vector by cosine; of equally near ones the lowest. (n,) int64.

    src and tgt: (n, size) and (m, size), float32 (anything else is converted). Raises ValueError for other shapes, for
    no tgt vector, and for values that are not numbers.
    """
    return _search(src, tgt, 1, device=device, backward=False)[0].indices[:, 0]


def both_ways(
    src: NDArray[Any], tgt: NDArray[Any], k: int, *, device: torch.device | str = "cpu", check: Check = lambda: None
) -> tuple[Neighbours, Neighbours]:
    """Each src vector's k nearest tgt vectors, and each tgt vector's k nearest src vectors; all, if fewer."""
    forward, backward = _search(src, tgt, k, device=device, backward=True, check=check)
    return forward, backward


def _search(
    src: NDArray[Any],
    tgt: NDArray[Any],
    k: int,
    *,
    device: torch.device | str,
    backward: bool,
    check: Check = lambda: None,
) -> list[Neighbours]:
    if src.ndim != 2 or tgt.ndim != 2 or src.shape[1] != tgt.shape[1]:
        raise ValueError(f"two sets of vectors of one size are needed, not {src.shape} and {tgt.shape}")
    if not len(tgt):
        raise ValueError("nothing to search: the target side has no vectors")
    x, y = _side(src, device), _side(tgt, device)
    ahead = _Best(len(x), min(k + SPARE, len(y)), x.rows.device)
    back = _Best(len(y), min(k + SPARE, len(x)), x.rows.device) if backward else None
    with torch.inference_mode(), _full_float32():
        for top, left, tile in _tiles(x, y):
            check()
            ahead.see(tile, top, left)
            if back is not None:
                back.see(tile.T, left, top)
        found = [_settle(x, y, ahead, min(k, len(y)))]
        if back is not None:
            found.append(_settle(y, x, back, min(k, len(x))))
    return found


def _side(vectors: NDArray[Any], device: torch.device | str) -> _Side:
    rows = torch.as_tensor(np.ascontiguousarray(vectors, dtype=np.float32)).to(device)
    lengths = torch.cat([part.double().norm(dim=1) for part in rows.split(4096)]) if len(rows) else rows.new_zeros(0)
    if not bool(torch.isfinite(lengths).all()):
        raise ValueError("a vector holds values that are not numbers")
    return _Side(rows=rows, inverse=torch.where(lengths > 0, 1 / lengths, 0.0).double())


class _full_float32:
    """Products in real float32 inside: training may have allowed TF32, whose ten bits the bound does not cover."""

    def __enter__(self) -> None:
        self.before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")

    def __exit__(self, *_: object) -> None:
        torch.set_float32_matmul_precision(self.before)


def _shape(device: torch.device) -> tuple[int, int]:
    """Rows and columns of a tile: about the last cache level of a CPU, half a GiB on a GPU."""
    return (2048, 4096) if device.type == "cpu" else (8192, 16384)


def _tiles(x: _Side, y: _Side) -> Iterator[tuple[int, int, Tensor]]:
    """(first row, first column, cosines in float32). A tile's sides are multiples of BLOCK, filled up with -inf."""
    height, width = _shape(x.rows.device)
    for band in range(0, len(x), BAND * height):  # one pass over y a band: making unit vectors is not free
        tall = x.unit(slice(band, band + BAND * height), torch.float32)
        for left in range(0, len(y), width):
            b = y.unit(slice(left, left + width), torch.float32)
            b_filled = F.pad(b, (0, 0, 0, -len(b) % BLOCK)).T
            for top in range(0, len(tall), height):
                a = tall[top : top + height]
                tile = F.pad(a, (0, 0, 0, -len(a) % BLOCK)) @ b_filled
                tile[len(a) :] = -torch.inf
                tile[:, len(b) :] = -torch.inf
                yield band + top, left, tile


class _Best:
    """The `keep` best (cosine, index) of each of n queries over all tiles seen so far, best first."""

    def __init__(self, n: int, keep: int, device: torch.device) -> None:
        self.keep = keep
        self.values = torch.full((n, keep), -torch.inf, device=device)
        self.indices = torch.zeros((n, keep), dtype=torch.int64, device=device)

    def see(self, tile: Tensor, first: int, offset: int) -> None:
        """Takes in a tile whose rows are the queries from `first` and whose columns are the candidates from `offset`.

        After the first tiles few entries can still be among the best, so most blocks are dismissed by their maximum.
        """
        last = min(first + len(tile), len(self.values))
        tile = tile[: last - first]
        floor = self.values[first:last, -1]
        blocks = tile.unflatten(1, (-1, BLOCK))
        rows, which = (_peaks(blocks) > floor[:, None]).nonzero(as_tuple=True)
        if 4 * len(rows) * BLOCK > tile.numel():
            values, columns = tile.topk(min(self.keep, tile.shape[1]), dim=1)
            self._merge(torch.arange(first, last, device=tile.device), values, columns + offset)
            return
        entries = blocks[rows, which]
        hit, inside = (entries > floor[rows, None]).nonzero(as_tuple=True)
        rows, columns = rows[hit], which[hit] * BLOCK + inside
        self._merge(*_gather(rows + first, entries[hit, inside], columns + offset))

    def _merge(self, queries: Tensor, values: Tensor, indices: Tensor) -> None:
        values = torch.cat([self.values[queries], values], dim=1)
        indices = torch.cat([self.indices[queries], indices], dim=1)
        self.values[queries], places = values.topk(self.keep, dim=1)
        self.indices[queries] = indices.gather(1, places)


def _peaks(blocks: Tensor) -> Tensor:
    """The maximum of each block, (n, blocks, BLOCK) to (n, blocks)."""
    if blocks.stride(0) == 1:  # a transposed tile: its own order is thirty times as fast
        return blocks.permute(1, 2, 0).amax(dim=1).T
    return blocks.amax(dim=2)


def _gather(queries: Tensor, values: Tensor, indices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Loose entries, sorted by query, as one row a query, filled up with -inf."""
    unique, which, counts = queries.unique_consecutive(return_inverse=True, return_counts=True)
    width = int(counts.max()) if len(counts) else 0
    rank = torch.arange(len(queries), device=queries.device) - (counts.cumsum(0) - counts)[which]
    table = values.new_full((len(unique), width), -torch.inf)
    names = indices.new_zeros((len(unique), width))
    table[which, rank], names[which, rank] = values, indices
    return unique, table, names


# -------------------------------------------------------------------------------------------- from float32 to exact


def _settle(x: _Side, y: _Side, best: _Best, k: int) -> Neighbours:
    """The k best of `best`'s candidates by cosine in float64; rows that rounding leaves open are searched again."""
    indices, cosines = _rank(x, y, torch.arange(len(x), device=x.rows.device), best.indices)
    if best.keep < len(y):
        # A dot product of unit vectors of size d is off by at most (d + 2) roundings, whatever the order of its sum.
        slack = (x.rows.shape[1] + 2) * HALF_ULP
        missed = best.values[:, -1].double() + slack
        for rows in (missed >= cosines[:, k - 1]).nonzero()[:, 0].split(1024):
            indices[rows], cosines[rows] = _rank(x, y, rows, _again(x, y, rows, best.keep))
    return Neighbours(indices=indices[:, :k].cpu().numpy(), cosines=cosines[:, :k].cpu().numpy())


def _again(x: _Side, y: _Side, rows: Tensor, keep: int) -> Tensor:
    """The `keep` best of some queries by float64 products. Cosine and index share one integer, so ties are settled."""
    queries = x.unit(rows, torch.float64)
    best = torch.empty((len(rows), 0), dtype=torch.int64, device=rows.device)
    for left in range(0, len(y), 4096):
        tile = queries @ y.unit(slice(left, left + 4096), torch.float64).T
        names = GRID - 1 - torch.arange(left, left + tile.shape[1], device=rows.device)
        keys = torch.cat([best, (tile * GRID).round().long() * GRID + names], dim=1)
        best = keys.topk(min(keep, keys.shape[1]), dim=1).values
    return GRID - 1 - best % GRID


def _rank(x: _Side, y: _Side, queries: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Candidates (n, m) of some queries by falling cosine, ties by index, and those cosines on the grid (float64)."""
    ranked, cosines = [], []
    for rows, names in zip(queries.split(256), candidates.split(256), strict=True):
        names = names.sort(dim=1).values
        products = (x.rows[rows].double()[:, None] * y.rows[names].double()).sum(dim=2)
        exact = products * (x.inverse[rows, None] * y.inverse[names])
        on_grid, order = (exact * GRID).round().sort(dim=1, descending=True, stable=True)
        ranked.append(names.gather(1, order))
        cosines.append(on_grid / GRID)
    if not ranked:
        return candidates, candidates.double()
    return torch.cat(ranked), torch.cat(cosines)
