"""Features in columns: a data set's inputs as one Arrow file, mapped into memory.

A list of features holds every word piece as a Python number, nine times the bytes; a file of columns is read where it
is needed, and is what `tokenised.py` keeps in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa

from jobs.families.base import Feature


class Features(Sequence[Feature]):
    """What a file of columns holds; each feature is made when it is asked for, its lists as numpy arrays.

    examples: (features,), each feature's `example`.
    """

    def __init__(self, path: Path) -> None:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self._columns = {name: _reader(table.column(name).combine_chunks()) for name in table.column_names}
        self._extra = [name for name in table.column_names if name.startswith("extra.")]
        self.examples = table.column("example").to_numpy()

    def __len__(self) -> int:
        return len(self.examples)

    @overload
    def __getitem__(self, index: int) -> Feature: ...
    @overload
    def __getitem__(self, index: slice) -> list[Feature]: ...
    def __getitem__(self, index: int | slice) -> Feature | list[Feature]:
        if isinstance(index, slice):
            return [self._feature(place) for place in range(*index.indices(len(self)))]
        return self._feature(range(len(self))[index])

    def __iter__(self) -> Iterator[Feature]:
        return map(self._feature, range(len(self)))

    def _feature(self, place: int) -> Feature:
        read = self._columns
        return Feature(
            example=int(self.examples[place]),
            pieces=read["pieces"](place),
            segments=read["segments"](place),
            labels=read["labels"](place),
            units=float(read["units"](place)),
            extra={name.removeprefix("extra."): _shaped(name, read[name](place)) for name in self._extra},
        )


def write(features: Sequence[Feature], path: Path) -> None:
    """The file that `Features` reads."""
    names = features[0].extra.keys() if features else ()
    columns = {
        "example": pa.array([f.example for f in features], pa.int32()),
        "pieces": _lists([f.pieces for f in features]),
        "segments": _lists([f.segments for f in features]),
        "labels": _either([f.labels for f in features]),
        "units": pa.array([f.units for f in features], pa.float32()),
        **{f"extra.{name}": _either([f.extra[name] for f in features]) for name in names},
    }
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _either(values: list[Any]) -> pa.Array:
    """Numbers, or lists of them, or arrays of two columns."""
    some = next((value for value in values if value is not None), None)
    return pa.array(values, pa.int32()) if some is None or isinstance(some, int) else _lists(values)


def _lists(values: Sequence[Any]) -> pa.Array:
    absent = [value is None for value in values]
    arrays = [np.empty(0, np.int32) if value is None else np.asarray(value, np.int32).ravel() for value in values]
    edges = np.concatenate([[0], np.cumsum([len(one) for one in arrays])]).astype(np.int64)
    flat = np.concatenate([np.empty(0, np.int32), *arrays])
    return pa.LargeListArray.from_arrays(pa.array(edges), pa.array(flat), mask=pa.array(absent, pa.bool_()))


def _reader(column: pa.Array) -> Callable[[int], Any]:
    """What gives the value at a place, without copying the column."""
    gone = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    if pa.types.is_large_list(column.type):
        edges, flat = column.offsets.to_numpy(), column.values.to_numpy()

        def read(place: int) -> Any:
            return None if gone is not None and gone[place] else flat[edges[place] : edges[place + 1]]

        return read
    numbers = column.fill_null(0).to_numpy()
    return lambda place: None if gone is not None and gone[place] else numbers[place].item()


def _shaped(name: str, value: Any) -> Any:
    """Character offsets have two columns."""
    return value.reshape(-1, 2) if name == "extra.spans" else value
