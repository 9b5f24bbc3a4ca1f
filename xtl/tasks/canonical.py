"""The canonical form of examples: a line to the byte, a listing's summary, and the Parquet file that a store keeps.

A listing's sha256 is over its canonical lines and the same before and after Parquet. The Parquet files are made with
fixed options, so one pyarrow version writes the same bytes from the same examples; across versions only the examples
are the same. Writing holds one row group; reading holds a file's Arrow columns (MNLI: some 80 MB) and makes Python
objects of an example only when it is asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from xtl.errors import Corrupt, MissingPackage
from xtl.tasks.base import Example, Form, Listing
from xtl.tasks.formats import lengths

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP = 8192  # examples a row group: some 8 MB of SQuAD's contexts


def line(example: Example) -> bytes:
    """One example as the digest sees it: sorted keys, no spaces, UTF-8, LF."""
    return (json.dumps(example, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


class Tally:
    """What a listing's summary is made of, one example at a time."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._examples = 0
        self._labels: Counter[str] = Counter()
        self._sha256 = hashlib.sha256()

    def add(self, example: Example) -> None:
        self._examples += 1
        self._sha256.update(line(example))
        if self._form == "tagging":
            self._labels.update(example["tags"])
        elif self._form == "span":
            self._labels["answerable" if example["answers"] else "impossible"] += 1
        elif self._form in ("pair", "choice"):
            self._labels["null" if example["label"] is None else str(example["label"])] += 1

    def summary(self) -> dict[str, Any]:
        """{"examples": n, "labels": {label: n}, "sha256": hex}, labels sorted."""
        labels = dict(sorted(self._labels.items()))
        return {"examples": self._examples, "labels": labels, "sha256": self._sha256.hexdigest()}


def summarise(listing: Listing) -> dict[str, Any]:
    """Read a whole listing: {"examples", "labels", "sha256"}. Raises DataError."""
    tally = Tally(listing.form)
    for example in listing.read():
        tally.add(example)
    return tally.summary()


def write_parquet(examples: Iterable[Example], form: Form, path: Path) -> dict[str, Any]:
    """Stream examples into a Parquet file in canonical form; their summary, and with it `characters`: how long each of
    an example's texts is in the mean (`lengths.shape`), for estimates. Interrupted, it leaves a broken file."""
    pq = _pyarrow_parquet()
    import pyarrow as pa

    schema = _schema(form)
    tally, mean = Tally(form), lengths.Mean(form)
    remaining = iter(examples)
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=3,
        version="2.6",
        data_page_version="1.0",
        store_schema=False,
    ) as writer:
        while group := list(islice(remaining, _GROUP)):
            for example in group:
                tally.add(example)
                mean.add(example)
            writer.write_table(pa.Table.from_pylist(group, schema=schema), row_group_size=_GROUP)
    return {**tally.summary(), "characters": mean.texts()}


class Examples(Sequence[Example]):
    """A listing in memory as Arrow columns; each example becomes a dict when it is asked for."""

    def __init__(self, table: pa.Table) -> None:
        self._rows = table.num_rows
        self._table = table
        self._columns = {name: table.column(name) for name in table.column_names}

    def __len__(self) -> int:
        return self._rows

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(self._rows))]
        if not -self._rows <= index < self._rows:
            raise IndexError(f"example {index} of {self._rows}")
        return {name: column[index].as_py() for name, column in self._columns.items()}

    def __iter__(self) -> Iterator[Example]:
        for batch in self._table.to_batches(max_chunksize=1024):
            yield from batch.to_pylist()


def read_parquet(path: Path) -> Examples:
    """The examples of a file that `write_parquet` made. Raises Corrupt where it cannot be read as one."""
    pq = _pyarrow_parquet()
    import pyarrow as pa

    try:
        table = pq.read_table(path, use_threads=False)
    except pa.ArrowInvalid as error:
        raise Corrupt(f"{path} is not a whole Parquet file: {error}") from error
    # One chunk a column, so that a position is found without a search; text beyond 2 GB needs 64-bit offsets.
    fields = [pa.field(field.name, pa.large_string()) if field.type == pa.string() else field for field in table.schema]
    return Examples(table.cast(pa.schema(fields)).combine_chunks())


def _pyarrow_parquet() -> Any:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingPackage("pyarrow", "report") from error
    return pq


def _schema(form: Form) -> pa.Schema:
    import pyarrow as pa

    def need(name: str, kind: pa.DataType) -> pa.Field:
        return pa.field(name, kind, nullable=False)

    texts = pa.list_(need("element", pa.string()))
    answer = pa.struct([need("text", pa.string()), need("start", pa.int64())])
    fields: dict[str, dict[str, pa.DataType]] = {
        "pair": {"id": pa.string(), "text_a": pa.string(), "text_b": pa.string()},
        "tagging": {"id": pa.string(), "tokens": texts, "tags": texts},
        "span": {
            "id": pa.string(),
            "question": pa.string(),
            "context": pa.string(),
            "answers": pa.list_(need("element", answer)),
        },
        "choice": {"id": pa.string(), "context": pa.string(), "question": pa.string(), "choices": texts},
        "sentence": {"id": pa.string(), "text": pa.string()},
        "text": {"id": pa.string(), "text": pa.string()},
        "gold": {"source": pa.string(), "target": pa.string()},
    }
    labels = {"pair": [pa.field("label", pa.string())], "choice": [pa.field("label", pa.int64())]}
    return pa.schema([need(name, kind) for name, kind in fields[form].items()] + labels.get(form, []))
