"""Attention over packed sequences on a CPU: what jobs/packed.py does, beside the other ways that stay inside sequences.

    python -m bench.attention [--rounds 5]

Real MNLI lengths, 12 heads of 32 in 12 layers: 32 sequences a row, forward and backward with attention dropout, as in
training; and 288 a row, forward alone, as in evaluation. All ways give the same without dropout, which is checked.
Alternating; the ratios are of each round.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import dropout, scaled_dot_product_attention, softmax

from bench._figures import Figure, not_run, ratios, rounds, tell
from bench.training import BATCH, Study
from jobs import packed
from tests.samples import DATA, HAVE

HEADS, SIZE, LAYERS, DROPOUT = 12, 32, 12, 0.1

Way = Callable[[Tensor, Tensor, Tensor, packed.Row, float, float | None], Tensor]


def each_alone(query: Tensor, key: Tensor, value: Tensor, row: packed.Row, p: float, scale: float | None) -> Tensor:
    """A call a sequence."""
    sizes = row.edges.diff().tolist()
    parts = zip(*(x.split(sizes, dim=1) for x in (query, key, value)), strict=True)
    found = [scaled_dot_product_attention(*(x[None] for x in part), dropout_p=p, scale=scale)[0] for part in parts]
    return torch.cat(found, dim=1).transpose(0, 1)


def padded(query: Tensor, key: Tensor, value: Tensor, row: packed.Row, p: float, scale: float | None) -> Tensor:
    """One call, padded to the longest and masked."""
    lengths = row.edges.diff()
    real = torch.arange(row.longest) < lengths[:, None]

    def spread(x: Tensor) -> Tensor:
        whole = x.new_zeros(len(lengths), row.longest, HEADS, SIZE)
        whole[real] = x.transpose(0, 1)
        return whole.transpose(1, 2)

    q, k, v = map(spread, (query, key, value))
    scores = (q * (scale or SIZE**-0.5)) @ k.transpose(-1, -2)
    weights = softmax(scores.masked_fill(~real[:, None, None], -torch.inf), -1)
    return (dropout(weights, p) @ v).transpose(1, 2)[real]


WAYS: dict[str, Way] = {
    "xtl: a call for neighbours of one length": packed._by_runs,
    "a call a sequence": each_alone,
    "one call, padded and masked": padded,
    "one call, torch's jagged tensors": packed._by_edges,
}


def rows(size: int) -> list[packed.Row]:
    """Of so many sequences each, sorted by length."""
    study = Study()
    encoder, _ = study.model(0.0)
    packed.pack(encoder)
    features = study.order(9)
    cut = (features[i : i + size] for i in range(0, len(features), size))
    return [packed.inputs(encoder, sorted(some, key=len, reverse=True))["row"] for some in cut][:4]


def seconds(way: Way, row: packed.Row, p: float, *, backward: bool) -> tuple[float, Tensor]:
    """Of all layers, and what one gives."""
    torch.manual_seed(1)
    size = int(row.edges[-1])
    states = [torch.randn(size, HEADS, SIZE).transpose(0, 1).requires_grad_(backward) for _ in range(3)]
    begun = time.perf_counter()
    for _ in range(LAYERS):
        found = way(states[0], states[1], states[2], row, p, None)
        if backward:
            found.sum().backward()
    return time.perf_counter() - begun, found.detach()


def measured(rounds: int, *, training: bool) -> dict[str, list[float]]:
    """Seconds of a row by way, a figure a round."""
    found = rows(BATCH if training else 9 * BATCH)
    ways = {name: way for name, way in WAYS.items() if training or way is not packed._by_edges}  # 30 times slower
    times: dict[str, list[float]] = {name: [] for name in ways}
    expected = [seconds(packed._by_runs, row, 0.0, backward=False)[1] for row in found]
    for name, way in ways.items():
        for row, wanted in zip(found, expected, strict=True):
            assert torch.allclose(seconds(way, row, 0.0, backward=False)[1], wanted, atol=1e-5), name
    for _ in range(rounds):
        for name, way in ways.items():
            each = [seconds(way, row, DROPOUT if training else 0.0, backward=training)[0] for row in found]
            times[name].append(float(np.mean(each)))
    return times


def figures(count: int) -> list[Figure]:
    found = []
    for training in (True, False):
        times = measured(count, training=training)
        ours, *others = times
        kind = "training" if training else "evaluation"
        found.append(rounds(f"{kind}: {ours}", times[ours], "s a row"))
        found += [ratios(f"{kind}: beside {name}", times[ours], times[name]) for name in others]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    title = "attention over packed sequences, 12 layers of 12 heads of 32"
    if not HAVE:
        return not_run(title, f"no real MNLI at {DATA}")
    torch.set_num_threads(os.cpu_count() or 1)
    warnings.filterwarnings("ignore", message="The PyTorch API of nested tensors")
    return tell(title, figures(given.rounds))


if __name__ == "__main__":
    raise SystemExit(main())
