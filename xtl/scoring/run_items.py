"""One run's items as columns: `items.parquet` without a Python object for each of its hundreds of thousands of rows.

`items.py` says what the rows are and what they add up to; here are the same figures from arrays, equal to the last
digit, for what reads many runs at once (resampling). Numbers only: texts and predictions are elsewhere.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xtl.errors import UserError
from xtl.scoring.counts import mean, precision_recall_f1
from xtl.scoring.items import headline, outcome_of

Numbers = npt.NDArray[Any]

#: The columns of each outcome (see items.py).
COUNTS = ("n_correct", "n_predicted", "n_gold")
COLUMNS = {"choice": ("correct",), "qa": ("em", "f1"), "spans": COUNTS, "pairs": COUNTS, "tokens": COUNTS}


@dataclass(frozen=True, kw_only=True)
class Items:
    """One language of one run. ids: [items], strings; columns: the outcome's, [items] each, in the order of the test
    set (BUCC: of the gold pairs, then of what was only predicted)."""

    ids: Numbers
    columns: Mapping[str, Numbers]

    def __len__(self) -> int:
        return len(self.ids)


def score(task: str, items: Items) -> float:
    """The headline figure in percent: `items.headline(items.aggregate(task, rows))`, to the last digit."""
    kind, columns = outcome_of(task), items.columns
    if kind == "choice":
        return headline({"accuracy": int(columns["correct"].sum()) / len(items) * 100})
    if kind == "qa":
        em, f1 = (mean(columns[name].tolist()) * 100 for name in ("em", "f1"))
        return headline({"exact_match": em, "f1": f1})
    correct, predicted, gold = (int(columns[name].sum()) for name in COUNTS)
    if kind == "tokens":
        return headline({"accuracy": correct / gold * 100})
    return headline(precision_recall_f1(correct, predicted, gold))


def read_items(task: str, data: bytes, *, rule: str = "last", of: str) -> dict[str, Items]:
    """The languages of one stage's `items.parquet`, at one checkpoint rule. `of` names the stage in errors.

    Raises UserError where the file lacks a column or holds no items of the rule.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = COLUMNS[outcome_of(task)]
    file = pq.ParquetFile(io.BytesIO(data))
    if missing := {"checkpoint", "language", "id", *names} - set(file.schema_arrow.names):
        raise UserError(f"{of}: its items have no column {', '.join(sorted(missing))}: run the stage again")
    table = file.read(columns=["checkpoint", "language", "id", *names])
    table = table.filter(pc.equal(table["checkpoint"], rule))
    if not len(table):
        raise UserError(f"{of}: no items at the checkpoint rule {rule}")
    languages = table["language"].combine_chunks().dictionary_encode()
    order = np.argsort(codes := languages.indices.to_numpy(), kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(languages.dictionary)), side="right").tolist()
    columns = {name: table[name].to_numpy()[order] for name in ("id", *names)}
    found = {}
    for language, begin, end in zip(languages.dictionary.to_pylist(), [0, *ends], ends, strict=False):
        part = {name: columns[name][begin:end] for name in names}
        found[language] = _checked(Items(ids=columns["id"][begin:end], columns=part), f"{of} {language}")
    return found


def _checked(items: Items, of: str) -> Items:
    for name, column in items.columns.items():
        if column.dtype == object or not np.isfinite(column).all():
            raise UserError(f"{of}: column {name} of its items holds something that is no number: run the stage again")
    return items
