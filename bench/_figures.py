"""What every bench gives: figures with their spread and their bound, printed as a table; and as JSON for `python -m
bench`, which runs each in a process of its own.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

#: Of the last minute before the bench began: bounds are for a machine that does nothing else.
LOAD = os.getloadavg()[0]
#: Where a bench leaves its figures for the suite.
INTO = "XTL_BENCH_INTO"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """low, high: over rounds, where there were several. most, least: its bound, where it has one."""

    what: str
    value: float
    unit: str = "s"
    low: float | None = None
    high: float | None = None
    most: float | None = None
    least: float | None = None

    @property
    def past(self) -> bool:
        over = self.most is not None and self.value > self.most
        return over or (self.least is not None and self.value < self.least)

    @property
    def cells(self) -> tuple[str, str, str, str]:
        spread = "" if self.low is None or self.high is None else f"{_short(self.low)} to {_short(self.high)}"
        bound = "" if self.most is None else f"at most {self.most:g}"
        bound = bound if self.least is None else f"at least {self.least:g}"
        return self.what, f"{_short(self.value)} {self.unit}".rstrip(), spread, f"PAST {bound}" if self.past else bound


def rounds(what: str, values: Sequence[float], unit: str = "s", **bound: float) -> Figure:
    """The median of several rounds, and their spread."""
    return Figure(what=what, value=statistics.median(values), unit=unit, low=min(values), high=max(values), **bound)


def ratios(what: str, ours: Sequence[float], theirs: Sequence[float], *, least: float | None = None) -> Figure:
    """How many times as fast as the peer: the seconds of each, a round after another."""
    each = [their / our for our, their in zip(ours, theirs, strict=True)]
    found = rounds(what, each, "times as fast")
    return Figure(**{**asdict(found), "least": least})


def tell(title: str, figures: Sequence[Figure]) -> int:
    """Print the table, and leave it for the suite. The exit status: 1 where a figure is past its bound."""
    _leave({"title": title, "figures": [asdict(one) for one in figures]})
    print(f"{title} ({os.cpu_count()} processors, load average {LOAD:.1f} before)")
    print("\n".join(table(figures)))
    return int(any(one.past for one in figures))


def table(figures: Sequence[Figure]) -> list[str]:
    cells = [one.cells for one in figures]
    what, value, spread = (max(len(row[column]) for row in cells) for column in range(3))
    return [f"  {a:<{what}}  {b:>{value}}  {c:<{spread}}  {d}".rstrip() for a, b, c, d in cells]


def not_run(title: str, why: str) -> int:
    """Say why a bench cannot run here. The exit status: 0."""
    _leave({"title": title, "not_run": why})
    print(f"{title}: NOT RUN: {why}")
    return 0


def _leave(body: dict[str, object]) -> None:
    if INTO in os.environ:
        Path(os.environ[INTO]).write_text(json.dumps(body), encoding="utf-8")


def _short(value: float) -> str:
    digits = 0 if value == int(value) or abs(value) >= 100 else 2 if abs(value) < 10 else 1
    return f"{value:.{digits}f}"
