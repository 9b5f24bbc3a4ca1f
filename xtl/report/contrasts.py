"""The named contrasts: arm against arm, by the paired differences of equal seeds. Pure.

A difference is arm minus baseline in points of the task's headline metric. Languages come in four kinds that are never
averaged together unseen: `english` (the language of fine-tuning, so no transfer), `own` (an intermediate trained this
very task in it, so it is not zero-shot), `seen` (an intermediate held text in it) and `unseen`. The headline of a task
is the mean over what is compared: the contrast's languages, or all but English, and never the `own` ones.

Seeds and test items are two sources of noise and have an interval each (see `seeds.py` and `resample.py`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from xtl.errors import UserError
from xtl.scoring.counts import mean
from xtl.scoring.items import headline
from xtl.scoring.table import Score
from xtl.scoring.xtreme import targets

if TYPE_CHECKING:
    from xtl.scoring.resample import Comparison, ItemNoise

Interval = tuple[float, float]
Kind = Literal["english", "own", "seen", "unseen"]
KINDS: tuple[Kind, ...] = ("seen", "unseen", "english", "own")


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
    """One task of a contrast. headline: None where nothing can be compared, and `hole` says why. by_kind: for each kind
    of language that there is. iqm: the interquartile mean of the headline's differences over languages and seeds;
    improvement: the probability that a run of the arm beats one of the baseline. missing: compared languages that one
    of the two lacks. chosen_layer: retrieval's difference at the chosen layer, `layer_rule` dev or oracle."""

    task: str
    split: str = ""
    headline: Figure | None = None
    hole: str = ""
    by_kind: Mapping[str, Figure]
    languages: tuple[LanguageDifference, ...] = ()
    iqm: float | None = None
    improvement: float | None = None
    missing: tuple[str, ...] = ()
    chosen_layer: Figure | None = None
    layer_rule: str = ""


@dataclass(frozen=True, kw_only=True)
class ContrastResult:
    """One named contrast on one model. overall: over its tasks, None where one is a hole. holm: `overall.p` corrected
    for all named contrasts (on every model). degenerate: runs of the two arms that predict one class."""

    name: str
    model: str
    arm: str
    against: str
    tasks: tuple[TaskDifference, ...]
    overall: Figure | None = None
    overall_iqm: float | None = None
    overall_improvement: float | None = None
    holm: float | None = None
    degenerate: tuple[str, ...] = ()

    @property
    def seeds(self) -> int:
        """The fewest seeds behind any of its figures."""
        return min((len(one.headline.by_seed) for one in self.tasks if one.headline), default=0)

    @property
    def figure(self) -> Figure | None:
        """What the contrast comes down to: its one task's difference, or that over all of them."""
        return self.tasks[0].headline if len(self.tasks) == 1 else self.overall


@dataclass(frozen=True, kw_only=True)
class _Cell:
    value: float
    zero_shot: bool
    split: str


Cells = Mapping[tuple[str, str, int, str], Mapping[str, _Cell]]  # (model, arm, seed, task) -> language

#: What `resample.item_noise` gives for a model and task, by comparison; without test items at hand, nothing.
Noise = Callable[[str, str, Mapping[str, "Comparison"]], Mapping[str, "ItemNoise"]]


def no_items(model: str, task: str, comparisons: Mapping[str, Comparison]) -> Mapping[str, ItemNoise]:
    """Intervals over seeds alone."""
    return {}


def cells(scores: Iterable[Score], checkpoint: str = "last") -> Cells:
    """The headline figure of every language by one checkpoint rule. Raises UserError for a figure that is no number."""
    metrics: dict[tuple[str, str, int, str], dict[str, dict[str, Score]]] = defaultdict(lambda: defaultdict(dict))
    for score in scores:
        if not math.isfinite(score["value"]):
            where = " ".join(
                str(score[name]) for name in ("model", "intermediate", "seed", "task", "language", "metric")
            )
            raise UserError(f"the scores table holds {score['value']} for {where} (stage {score['stage'][:12]})")
        if score["checkpoint"] == checkpoint:
            row = score["model"], score["intermediate"], score["seed"], score["task"]
            metrics[row][score["language"]][score["metric"]] = score
    return {row: {x: _cell(figures) for x, figures in languages.items()} for row, languages in metrics.items()}


def _cell(figures: Mapping[str, Score]) -> _Cell:
    one = next(iter(figures.values()))
    value = headline({metric: score["value"] for metric, score in figures.items()})
    return _Cell(value=value, zero_shot=one["zero_shot"], split=one["split"])


