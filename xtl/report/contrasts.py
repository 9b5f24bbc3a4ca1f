"""The named contrasts: arm against arm, by the paired differences of equal seeds. Pure.

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

import math
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
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
    planned: Container[tuple[str, str, str]] | None = None,
) -> tuple[ContrastResult, ...]:
    """Every named contrast (name, arm, against, tasks, languages, and where they are given model and against_model) on
    every model that it is about, in that order.

    tasks: the grid's targets; trained_in: the languages of each arm's intermediate. `noise` is asked task by task, so
    that it need hold the items of one task alone. planned: the study's rows (model, arm, task), where not every arm has
    every target; what a side will never have is not compared. Raises UserError for a contrast that names no arm, and
    for scores that are no numbers.
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
                index: _Pair(
                    model=model,
                    task=task,
                    arm=one["arm"],
                    against=one["against"],
                    base=one.get("against_model") or model,
                )
                for index, one in enumerate(named)
                if _asks(one, task) and _is_about(one, model) and _both(one, model, task, planned)
            }
            resampled = noise(model, task, _comparisons(pairs, table))
            for index, pair in pairs.items():
                held = set(trained_in[pair.arm]), set(trained_in[pair.against])
                items = resampled.get(str(index))
                result = _task(pair, table, held, tuple(named[index]["languages"]), setting, items)
                found[index, model].append(_with_layers(result, pair, layers))
                headline = result.headline
                draws[index, model].append(items.means(headline.languages) if items and headline else None)
    results = [
        _contrast(one, model, found[index, model], draws[index, model], degenerate, several=len(models) > 1)
        for model in models
        for index, one in enumerate(named)
        if _is_about(one, model) and (planned is None or (index, model) in found)
    ]
    return _corrected(results)


def _asks(one: Mapping[str, Any], task: str) -> bool:
    """Whether the contrast is over this task: it names it or none, and the task has a language that it names."""
    named = set(one["languages"])
    return (not one["tasks"] or task in one["tasks"]) and (not named or bool(named & set(targets()[task].languages)))


def _is_about(one: Mapping[str, Any], model: str) -> bool:
    """Whether it is the model's arm that the contrast is about: it names the model or none."""
    return one.get("model") in (None, "", model)


def _both(one: Mapping[str, Any], model: str, task: str, planned: Container[tuple[str, str, str]] | None) -> bool:
    """Whether both sides have the task in the study: what cannot be said in words is not asked."""
    sides = (model, one["arm"], task), (one.get("against_model") or model, one["against"], task)
    return planned is None or all(side in planned for side in sides)


def of_model(model: str, arm: str) -> str:
    """An arm of one of several models."""
    return f"{arm} of {model}"


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """base: the model of the baseline."""

    model: str
    task: str
    arm: str
    against: str
    base: str

    @property
    def names(self) -> tuple[str, str]:
        """What the arm and the baseline are called; with their models, where those differ."""
        if self.base == self.model:
            return self.arm, self.against
        return of_model(self.model, self.arm), of_model(self.base, self.against)

    def runs(self, table: Cells) -> dict[int, tuple[Mapping[str, _Cell], Mapping[str, _Cell]]]:
        """By common seed: the arm's languages and the baseline's."""
        both: dict[int, tuple[Mapping[str, _Cell], Mapping[str, _Cell]]] = {}
        for model, arm, seed, task in table:
            other = (self.base, self.against, seed, task)
            if (model, arm, task) == (self.model, self.arm, self.task) and other in table:
                both[seed] = table[model, arm, seed, task], table[other]
        return dict(sorted(both.items()))


def _comparisons(pairs: Mapping[int, _Pair], table: Cells) -> dict[str, Comparison]:
    from xtl.scoring.resample import Comparison

    return {
        str(index): Comparison(arm=pair.names[0], against=pair.names[1], seeds=tuple(runs))
        for index, pair in pairs.items()
        if (runs := pair.runs(table))
    }


