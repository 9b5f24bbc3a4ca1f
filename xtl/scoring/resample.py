"""Item noise: would the difference stand on another test set of the same kind? A paired bootstrap over items.

The trained models are fixed: what is drawn, with replacement, are test items, the same ones for arm, baseline and every
seed. Where test sets are parallel (the same sentences or questions in several languages) one draw serves all
languages, since an item that is hard in German is hard in French, and a mean over languages gains little from them;
elsewhere each language is drawn by itself. The interval is the percentile interval of the difference of headline
scores, averaged over the seeds, in percentage points. What other seeds would change is in `seeds.py`; the two
intervals stand side by side, never in one.

A resample is a row of counts, how often each item was drawn (exactly multinomial), and a score is made of weighted
sums, so that a block of resamples is one product of matrices: [resamples, items] x [items, columns]. Accuracy and QA
need one column a comparison and language, for a difference of means over seeds is a mean of differences; micro-F1 needs
the counts of every run. Counts and hits are whole numbers, exact in float32 below 2^24, so that results do not depend
on how BLAS adds.

Not covered: items that hang together (questions of one paragraph, sentences of one document) are drawn as if apart,
which makes the intervals of QA a little narrow.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from xtl.errors import UserError
from xtl.scoring.aligned import Aligned, Run, Runs, align, drawn_together, rows_of
from xtl.scoring.claims import LEVEL
from xtl.scoring.counts import mean
from xtl.scoring.items import outcome_of
from xtl.scoring.run_items import Numbers
from xtl.scoring.seeds import Floats

RESAMPLES = 10_000
_THREADS = 4  # at most
_BLOCK = 1 << 21  # counts of one block: 8 MB in float32, 16 MB while they are drawn
_EXACT = 1 << 24  # float32 holds every whole number up to here


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Arm against baseline at the seeds that both have."""

    arm: str
    against: str
    seeds: tuple[int, ...]

    @property
    def runs(self) -> list[Run]:
        return [(side, seed) for side in (self.arm, self.against) for seed in self.seeds]


@dataclass(frozen=True, kw_only=True)
class ItemInterval:
    """A difference and its percentile interval over resampled test items, in percentage points."""

    mean: float
    low: float
    high: float
    level: float = LEVEL


@dataclass(frozen=True, kw_only=True)
class ItemNoise:
    """One comparison on one task, its seeds fixed. Percentage points.

    differences: by language, on the items as they are. draws: [languages, resamples], the same on resampled items.
    """

    task: str
    seeds: tuple[int, ...]
    differences: Mapping[str, float]
    draws: Floats = field(repr=False)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.differences)

    def interval(self, languages: Sequence[str] | None = None, *, level: float = LEVEL) -> ItemInterval:
        """Of the unweighted mean over these languages, or all. Raises ValueError for a language that is not there."""
        chosen = self.languages if languages is None else tuple(languages)
        rows = [self.languages.index(language) for language in chosen]
        middle = mean(self.differences[self.languages[row]] for row in rows)
        return percentile_interval(middle, self.means(chosen), level=level)

    def means(self, languages: Sequence[str] | None = None) -> Floats:
        """[resamples]: the mean over these languages, or all, in each resample."""
        chosen = self.languages if languages is None else tuple(languages)
        return self.draws[[self.languages.index(language) for language in chosen]].mean(axis=0)


def percentile_interval(middle: float, draws: Floats, *, level: float = LEVEL) -> ItemInterval:
    """Of a difference and what it was in each resample, [resamples]. For a mean over tasks, draws is the mean of their
    `means()`: tasks are drawn apart."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return ItemInterval(mean=middle, low=float(low), high=float(high), level=level)


def item_noise(
    task: str,
    runs: Runs,
    comparisons: Mapping[str, Comparison],
    *,
    resamples: int = RESAMPLES,
    draw_seed: int = 0,
) -> dict[str, ItemNoise]:
    """All comparisons of one task in one pass, by name. They share their draws; equal seeds give equal draws.

    runs: looked up once each and not kept, so that a mapping may read them when asked. Raises UserError for a run that
    is not there, for runs of a language that hold other items, and for a comparison without seeds or languages that all
    its runs hold.
    """
    for name, one in comparisons.items():
        if not one.seeds:
            raise UserError(f"contrast {name}, {task}: {one.arm} and {one.against} have no seed in common")
    wanted = list(dict.fromkeys(run for one in comparisons.values() for run in one.runs))
    aligned = align(task, runs, wanted)
    columns = _micro_f1 if outcome_of(task) in ("spans", "pairs") else _ratios
    groups = drawn_together(task, aligned.ids)
    order = [language for group in groups for language in group]
    common = {name: _common(aligned, order, name, one) for name, one in comparisons.items()}

    def resampled(group: tuple[str, ...]) -> Floats:
        found = columns(aligned, group, list(comparisons.values()))
        return _resampled(found, resamples, _generator(draw_seed, task, group))

    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:  # numpy works outside Python's lock
        draws = np.concatenate(list(pool.map(resampled, groups)), axis=1)
    return {
        name: ItemNoise(
            task=task,
            seeds=one.seeds,
            differences={language: _difference(aligned, one, language) for language in common[name]},
            draws=draws[place, [order.index(language) for language in common[name]]],
        )
        for place, (name, one) in enumerate(comparisons.items())
    }


def _common(aligned: Aligned, order: Sequence[str], name: str, one: Comparison) -> list[str]:
    """The languages that all runs of the comparison hold."""
    found = [language for language in order if all(language in aligned.values[run] for run in one.runs)]
    if not found:
        raise UserError(f"contrast {name}: {one.arm} and {one.against} have no language in common")
    return found


def _difference(aligned: Aligned, one: Comparison, language: str) -> float:
    scores = aligned.scores
    return mean(scores[one.arm, s][language] - scores[one.against, s][language] for s in one.seeds)


def _generator(draw_seed: int, task: str, group: Sequence[str]) -> np.random.Generator:
    """A stream of its own for each group, so that a task's draws hang neither on other tasks nor on their order."""
    return np.random.default_rng([draw_seed, zlib.crc32(f"{task} {' '.join(group)}".encode())])


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """matrix: [items, columns]. differences: weighted sums, [resamples, columns], to points, [comparisons, languages,
    resamples]."""

    matrix: Numbers
    differences: Callable[[Floats], Floats]


