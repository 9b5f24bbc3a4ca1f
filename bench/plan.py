"""Planning 10,000 stages, beside the least that any planner must do: the canonical JSON and sha256 of their specs.

python -m bench.plan
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.grids import inventory
from xtl.grid import load
from xtl.keys import stage_key
from xtl.plan import build

ARMS = [
    "none",
    "mnli",
    "qqp",
    "squad_v1",
    "squad_v2",
    "hellaswag",
    "csqa",
    "cosmosqa",
    "xnli@de",
    "xnli@ru",
    "anli_plus",
]
STAGES = 10_000


def main() -> None:
    seeds = STAGES // (9 * len(ARMS) + len(ARMS) - 1) + 1
    text = f"name: large\nmodel: tiny\nseeds: {list(range(seeds))}\nintermediates: {ARMS}\ntargets: all\nstore: ./s\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grid.yaml"
        path.write_text(text.replace("'xnli@de'", '"xnli@de"'), encoding="utf-8")
        begun = time.perf_counter()
        grid = load(path)
        found = build(grid, inventory(grid))
        planned = time.perf_counter() - begun
    begun = time.perf_counter()
    for stage in found.stages.values():
        stage_key(stage.spec)
    hashed = time.perf_counter() - begun
    print(
        f"plan of {len(found.stages)} stages: {planned:.2f} s, {planned / hashed:.1f} times hashing their specs alone"
    )


if __name__ == "__main__":
    main()
