"""What a target stage leaves behind beside its manifest: predictions in XTREME's layout, and one row an item.

`predictions/<task>/test-<lang>.tsv` is the headline's; another checkpoint rule has a folder of its own,
`predictions-<rule>/`. `items.parquet` has the columns checkpoint, language, position, id and the outcome's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.context import Context
from xtl.scoring.submission import write_predictions

Examples = Sequence[Mapping[str, Any]]


def write_results(
    context: Context,
    split: str,
    examples: Mapping[str, Examples],
    predictions: Mapping[str, Mapping[str, Sequence[Any]]],
    items: Sequence[Mapping[str, Any]],
) -> None:
    """predictions: by checkpoint rule and language. Equal inputs give equal bytes."""
    task = context.spec["task"]
    for rule, by_language in predictions.items():
        folder = context.out / ("predictions" if rule == "last" else f"predictions-{rule}")
        for language, found in by_language.items():
            write_predictions(folder, task, language, found, examples=examples.get(language, ()), split=split)
    _write_items(context, items)


def _write_items(context: Context, items: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([dict(row) for row in items]), context.out / "items.parquet")
