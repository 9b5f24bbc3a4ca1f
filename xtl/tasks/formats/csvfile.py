"""RFC 4180 files as a stream of rows. The `csv` module parses; what it would let pass for a guess is refused here.

A row is named by the line that it starts on, since its fields may hold line breaks. Holds one row at a time.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator

from xtl.tasks.formats.files import Row, Source, check_header

_FIELD = r'(?:"[^"]*(?:""[^"]*)*"|[^",\r\n]*)'
_ROW = re.compile(rf"{_FIELD}(?:,{_FIELD})*\r?\n?")


def csv_rows(source: Source, needed: Collection[str], *, label: str | None = None) -> Iterator[Row]:
    """Rows of a file with a header; a field may hold line breaks, and they stay what they are. Raises DataError."""
    csv.field_size_limit(2**31 - 1)
    reading = _Physical(source)
    rows = csv.reader(reading, strict=True)
    header: list[str] | None = None
    index = 0
    while True:
        start = reading.begin(rows.line_num + 1)
        try:
            cells = next(rows, None)
        except csv.Error as error:
            source.bad(start, f"not CSV: {error}")
        if cells is None:
            return
        if not _ROW.fullmatch(reading.row):
            source.bad(start, "not CSV: a quote mark or a CR inside a field that is not quoted")
        if not cells:
            continue
        if header is None:
            header = cells
            check_header(source, start, header, needed, label)
            continue
        if len(cells) != len(header):
            source.bad(start, f"{len(cells)} cells where the header has {len(header)}")
        yield Row(source, start, index, dict(zip(header, cells, strict=True)))
        index += 1


class _Physical:
    """A file's physical lines for `csv.reader`; `row` is the text of the row at hand, as it stands."""

    def __init__(self, source: Source) -> None:
        self._start = 1
        self._read: list[str] = []
        self._source = source
        self._lines = source.raw_lines()

    @property
    def row(self) -> str:
        return "".join(self._read)

    def begin(self, line: int) -> int:
        self._start = line
        self._read.clear()
        return line

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self._read.append(self._source.decode(next(self._lines), self._start))
        return self._read[-1]
