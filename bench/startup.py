"""`xtl --help` beside an empty Python, alternating; the median of nine runs each.

python -m bench.startup
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 9


def seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    xtl = str(Path(sys.executable).with_name("xtl"))
    pairs = [(seconds([xtl, "--help"]), seconds([sys.executable, "-c", "pass"])) for _ in range(RUNS)]
    help_, empty = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"xtl --help: {help_:.3f} s, {help_ / empty:.1f} times an empty Python ({empty:.3f} s)")


if __name__ == "__main__":
    main()
