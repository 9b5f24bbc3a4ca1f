"""What a small stage takes beside training and evaluating: start-up, staging, tokenising, committing.

    python -m bench.overhead [--rounds 5]

A target stage of a few hundred steps on XNLI in two languages, made-up sentences, model `tiny`, as a process of its own
on two cores, again and again; the figures are those of its manifests.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench._figures import Figure, rounds, tell
from tests import smallworld
from xtl.grid import load
from xtl.inventory import look
from xtl.local import prepare
from xtl.plan import build
from xtl.store import commit, layout, open_store
from xtl.store.base import Store

MOST_SECONDS = 8.0
GRID = """\
name: overhead
model: tiny
seeds: [1]
intermediates: [none]
targets: [xnli]
train: {target: {default: {lr: 1e-3, epochs: 50, batch: 8, length: 32}}}
precision: fp32
data: ./data
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return tell("a small stage, start to end", figures(Path(folder), given.rounds))


def figures(folder: Path, count: int) -> list[Figure]:
    smallworld.write(folder / "data")
    (folder / "grid.yaml").write_text(GRID, encoding="utf-8")
    grid = load(folder / "grid.yaml")
    plan = build(grid, look(grid))
    store = open_store(str(folder / "store"))
    prepare(plan, store)
    target = next(stage for stage in plan.stages.values() if stage.kind == "target")
    for parent in plan.stages.values():
        if parent.kind == "fetch":
            _run(store, parent.key)
    found = []
    for _ in range(count):
        found.append(_run(store, target.key))
        store.delete(layout.manifest_name(target.key))
    whole = [one["seconds"]["total"] for one in found]
    return [
        rounds("beside training and evaluating", [one["beside"] * one["seconds"]["total"] for one in found],
               most=MOST_SECONDS),
        rounds("to the end of the first step", [one["seconds"]["first_step"] for one in found]),
        rounds("start to end", whole),
        *(rounds(f"of it {phase}", [one["seconds"].get(phase, 0.0) for one in found])
          for phase in ("staging", "loading", "tokenizing", "training", "evaluating")),
    ]  # fmt: skip


def _run(store: Store, key: str) -> dict[str, Any]:
    """A stage as a process; its manifest."""
    command = [sys.executable, "-P", "-m", "jobs.stage", "--store", store.url, "--key", key]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "2"})
    manifest = commit.read_manifest(store, key)
    assert manifest is not None
    return manifest


if __name__ == "__main__":
    raise SystemExit(main())
