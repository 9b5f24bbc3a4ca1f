"""Writing files in the published formats' syntax: tab-separated with a header, JSON, JSON lines. UTF-8, LF."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def put(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def put_lines(path: Path, lines: Iterable[str]) -> None:
    put(path, "".join(f"{line}\n" for line in lines))


def put_tsv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Every row's cells in the columns' order; a column that a row has nothing for is empty."""
    put_lines(path, ["\t".join(columns), *("\t".join(str(row.get(c, "")) for c in columns) for row in rows)])


def put_json(path: Path, value: Any) -> None:
    put(path, json.dumps(value, ensure_ascii=False) + "\n")


def put_jsonl(path: Path, values: Iterable[Any]) -> None:
    put_lines(path, (json.dumps(value, ensure_ascii=False) for value in values))
