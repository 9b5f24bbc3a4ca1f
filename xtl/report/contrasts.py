"""The named contrasts: arm against arm, by the paired differences of equal seeds (pairs.py), over tasks, and corrected
for how many contrasts there are. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xtl.errors import UserError
from xtl.report.differences import COMPARED, ContrastResult, Figure, Interval, TaskDifference, with_seeds
from xtl.report.pairs import Cells, Pair, cells, of_model, of_task, with_layers
from xtl.scoring.counts import mean
from xtl.scoring.table import Score
from xtl.scoring.xtreme import targets

if TYPE_CHECKING:
    from xtl.scoring.resample import Comparison, ItemNoise

#: What `resample.item_noise` gives for a model and task, by comparison; without test items at hand, nothing.
Noise = Callable[[str, str, Mapping[str, "Comparison"]], Mapping[str, "ItemNoise"]]


def no_items(model: str, task: str, comparisons: Mapping[str, Comparison]) -> Mapping[str, ItemNoise]:
    """Intervals over seeds alone."""
    return {}


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
                index: Pair(
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
                result = of_task(pair, table, held, tuple(named[index]["languages"]), setting, items)
                found[index, model].append(with_layers(result, pair, layers))
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


def _comparisons(pairs: Mapping[int, Pair], table: Cells) -> dict[str, Comparison]:
    from xtl.scoring.resample import Comparison

    return {
        str(index): Comparison(arm=pair.names[0], against=pair.names[1], seeds=tuple(runs))
        for index, pair in pairs.items()
        if (runs := pair.runs(table))
    }


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