def _task(
    pair: _Pair,
    table: Cells,
    held: tuple[set[str], set[str]],
    named: tuple[str, ...],
    setting: str,
    items: ItemNoise | None,
) -> TaskDifference:
    """The pair on one task. held: languages of the arm's intermediate and of the baseline's."""
    runs = pair.runs(table)
    if not runs:
        return TaskDifference(task=pair.task, by_kind={}, hole=_no_runs(pair, table))
    everywhere = [set(one) & set(other) for one, other in runs.values()]
    anywhere = dict.fromkeys(language for sides in runs.values() for side in sides for language in side)
    wanted = [language for language in anywhere if not named or language in named]
    common = [language for language in wanted if all(language in there for there in everywhere)]
    kinds = {language: _kind(language, runs, held, setting) for language in common}
    compared = tuple(x for x in common if kinds[x] in COMPARED or (named and kinds[x] == "english"))
    groups: dict[str, tuple[str, ...]] = {language: (language,) for language in common}
    groups |= {kind: found for kind in KINDS if (found := tuple(x for x in common if kinds[x] == kind))}
    if compared:
        groups["headline"] = compared
    figures = {name: _figure(runs, found, items) for name, found in groups.items()}
    hole, excluded = _nothing_compared(wanted, common) if not compared else ("", False)
    return TaskDifference(
        task=pair.task,
        split=next(iter(next(iter(runs.values()))[0].values())).split,
        headline=figures.get("headline"),
        hole=hole,
        excluded=excluded,
        by_kind={kind: figures[kind] for kind in KINDS if kind in figures},
        languages=tuple(_language(x, kinds[x], runs, figures[x]) for x in common),
        missing=tuple(x for x in (named or anywhere) if x not in common and x in targets()[pair.task].languages),
        **_robust(runs, compared),
    )


def _nothing_compared(wanted: Sequence[str], common: Sequence[str]) -> tuple[str, bool]:
    """Why no language is compared, and whether that will stay so."""
    if not wanted:
        return "none of the contrast's languages is scored", True
    if common:
        return "every language is English or the task's own", True
    return "no language is there in both arms", False


def _no_runs(pair: _Pair, table: Cells) -> str:
    """Why there is nothing to pair."""
    sides = (pair.model, pair.arm), (pair.base, pair.against)
    by_arm = {
        name: sorted(s for m, a, s, t in table if (m, a, t) == (model, arm, pair.task))
        for name, (model, arm) in zip(pair.names, sides, strict=True)
    }
    lacking = [arm for arm, found in by_arm.items() if not found]
    if lacking:
        return f"no result yet of {' and of '.join(lacking)}"
    told = "; ".join(f"{arm}: {' '.join(map(str, found))}" for arm, found in by_arm.items())
    return f"the two arms have no seed in common ({told})"


def _kind(language: str, runs: Mapping[int, Any], held: tuple[set[str], set[str]], setting: str) -> Kind:
    if language == "en":
        return "english"
    arm, against = (all(sides[which][language].zero_shot for sides in runs.values()) for which in (0, 1))
    if arm != against or (not arm and setting == "zero-shot"):
        return "own"
    if not arm:
        return "trained"
    of_arm, of_baseline = (language in languages for languages in held)
    if of_arm:
        return "seen-by-both" if of_baseline else "seen"
    return "seen-by-baseline" if of_baseline else "unseen"


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
    *,
    several: bool,
) -> ContrastResult:
    base = one.get("against_model") or ""
    return ContrastResult(
        name=one["name"],
        model=model,
        base=base,
        arm=of_model(model, one["arm"]) if base else one["arm"],
        against=of_model(base, one["against"]) if base else one["against"],
        tasks=tuple(tasks),
        degenerate=tuple(_stuck(one, model, tasks, degenerate, several=several)),
        **_overall([task for task in tasks if not task.excluded], draws),
    )


