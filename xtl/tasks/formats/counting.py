"""How many examples a file holds, about, without parsing it: for estimates of hours, never for keys or scores."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence

from xtl.tasks.formats.files import Source

_QUESTION = re.compile(rb'"question"\s*:')
Counter = Callable[[Sequence[Source]], int]


def by_suffix(sources: Sequence[Source]) -> int:
    """Rows of a table, questions of SQuAD's JSON, else lines that are not empty."""
    return sum(_KINDS.get(source.path.suffix, _lines)(source) for source in sources)


def blocks(sources: Sequence[Source]) -> int:
    """Runs of lines between empty ones."""
    total = 0
    for source in sources:
        inside = False
        for line in source.raw_lines():
            filled = bool(line.strip(b"\r\n"))
            total += filled and not inside
            inside = filled
    return total


def all_lines(sources: Sequence[Source]) -> int:
    """Lines of the first file, empty ones too."""
    return sum(1 for _ in sources[0].raw_lines())


def matches(pattern: bytes) -> Counter:
    """How often a pattern occurs (`^` is the start of a line)."""
    compiled = re.compile(pattern, re.MULTILINE)
    return lambda sources: sum(len(compiled.findall(b"".join(source.raw_lines()))) for source in sources)


def _lines(source: Source) -> int:
    return sum(bool(line.strip(b"\r\n")) for line in source.raw_lines())


def _rows(source: Source) -> int:
    return max(0, _lines(source) - 1)


def _csv(source: Source) -> int:
    csv.field_size_limit(2**31 - 1)
    rows = csv.reader(line.decode("utf-8", errors="replace") for line in source.raw_lines())
    return max(0, sum(bool(row) for row in rows) - 1)


def _questions(source: Source) -> int:
    return len(_QUESTION.findall(b"".join(source.raw_lines())))


_KINDS = {".tsv": _rows, ".csv": _csv, ".json": _questions}
