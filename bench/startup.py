"""`xtl --help` beside an empty Python, alternating; the median of nine runs each.

python -m bench.startup
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench._figures import Figure, rounds, tell

RUNS = 9


def seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def figures() -> list[Figure]:
    xtl = str(Path(sys.executable).with_name("xtl"))
    pairs = [(seconds([xtl, "--help"]), seconds([sys.executable, "-c", "pass"])) for _ in range(RUNS)]
    shown, empty = zip(*pairs, strict=True)
    return [
        rounds("xtl --help by an empty Python", [a / b for a, b in pairs], "times"),
        rounds("xtl --help", shown),
        rounds("an empty Python", empty),
    ]


if __name__ == "__main__":
    sys.exit(tell("start-up of the command line", figures()))
