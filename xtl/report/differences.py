"""What a contrast comes to: differences in points, by task and kind of language. Pure.

A difference is arm minus baseline in points of the task's headline metric. The headline of a task is the mean over what
is compared: the contrast's languages, or all but English. Beside it every kind of language has a figure of its own:

    seen, seen-by-both, seen-by-baseline   text of it was in the arm's intermediate, in both, in the baseline's
    unseen                                 in neither
    trained    the target itself was trained in it under either arm (translate-train alone)
    english    the language of fine-tuning, so no transfer
    own        an intermediate trained this very task in it: not zero-shot, and in no headline

Seeds and test items are two sources of noise and have an interval each (see `seeds.py` and `resample.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Interval = tuple[float, float]


Kind = Literal["seen", "seen-by-both", "seen-by-baseline", "unseen", "trained", "english", "own"]


KINDS: tuple[Kind, ...] = ("seen", "seen-by-both", "seen-by-baseline", "unseen", "trained", "english", "own")


#: Those that a headline is over where the contrast names no languages.
COMPARED: tuple[Kind, ...] = KINDS[:5]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A difference in points, the mean over the seeds and, within a seed, over the languages. by_seed: paired, by seed.
    seeds: the 95 % interval of the paired t statistic, None with one seed; items: that over test items with these seeds
    given, None where the items are not at hand. p: two-sided, of the paired t test, sign_p of the exact sign-flip test,
    None with one seed."""

    value: float
    by_seed: Mapping[int, float]
    languages: tuple[str, ...]
    seeds: Interval | None = None
    items: Interval | None = None
    p: float | None = None
    sign_p: float | None = None


@dataclass(frozen=True, kw_only=True)
class LanguageDifference:
    """One language of one task. arm and against: their scores, means over the common seeds."""

    language: str
    kind: Kind
    arm: float
    against: float
    difference: Figure


@dataclass(frozen=True, kw_only=True)
class TaskDifference:
    """One task of a contrast. headline: None where nothing is compared, and `hole` says why: a result is missing, or,
    `excluded`, the task has nothing to compare and never will. by_kind: for each kind of language that there is. iqm:
    the interquartile mean of the headline's differences over languages and seeds; improvement: the probability that a
    run of the arm beats one of the baseline. missing: compared languages that one of the two lacks. chosen_layer:
    retrieval's difference at the chosen layer, `layer_rule` dev or oracle."""

    task: str
    split: str = ""
    headline: Figure | None = None
    hole: str = ""
    excluded: bool = False
    by_kind: Mapping[str, Figure]
    languages: tuple[LanguageDifference, ...] = ()
    iqm: float | None = None
    improvement: float | None = None
    missing: tuple[str, ...] = ()
    chosen_layer: Figure | None = None
    layer_rule: str = ""


@dataclass(frozen=True, kw_only=True)
class ContrastResult:
    """One named contrast on one model; or across two, where `base` is the baseline's, and arm and against say which is
    whose. overall: over its tasks, each counting as much, at the seeds that are common to
    all; None where a result is missing. without_retrieval: the same less Tatoeba and BUCC, where it is over others,
    too. overall_by_kind: over the tasks that have each of these kinds, where several tasks have several kinds.
    overall_iqm, overall_improvement: means over the tasks of theirs, None where their seeds differ. holm: what
    `figure.p` is, corrected for all named contrasts on every model, those that have no result yet included.
    degenerate: runs behind its figures that predict one class in a compared language, a phrase each."""

    name: str
    model: str
    arm: str
    against: str
    tasks: tuple[TaskDifference, ...]
    overall: Figure | None = None
    without_retrieval: Figure | None = None
    overall_by_kind: Mapping[str, Figure]
    overall_iqm: float | None = None
    overall_improvement: float | None = None
    holm: float | None = None
    degenerate: tuple[str, ...] = ()
    base: str = ""

    @property
    def seeds(self) -> int:
        """How many seeds its figure is over; while that is not there, the fewest of any task."""
        figures = [self.figure] if self.figure else [task.headline for task in self.tasks]
        return min((len(one.by_seed) for one in figures if one), default=0)

    @property
    def figure(self) -> Figure | None:
        """What the contrast comes down to: its one task's difference, or that over all of them."""
        return self.tasks[0].headline if len(self.tasks) == 1 else self.overall


def with_seeds(by_seed: Mapping[int, float], languages: tuple[str, ...], items: Interval | None = None) -> Figure:
    """The figure that paired differences by seed make."""
    from xtl.scoring.seeds import seed_noise

    found = seed_noise(by_seed, of="a contrast")
    both = None if found.low is None or found.high is None else (found.low, found.high)
    return Figure(
        value=found.mean,
        by_seed=dict(by_seed),
        languages=languages,
        seeds=both,
        items=items,
        p=found.p if both else None,
        sign_p=found.sign_flip_p if both else None,
    )