def compare(
    named: Sequence[Mapping[str, Any]],
    scores: Sequence[Score],
    *,
    models: Sequence[str],
    tasks: Sequence[str],
    trained_in: Mapping[str, Sequence[str]],
    setting: str = "zero-shot",
    degenerate: Sequence[Mapping[str, Any]] = (),
    noise: Noise = no_items,
) -> tuple[ContrastResult, ...]:
    """Every named contrast (name, arm, against, tasks, languages) on every model, in that order.

    tasks: the grid's targets; trained_in: the languages of each arm's intermediate. `noise` is asked task by task, so
    that it need hold the items of one task alone. Raises UserError for a contrast that names no arm, and for scores
    that are no numbers.
    """
    for one in named:
        for arm in (one["arm"], one["against"]):
            if arm not in trained_in:
                raise UserError(f"the contrast {one['name']!r} names no arm of the study: {arm!r}")
    table = cells(scores)
    layers = {rule: cells(scores, f"layer-{rule}") for rule in ("dev", "oracle")}
    found: dict[tuple[int, str], list[TaskDifference]] = defaultdict(list)
    draws: dict[tuple[int, str], list[Any]] = defaultdict(list)
    for model in models:
        for task in tasks:
            pairs = {
                index: _Pair(model=model, task=task, arm=one["arm"], against=one["against"])
                for index, one in enumerate(named)
                if _asks(one, task)
            }
            resampled = noise(model, task, _comparisons(pairs, table))
            for index, pair in pairs.items():
                held = set(trained_in[pair.arm]) | set(trained_in[pair.against])
                items = resampled.get(str(index))
                result = _task(pair, table, held, tuple(named[index]["languages"]), setting, items)
                found[index, model].append(_with_layers(result, pair, layers))
                headline = result.headline
                draws[index, model].append(items.means(headline.languages) if items and headline else None)
    results = [
        _contrast(one, model, found[index, model], draws[index, model], degenerate)
        for model in models
        for index, one in enumerate(named)
    ]
    return _corrected(results)


def _asks(one: Mapping[str, Any], task: str) -> bool:
    """Whether the contrast is over this task: it names it or none, and the task has a language that it names."""
    named = set(one["languages"])
    return (not one["tasks"] or task in one["tasks"]) and (not named or bool(named & set(targets()[task].languages)))


@dataclass(frozen=True, kw_only=True)
class _Pair:
    model: str
    task: str
    arm: str
    against: str

    def runs(self, table: Cells) -> dict[int, tuple[Mapping[str, _Cell], Mapping[str, _Cell]]]:
        """By common seed: the arm's languages and the baseline's."""
        both: dict[int, tuple[Mapping[str, _Cell], Mapping[str, _Cell]]] = {}
        for model, arm, seed, task in table:
            other = (model, self.against, seed, task)
            if (model, arm, task) == (self.model, self.arm, self.task) and other in table:
                both[seed] = table[model, arm, seed, task], table[other]
        return dict(sorted(both.items()))


def _comparisons(pairs: Mapping[int, _Pair], table: Cells) -> dict[str, Comparison]:
    from xtl.scoring.resample import Comparison

    return {
        str(index): Comparison(arm=pair.arm, against=pair.against, seeds=tuple(runs))
        for index, pair in pairs.items()
        if (runs := pair.runs(table))
    }


def _task(
    pair: _Pair, table: Cells, held: set[str], named: tuple[str, ...], setting: str, items: ItemNoise | None
) -> TaskDifference:
    """The pair on one task."""
    runs = pair.runs(table)
    if not runs:
        return TaskDifference(task=pair.task, by_kind={}, hole=_no_runs(pair, table))
    everywhere = [set(one) & set(other) for one, other in runs.values()]
    anywhere = dict.fromkeys(language for sides in runs.values() for side in sides for language in side)
    wanted = [language for language in anywhere if not named or language in named]
    common = [language for language in wanted if all(language in there for there in everywhere)]
    kinds = {language: _kind(language, runs, held, setting) for language in common}
    compared = tuple(x for x in common if kinds[x] != "own" and (named or kinds[x] != "english"))
    groups: dict[str, tuple[str, ...]] = {language: (language,) for language in common}
    groups |= {kind: found for kind in KINDS if (found := tuple(x for x in common if kinds[x] == kind))}
    if compared:
        groups["headline"] = compared
    figures = {name: _figure(runs, found, items) for name, found in groups.items()}
    split = next(iter(next(iter(runs.values()))[0].values())).split
    return TaskDifference(
        task=pair.task,
        split=split,
        headline=figures.get("headline"),
        hole=""
        if compared
        else "no language to compare: "
        + ("all are English's or the task's own" if common else "none is there in both"),
        by_kind={kind: figures[kind] for kind in KINDS if kind in figures},
        languages=tuple(_language(x, kinds[x], runs, figures[x]) for x in common),
        missing=tuple(x for x in (named or anywhere) if x not in common and x in targets()[pair.task].languages),
        **_robust(runs, compared),
    )


