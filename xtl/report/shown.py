"""How figures are written on the page and in its figures: as in the tables of the other views."""

from __future__ import annotations

from xtl.report.differences import Figure, Interval
from xtl.report.tables import HOLE


def points(value: float) -> str:
    return f"{value:+.1f}"


def span(interval: Interval | None) -> str:
    """`[+0.9, +1.5]`, or a dash."""
    return HOLE if interval is None else f"[{interval[0]:+.1f}, {interval[1]:+.1f}]"


def counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def told(figure: Figure) -> str:
    """A figure in one line: `+1.2 points (seeds [+0.9, +1.5], items [+0.7, +1.7], 5 seeds)`."""
    parts = [f"seeds {span(figure.seeds)}"] if figure.seeds else []
    parts += [f"items {span(figure.items)}"] if figure.items else []
    return f"{points(figure.value)} points ({', '.join([*parts, counted(len(figure.by_seed), 'seed')])})"
