"""How wrong `xtl plan` is: a study is planned and run, then again with another seed in the same store.

    python -m bench.estimate [--parallel 1] [--keep DIR]

The second study's stages are predicted from the first's manifests, as `xtl plan` predicts them. Each is then predicted
once more as if no stage of its task had been done, from the model's rates alone: what a new task in a store meets.
The error is |predicted - actual| / actual, its spread from the best to the worst stage. Model `tiny` on the data of
`xtl data demo`; its stages are short, so that what a stage takes beside training (imports, staging) weighs much.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench._figures import Figure, tell
from xtl import spent
from xtl.estimate import Done, Estimate, estimate
from xtl.forecast import forecast, parameters
from xtl.grid import load
from xtl.inventory import Inventory, look
from xtl.plan import Plan, Stage, build
from xtl.store import open_store
from xtl.work import alike, model_of

GRID = """\
name: estimate-{seed}
model: tiny
seeds: [{seed}]
intermediates: [none, mnli, squad_v1]
targets: [xnli, panx, xquad, tatoeba]
train:
  intermediate: {{default: {{lr: 1e-3, batch: 32, epochs: 2, length: 128}}}}
  target: {{default: {{lr: 1e-3, batch: 32, epochs: 3, length: 128}}}}
precision: fp32
data: {folder}/data
store: {folder}/store
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder that stays, with the data and the store")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        xtl("data", "demo", str(folder / "data"))
        xtl("run", str(_write(folder, 1)), "--parallel", str(options.parallel))
        store, grid = open_store(str(folder / "store")), load(_write(folder, 2))
        inventory = look(grid)
        plan, done = build(grid, inventory), spent.done(store)
        known = {one.key for one in done}
        left = [stage for key, stage in plan.stages.items() if model_of(plan, stage) and key not in known]
        seen = forecast(plan, inventory, store)
        new = [_unseen(plan, inventory, done, stage, seen) for stage in left]
        xtl("run", str(folder / "grid-2.yaml"), "--parallel", str(options.parallel))
        took = {one.key: one for one in spent.done(store)}
    guesses = [(seen.seconds[stage.key] or 0.0, guess or 0.0) for stage, guess in zip(left, new, strict=True)]
    return show(left, guesses, [took[stage.key] for stage in left], seen)


def xtl(*words: str) -> None:
    """Raises SystemExit with what it said where it fails."""
    done = subprocess.run([sys.executable, "-m", "xtl", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def _write(folder: Path, seed: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"grid-{seed}.yaml"
    path.write_text(GRID.format(seed=seed, folder=folder), encoding="utf-8")
    return path


def _unseen(plan: Plan, inventory: Inventory, done: Sequence[Done], stage: Stage, seen: Estimate) -> float | None:
    """A stage's seconds, had nothing of its task been done."""
    others = [one for one in done if one.alike != alike(stage.spec)]
    return estimate(plan, seen.works, parameters(plan, inventory), others, seen.gpu).seconds[stage.key]


def show(left: Sequence[Stage], predicted: Sequence[tuple[float, float]], took: Sequence[Done], seen: Estimate) -> int:
    """A line a stage, then the errors. predicted: with its task done before, and without."""
    print(f"{'stage':<36} {'word pieces':>18} {'seconds':>8} {'predicted':>10} {'task unseen':>12}")
    pieces = []
    for stage, guesses, one in zip(left, predicted, took, strict=True):
        work, real = seen.works[stage.key], one.trained + one.evaluated
        pieces += [abs(work.training + work.evaluating - real) / real] if real else []
        counted = f"{work.training + work.evaluating:,.0f}/{real:,.0f}"  # retrieval counts none
        print(f"{stage.title:<36} {counted:>18} {one.total:>8.1f} {guesses[0]:>10.1f} {guesses[1]:>12.1f}")
    figures = [_error("word pieces a stage", pieces, most=10.0)]
    for what, column, most in (("seconds, its task done before", 0, 25.0), ("seconds, its task unseen", 1, None)):
        errors = [abs(x[column] - one.total) / one.total for x, one in zip(predicted, took, strict=True)]
        figures.append(_error(what, errors, most=most))
        whole = abs(sum(x[column] for x in predicted) / sum(one.total for one in took) - 1)
        figures.append(Figure(what=f"{what}, all together", value=100 * whole, unit="%"))
    return tell("Errors of `xtl plan`", figures)


def _error(what: str, errors: Sequence[float], *, most: float | None = None) -> Figure:
    """The median, with the least and the worst."""
    low, high = 100 * min(errors), 100 * max(errors)
    return Figure(what=what, value=100 * median(errors), unit="%", low=low, high=high, most=most)


if __name__ == "__main__":
    sys.exit(main())