def _stuck(
    one: Mapping[str, Any],
    model: str,
    tasks: Sequence[TaskDifference],
    degenerate: Sequence[Mapping[str, Any]],
    *,
    several: bool,
) -> Iterator[str]:
    """Degenerate runs that a headline rests on, the languages that it compares alone."""
    headlines = {task.task: task.headline for task in tasks if task.headline}
    for run in degenerate:
        headline = headlines.get(run["task"])
        sides = {(model, one["arm"]), (one.get("against_model") or model, one["against"])}
        of_it = (run["model"], run["intermediate"]) in sides
        if headline is None or not of_it or run["seed"] not in headline.by_seed:
            continue
        if languages := [language for language in run["languages"] if language in headline.languages]:
            on = f" on {run['model']}" if several else ""
            yield f"{run['intermediate']} seed {run['seed']} {run['task']}{on} ({' '.join(languages)})"


def _overall(tasks: Sequence[TaskDifference], draws: Sequence[Any]) -> dict[str, Any]:
    """Over all tasks, each counting as much; nothing where one is a hole or no seed is common to all."""
    headlines = {task.task: task.headline for task in tasks if task.headline}
    common = _common(headlines.values())
    if len(headlines) < len(tasks) or not common:
        return {"overall_by_kind": {}}
    alike = all(len(one.by_seed) == len(common) for one in headlines.values())
    items = None
    resampled = [found for found in draws if found is not None]
    if alike and len(resampled) == len(headlines):
        from xtl.scoring.resample import percentile_interval

        found = percentile_interval(0.0, sum(resampled[1:], resampled[0]) / len(resampled))
        items = found.low, found.high
    trained = [one for task, one in headlines.items() if str(targets()[task].group) != "retrieval"]
    robust = {"overall_iqm": [task.iqm for task in tasks], "overall_improvement": [task.improvement for task in tasks]}
    return {
        "overall": _over(list(headlines.values()), common, items),
        "without_retrieval": _over(trained, common) if 0 < len(trained) < len(headlines) else None,
        "overall_by_kind": _over_kinds(tasks, common),
        **{name: mean(x for x in found if x is not None) for name, found in robust.items() if alike},
    }


def _over_kinds(tasks: Sequence[TaskDifference], seeds: Sequence[int]) -> dict[str, Figure]:
    """Kinds that are compared, each over the tasks that have more than one of them, so that kinds differ in languages
    and not in tasks."""
    mixed = [
        {kind: figure for kind, figure in task.by_kind.items() if kind in COMPARED} for task in tasks if task.headline
    ]
    mixed = [kinds for kinds in mixed if len(kinds) > 1]
    there = [kind for kind in COMPARED if any(kind in kinds for kinds in mixed)]
    return {kind: _over([kinds[kind] for kinds in mixed if kind in kinds], seeds) for kind in there}


def _common(figures: Iterable[Figure]) -> list[int]:
    """The seeds that all have."""
    seeds = [one.by_seed for one in figures]
    return [seed for seed in (seeds[0] if seeds else ()) if all(seed in there for there in seeds)]


def _over(figures: Sequence[Figure], seeds: Sequence[int], items: Interval | None = None) -> Figure:
    """The mean of several tasks' figures at these seeds."""
    by_seed = {seed: mean(one.by_seed[seed] for one in figures) for seed in seeds}
    return with_seeds(by_seed, tuple(dict.fromkeys(x for one in figures for x in one.languages)), items)


def _corrected(results: Sequence[ContrastResult]) -> tuple[ContrastResult, ...]:
    """Holm's step-down over what the contrasts come down to, and nothing else. One without a p yet counts as 1, so that
    a report over some results claims nothing that the whole one might not."""
    from xtl.scoring.summaries import holm

    p = {at: one.figure.p if one.figure else None for at, one in enumerate(results)}
    corrected = holm({str(at): 1.0 if value is None else value for at, value in p.items()})
    return tuple(replace(one, holm=None if p[at] is None else corrected[str(at)]) for at, one in enumerate(results))
