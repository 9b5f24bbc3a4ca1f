"""Published files, read as a stream, every complaint naming file and line.

Lines end at LF alone (`str.splitlines` would cut at U+2028 and others); a CR before the LF, a BOM at the start and
empty lines are dropped. Text is decoded strictly: nothing is replaced, stripped or normalised. A reader holds one row
at a time; only whole `.json` documents are held in memory, since the largest of them (SQuAD) has some 40 MB.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from xtl.errors import DataError, UserError

_BOM = b"\xef\xbb\xbf"
HALF_A_PAIR = "an escape \\ud800 to \\udfff without its other half is no character"
#: Rows that CANON drops, by reason; complete once a reader is exhausted.
Dropped = Counter[str]


@dataclass(frozen=True, slots=True)
class Source:
    """One published file: `name` relative to the data folder `root`, with `/`, as complaints spell it."""

    root: Path
    name: str

    @property
    def path(self) -> Path:
        return self.root / self.name

    def bad(self, where: int | str, what: str) -> NoReturn:
        """Raise DataError; characters that a terminal would act on are spelled out."""
        raise DataError(_printable(self.name), where if isinstance(where, int) else _printable(where), _printable(what))

    def raw_lines(self) -> Iterator[bytes]:
        """Lines as they are, LF included; the BOM dropped."""
        try:
            with self.path.open("rb") as stream:
                # A BOM alone is no line, as no byte is none.
                if first := stream.readline().removeprefix(_BOM):
                    yield first
                yield from stream
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror}") from error

    def decode(self, line: bytes, where: int) -> str:
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            self.bad(
                where, f"byte {error.start + 1} of the line, 0x{line[error.start]:02x}, is not UTF-8: convert the file"
            )


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table or one JSON object. `index` counts rows from 0, dropped ones too; `line` counts from 1 (a
    hub's row, which is in no text file, has words there)."""

    source: Source
    line: int | str
    index: int
    cells: Mapping[str, Any]

    def bad(self, what: str) -> NoReturn:
        self.source.bad(self.line, what)

    def text(self, key: str) -> str:
        """The text under a key that must be there. Raises DataError."""
        value = self._needed(key)
        if not isinstance(value, str):
            self.bad(f"{key} is {_short(value)}, not text")
        return value

    def id(self, key: str) -> str:
        """The id under `key`; a number as its decimal string."""
        value = self._needed(key)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.bad(f"{key} is {_short(value)}, neither text nor a number")
        return str(value)

    def label(self, key: str, words: Mapping[str, str]) -> str | None:
        """The label under `key` in the canonical spelling that `words` gives; None where the file has no such key."""
        if key not in self.cells:
            return None
        value = self.cells[key]
        if not isinstance(value, str) or value not in words:
            self.bad(f"{key} is {_short(value)}, not one of: {' '.join(words)}")
        return words[value]

    def position(self, key: str, choices: int) -> int | None:
        """The 0-based position under `key`, an integer or its decimal string; None where the file has no such key."""
        if key not in self.cells:
            return None
        value = self.cells[key]
        found = [at for at in range(choices) if (type(value) is int and value == at) or value == str(at)]
        if not found:
            self.bad(f"{key} is {_short(value)}, not a position from 0 to {choices - 1}")
        return found[0]

    def _needed(self, key: str) -> Any:
        if key not in self.cells:
            self.bad(f"{key} is missing")
        return self.cells[key]


def lines(source: Source, *, empty: bool = False) -> Iterator[tuple[int, str]]:
    """(line number, text) of each line; those that are empty only if `empty`."""
    for number, raw in enumerate(source.raw_lines(), start=1):
        line = raw.removesuffix(b"\n").removesuffix(b"\r")
        if line or empty:
            yield number, source.decode(line, number)


def tsv(
    source: Source, needed: Collection[str], *, label: str | None = None, ragged: Dropped | None = None
) -> Iterator[Row]:
    """Rows of a tab-separated file with a header; quote marks are text. A row with another number of cells than the
    header is an error, or counted in `ragged` and left out."""
    header: list[str] | None = None
    index = 0
    for number, line in lines(source):
        cells = line.split("\t")
        if header is None:
            header = cells
            check_header(source, number, header, needed, label)
            continue
        if len(cells) == len(header):
            yield Row(source, number, index, dict(zip(header, cells, strict=True)))
        elif ragged is None:
            source.bad(number, f"{len(cells)} cells where the header has {len(header)}")
        else:
            ragged["cells"] += 1
        index += 1


def jsonl(source: Source, *, label: str | None = None) -> Iterator[Row]:
    """Objects of a file with one a line. `label` is in every row or in none."""
    labelled: bool | None = None
    for index, (number, line) in enumerate(lines(source)):
        value = _json(source, line, number)
        if not isinstance(value, dict):
            source.bad(number, f"not a JSON object: {_short(value)}")
        if ("\\ud" in line or "\\uD" in line) and not encodable(value):
            source.bad(number, HALF_A_PAIR)
        if label is not None:
            labelled = label in value if labelled is None else labelled
            if labelled != (label in value):
                source.bad(number, f"{label} is {'missing' if labelled else 'there'}, unlike in the rows before")
        yield Row(source, number, index, value)


def document(source: Source) -> Any:
    """The value of a whole `.json` file."""
    raw = b"".join(source.raw_lines())
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        where = raw.count(b"\n", 0, error.start) + 1
        source.bad(where, f"byte 0x{raw[error.start]:02x} is not UTF-8: convert the file")
    return _json(source, text, None)


def check_header(source: Source, line: int, header: list[str], needed: Collection[str], label: str | None) -> None:
    for name in needed:
        if name not in header:
            source.bad(line, f"no column {name}; there are: {' '.join(header)}")
    for name in (*needed, *([label] if label else [])):
        if header.count(name) > 1:
            source.bad(line, f"the column {name} is there {header.count(name)} times")


def _json(source: Source, text: str, line: int | None) -> Any:
    """A JSON value. `line` None: the text is a whole file, and complaints find the line in it."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        source.bad(error.lineno if line is None else line, f"not JSON: {error.msg}, column {error.colno}")
    except (ValueError, RecursionError) as error:
        source.bad(line or 1, f"not JSON: {error}")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def encodable(value: Any) -> bool:
    """Whether UTF-8 can carry a JSON value: an escaped half of a surrogate pair becomes a string that it cannot."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
