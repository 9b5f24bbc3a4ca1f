"""Many runs' items of one task laid side by side: the same item in the same row, for every arm, seed and language.

Within a language the runs must hold the same items in the same order; only BUCC's are joined by id, where a run that
lacks a row predicted nothing for that sentence. Across languages items are joined by id, the k-th of equal ids with the
k-th, and only in tasks whose test sets are parallel: equal row numbers of two unrelated test sets mean nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xtl.errors import UserError
from xtl.scoring.items import outcome_of
from xtl.scoring.run_items import Items, Numbers, score

Run = tuple[str, int]  # arm, seed
Runs = Mapping[Run, Mapping[str, Items]]  # by language

#: XNLI, PAWS-X and XQuAD are whole translations; a question of MLQA is asked in four languages on average (Lewis et
#: al. 2020, abstract).
PARALLEL = frozenset({"xnli", "pawsx", "xquad", "mlqa"})
#: A language with fewer items could be missed altogether by a draw from all languages' items together.
FEW = 30


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """One task. ids: by language, [items]. below: by language, what an item adds to the score's denominator, [items]
    (1; in token accuracy and micro-F1 its gold count). values: by run and language, [items] hits or mean of EM and F1,
    or in micro-F1 [items, 2] correct and predicted. scores: the headline figures on the items as they are."""

    ids: Mapping[str, Numbers]
    below: Mapping[str, Numbers]
    values: Mapping[Run, Mapping[str, Numbers]]
    scores: Mapping[Run, Mapping[str, float]]


def align(task: str, runs: Runs, wanted: Sequence[Run]) -> Aligned:
    """Each wanted run is looked up once. Raises UserError for one that is not there, and where the items of two runs
    differ; a language that some run lacks is no error here."""
    ids: dict[str, Numbers] = {}
    below: dict[str, Numbers] = {}
    values: dict[Run, dict[str, Numbers]] = {}
    scores: dict[Run, dict[str, float]] = {}
    held = _joined_by_id(runs, wanted) if outcome_of(task) == "pairs" else runs
    for run in wanted:
        languages = held.get(run)
        if languages is None:
            raise UserError(f"{task}: {_name(run)} has no items: run the study first, or drop the contrast")
        values[run], scores[run] = {}, {}
        for language, items in languages.items():
            if not len(items):
                raise UserError(f"{task} {language}: {_name(run)} has no items")
            weight, value = _figures(task, items)
            first = ids.setdefault(language, items.ids)
            same = np.array_equal(first, items.ids) and np.array_equal(below.setdefault(language, weight), weight)
            if not same:
                raise UserError(
                    f"{task} {language}: {_name(run)} was scored on other items ({len(items)}) than the runs before it "
                    f"({len(first)}): their data differ, so they cannot be compared"
                )
            values[run][language], scores[run][language] = value, score(task, items)
    return Aligned(ids=ids, below=below, values=values, scores=scores)


def _name(run: Run) -> str:
    return f"{run[0]} seed {run[1]}"


def _figures(task: str, items: Items) -> tuple[Numbers, Numbers]:
    """What an item adds to the denominator, and its values (see `Aligned`)."""
    kind, columns = outcome_of(task), items.columns
    if kind == "choice":
        return np.ones(len(items), dtype=np.int8), columns["correct"].astype(np.int8)
    if kind == "qa":
        return np.ones(len(items), dtype=np.int8), (columns["em"] + columns["f1"]) / 2
    gold, correct = columns["n_gold"].astype(np.int32), columns["n_correct"].astype(np.int32)
    if kind == "tokens":
        return gold, correct
    return gold, np.stack([correct, columns["n_predicted"].astype(np.int32)], axis=1)


def _joined_by_id(runs: Runs, wanted: Sequence[Run]) -> Runs:
    """All ids that any run has, by language, in the order of the first run that has them; rows of zeros where a run
    lacks one. (A source sentence with a gold pair is in every run, so a run whose gold differs is still found out.)"""
    held = {run: languages for run in wanted if (languages := runs.get(run)) is not None}
    known: dict[str, dict[str, int]] = {}
    for languages in held.values():
        for language, items in languages.items():
            rows = known.setdefault(language, {})
            for identifier in items.ids.tolist():
                rows.setdefault(identifier, len(rows))
    return {
        run: {language: _spread(items, known[language]) for language, items in languages.items()}
        for run, languages in held.items()
    }


def _spread(items: Items, rows: Mapping[str, int]) -> Items:
    places = [rows[identifier] for identifier in items.ids.tolist()]
    columns = {}
    for name, column in items.columns.items():
        columns[name] = np.zeros(len(rows), dtype=column.dtype)
        columns[name][places] = column
    return Items(ids=np.array(list(rows), dtype=object), columns=columns)


def drawn_together(task: str, ids: Mapping[str, Numbers]) -> list[tuple[str, ...]]:
    """The languages in groups that share their draws, in their order; a language by itself is a group of one.

    In parallel tasks all languages with the same ids; where they overlap in part (MLQA, or a sample of the data), those
    that share an id with another and have at least 30 items.
    """
    if task not in PARALLEL:
        return [(language,) for language in ids]
    sets = {language: set(column.tolist()) for language, column in ids.items()}
    if all(one == next(iter(sets.values())) for one in sets.values()):
        return [tuple(ids)]
    times = Counter(identifier for one in sets.values() for identifier in one)
    joint = tuple(
        language
        for language, one in sets.items()
        if len(ids[language]) >= FEW and any(times[identifier] > 1 for identifier in one)
    )
    alone: list[tuple[str, ...]] = [(language,) for language in ids if language not in joint]
    return [joint, *alone] if joint else alone


def rows_of(columns: Sequence[Numbers]) -> tuple[int, list[Numbers]]:
    """How many different items several languages' ids (one array each) are, and the row of each language's items."""
    rows: dict[tuple[str, int], int] = {}
    places = []
    for ids in columns:
        seen: Counter[str] = Counter()
        found = np.empty(len(ids), dtype=np.int64)
        for position, identifier in enumerate(ids.tolist()):
            found[position] = rows.setdefault((identifier, seen[identifier]), len(rows))
            seen[identifier] += 1
        places.append(found)
    return len(rows), places
