"""The whole demo, as `make demo` runs it once it is set up: data, both studies, the report.

python -m bench.demo
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench._figures import Figure, tell

ROOT = Path(__file__).parents[1]
MOST_SECONDS = 360.0


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        data, store = ["--data", f"{folder}/data"], ["--store", f"{folder}/store"]
        steps = {
            "data": ["data", "demo", f"{folder}/data"],
            "nine targets": ["run", "grids/demo.yaml", *data, *store, "--parallel", "2"],
            "the question": ["run", "grids/demo-contrast.yaml", *data, *store, "--parallel", "2"],
            "report": ["report", "grids/demo-contrast.yaml", *store],
        }
        spent = {name: _seconds(words) for name, words in steps.items()}
    whole = Figure(what="all of it", value=sum(spent.values()), most=MOST_SECONDS)
    return [whole, *(Figure(what=name, value=seconds) for name, seconds in spent.items())]


def _seconds(words: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run([Path(sys.executable).with_name("xtl"), *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(tell("the demo", figures()))
