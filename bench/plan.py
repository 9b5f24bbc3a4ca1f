"""Planning, estimating and rendering 1,000 and 10,000 stages, beside the least that any planner must do: the canonical
JSON and sha256 of their specs.

    python -m bench.plan
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bench._figures import Figure, tell
from tests.grids import estimated, inventory
from xtl.grid import load
from xtl.keys import stage_key
from xtl.plan import build
from xtl.render import job

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
SIZES = (1_000, 10_000)
STORE = "s3://bucket/prefix"
_T = TypeVar("_T")


def main() -> int:
    return tell("Plans", [figure for size in SIZES for figure in measure(size)])


def measure(size: int) -> list[Figure]:
    """Of a grid of about so many stages. The reduce stage's Job is not rendered: it cannot name so many parents, and
    `xtl render` has a user split the grid."""
    with tempfile.TemporaryDirectory() as folder:
        path = _grid(Path(folder), size)
        grid, loaded = _timed(lambda: load(path))
        have = inventory(grid)
        plan, built = _timed(lambda: build(grid, have))
        _, guessed = _timed(lambda: estimated(plan, have))
        _, hashed = _timed(lambda: [stage_key(stage.spec) for stage in plan.stages.values()])
        some = {key: stage for key, stage in plan.stages.items() if stage.kind != "reduce"}
        _, rendered = _timed(lambda: [job(stage, plan, STORE) for stage in some.values()])
    of = f"of {len(plan.stages):,} stages"
    return [
        Figure(what=f"keys {of}, the floor", value=hashed),
        Figure(what=f"plan {of}", value=loaded + built),
        Figure(what=f"plan {of}, over the floor", value=(loaded + built) / hashed, unit="times", most=10.0),
        Figure(what=f"estimate {of}", value=guessed),
        Figure(what=f"Jobs {of}, rendered", value=rendered),
        Figure(what=f"Jobs {of}, over the floor", value=rendered / hashed, unit="times"),
    ]


def _grid(folder: Path, size: int) -> Path:
    seeds = size // (9 * len(ARMS) + len(ARMS) - 1) + 1
    text = f"name: large\nmodel: tiny\nseeds: {list(range(seeds))}\nintermediates: {ARMS}\ntargets: all\nstore: ./s\n"
    path = folder / "grid.yaml"
    path.write_text(text.replace("'xnli@de'", '"xnli@de"'), encoding="utf-8")
    return path


def _timed(act: Callable[[], _T]) -> tuple[_T, float]:
    begun = time.perf_counter()
    found = act()
    return found, time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