def _no_runs(pair: _Pair, table: Cells) -> str:
    """Why there is nothing to pair."""
    by_arm = {
        arm: sorted(s for m, a, s, t in table if (m, a, t) == (pair.model, arm, pair.task))
        for arm in (pair.arm, pair.against)
    }
    lacking = [arm for arm, found in by_arm.items() if not found]
    if lacking:
        return f"no result yet of {' and of '.join(lacking)}"
    told = "; ".join(f"{arm}: {' '.join(map(str, found))}" for arm, found in by_arm.items())
    return f"the two arms have no seed in common ({told})"


def _kind(language: str, runs: Mapping[int, Any], held: set[str], setting: str) -> Kind:
    if language == "en":
        return "english"
    arm, against = (all(sides[which][language].zero_shot for sides in runs.values()) for which in (0, 1))
    # Under translate-train a language that the target itself was trained in is so in both arms alike.
    if arm != against or (not arm and setting == "zero-shot"):
        return "own"
    return "seen" if language in held else "unseen"


def _figure(runs: Mapping[int, Any], languages: tuple[str, ...], items: ItemNoise | None = None) -> Figure:
    by_seed = {
        seed: mean(arm[x].value for x in languages) - mean(against[x].value for x in languages)
        for seed, (arm, against) in runs.items()
    }
    found = items.interval(languages) if items else None
    return with_seeds(by_seed, languages, (found.low, found.high) if found else None)


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


def _language(language: str, kind: Kind, runs: Mapping[int, Any], figure: Figure) -> LanguageDifference:
    arm, against = (mean(sides[which][language].value for sides in runs.values()) for which in (0, 1))
    return LanguageDifference(language=language, kind=kind, arm=arm, against=against, difference=figure)


def _robust(runs: Mapping[int, Any], languages: tuple[str, ...]) -> dict[str, Any]:
    """Summaries over languages and seeds that no single language decides (Agarwal et al. 2021)."""
    if not languages:
        return {}
    from xtl.scoring.summaries import interquartile_mean, probability_of_improvement

    arm, against = ([[sides[which][x].value for x in languages] for sides in runs.values()] for which in (0, 1))
    differences = [[a - b for a, b in zip(one, other, strict=True)] for one, other in zip(arm, against, strict=True)]
    return {"iqm": interquartile_mean(differences), "improvement": probability_of_improvement(arm, against)}


def _with_layers(result: TaskDifference, pair: _Pair, layers: Mapping[str, Cells]) -> TaskDifference:
    """Retrieval's difference at the chosen layer beside that at the fixed one, in the same languages."""
    if result.headline is None:
        return result
    for rule, table in layers.items():
        runs = {seed: sides for seed, sides in pair.runs(table).items() if seed in result.headline.by_seed}
        if runs:
            return replace(result, chosen_layer=_figure(runs, result.headline.languages), layer_rule=rule)
    return result


def _contrast(
    one: Mapping[str, Any],
    model: str,
    tasks: Sequence[TaskDifference],
    draws: Sequence[Any],
    degenerate: Sequence[Mapping[str, Any]],
) -> ContrastResult:
    stuck = tuple(
        f"{run['intermediate']} seed {run['seed']} {run['task']} ({' '.join(run['languages'])})"
        for run in degenerate
        if run["model"] == model
        and run["intermediate"] in (one["arm"], one["against"])
        and run["task"] in {task.task for task in tasks}
    )
    return ContrastResult(
        name=one["name"],
        model=model,
        arm=one["arm"],
        against=one["against"],
        tasks=tuple(tasks),
        degenerate=stuck,
        **_overall(tasks, draws),
    )


def _overall(tasks: Sequence[TaskDifference], draws: Sequence[Any]) -> dict[str, Any]:
    """Over all tasks, each counting as much; None where one is a hole or no seed is common to all."""
    headlines = [task.headline for task in tasks if task.headline]
    common = [s for s in (headlines[0].by_seed if headlines else ()) if all(s in one.by_seed for one in headlines)]
    if len(headlines) < len(tasks) or not common:
        return {}
    by_seed = {seed: mean(one.by_seed[seed] for one in headlines) for seed in common}
    items = None
    if all(found is not None for found in draws) and all(len(one.by_seed) == len(common) for one in headlines):
        from xtl.scoring.resample import percentile_interval

        found = percentile_interval(0.0, sum(draws[1:], draws[0]) / len(draws))
        items = found.low, found.high
    languages = tuple(dict.fromkeys(language for one in headlines for language in one.languages))
    return {
        "overall": with_seeds(by_seed, languages, items),
        "overall_iqm": mean(task.iqm for task in tasks if task.iqm is not None),
        "overall_improvement": mean(task.improvement for task in tasks if task.improvement is not None),
    }


def _corrected(results: Sequence[ContrastResult]) -> tuple[ContrastResult, ...]:
    """Holm's step-down over what the contrasts come down to, and nothing else."""
    from xtl.scoring.summaries import holm

    tested = {str(at): one.figure.p for at, one in enumerate(results) if one.figure and one.figure.p is not None}
    corrected = holm(tested)
    return tuple(replace(one, holm=corrected.get(str(at))) for at, one in enumerate(results))