def _ratios(aligned: Aligned, group: Sequence[str], comparisons: Sequence[Comparison]) -> _Columns:
    """Accuracy, and QA's mean of EM and F1: a column of denominators a language, then one a comparison and language of
    arm minus baseline, summed over the seeds."""
    items, places = rows_of([aligned.ids[language] for language in group])
    below = np.zeros((items, len(group)))
    above = np.zeros((items, len(comparisons), len(group)))
    for column, (language, rows) in enumerate(zip(group, places, strict=True)):
        below[rows, column] = aligned.below[language]
        for row, one in enumerate(comparisons):
            sides = [(aligned.values[one.arm, seed], aligned.values[one.against, seed]) for seed in one.seeds]
            if all(language in side for pair in sides for side in pair):
                above[rows, row, column] = sum(arm[language] - against[language] for arm, against in sides)
    seeds = np.array([len(one.seeds) for one in comparisons])

    def differences(sums: Floats) -> Floats:
        gains = sums[:, len(group) :].reshape(len(sums), len(comparisons), len(group))
        return (100 * gains / sums[:, None, : len(group)] / seeds[:, None]).transpose(1, 2, 0)

    return _Columns(matrix=np.concatenate([below, above.reshape(items, -1)], axis=1), differences=differences)


def _micro_f1(aligned: Aligned, group: Sequence[str], comparisons: Sequence[Comparison]) -> _Columns:
    """F1 of summed counts, for one language: the column of gold counts, then correct and predicted of every run."""
    (language,) = group
    runs = [run for run, held in aligned.values.items() if language in held]
    matrix = np.concatenate(
        [aligned.below[language][:, None], *(aligned.values[run][language] for run in runs)], axis=1, dtype=np.float64
    )
    place = {run: number for number, run in enumerate(runs)}

    def differences(sums: Floats) -> Floats:
        correct, found = sums[:, 1::2], sums[:, 2::2] + sums[:, :1]
        f1 = 200 * correct / np.maximum(found, 1)  # nothing found and nothing there: 0, as seqeval has it
        points = np.zeros((len(comparisons), 1, len(sums)))
        for row, one in enumerate(comparisons):
            if all(run in place for run in one.runs):
                arm, against = (f1[:, [place[side, seed] for seed in one.seeds]] for side in (one.arm, one.against))
                points[row, 0] = (arm - against).mean(axis=1)
        return points

    return _Columns(matrix=matrix, differences=differences)


def _resampled(columns: _Columns, resamples: int, rng: np.random.Generator) -> Floats:
    """[comparisons, languages, resamples] points."""
    return np.concatenate(
        [columns.differences(sums) for sums in _weighted_sums(columns.matrix, resamples, rng)], axis=2
    )


def _weighted_sums(matrix: Numbers, resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Blocks of resamples, [some, columns]."""
    items = len(matrix)
    whole = np.array_equal(matrix, np.trunc(matrix)) and items * np.abs(matrix).max() < _EXACT
    matrix = matrix.astype(np.float32) if whole else matrix
    block = min(resamples, max(1, _BLOCK // items))
    counts = np.empty((block, items), dtype=matrix.dtype)
    for begin in range(0, resamples, block):
        part = counts[: resamples - begin]
        _multinomial(part, rng)
        yield (part @ matrix).astype(np.float64)


def _multinomial(counts: Numbers, rng: np.random.Generator) -> None:
    """Fills [resamples, items]: how often each item comes up in as many draws, with replacement, as there are items."""
    items = counts.shape[1]
    for row, drawn in zip(counts, rng.integers(0, items, size=counts.shape), strict=True):
        row[:] = np.bincount(drawn, minlength=items)
