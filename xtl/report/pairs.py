"""Two arms on one task: the runs of equal seeds paired, and what that says of each language and kind. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xtl.errors import UserError
from xtl.report.differences import COMPARED, KINDS, Figure, Kind, LanguageDifference, TaskDifference, with_seeds
from xtl.scoring.counts import mean
from xtl.scoring.items import headline
from xtl.scoring.table import Score
from xtl.scoring.xtreme import targets

if TYPE_CHECKING:
    from xtl.scoring.resample import ItemNoise


@dataclass(frozen=True, kw_only=True)
class Cell:
    value: float
    zero_shot: bool
    split: str


Cells = Mapping[tuple[str, str, int, str], Mapping[str, Cell]]  # (model, arm, seed, task) -> language


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


def _cell(figures: Mapping[str, Score]) -> Cell:
    one = next(iter(figures.values()))
    value = headline({metric: score["value"] for metric, score in figures.items()})
    return Cell(value=value, zero_shot=one["zero_shot"], split=one["split"])


def of_model(model: str, arm: str) -> str:
    """An arm of one of several models."""
    return f"{arm} of {model}"


@dataclass(frozen=True, kw_only=True)
class Pair:
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

    def runs(self, table: Cells) -> dict[int, tuple[Mapping[str, Cell], Mapping[str, Cell]]]:
        """By common seed: the arm's languages and the baseline's."""
        both: dict[int, tuple[Mapping[str, Cell], Mapping[str, Cell]]] = {}
        for model, arm, seed, task in table:
            other = (self.base, self.against, seed, task)
            if (model, arm, task) == (self.model, self.arm, self.task) and other in table:
                both[seed] = table[model, arm, seed, task], table[other]
        return dict(sorted(both.items()))


def of_task(
    pair: Pair,
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


def _no_runs(pair: Pair, table: Cells) -> str:
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


def with_layers(result: TaskDifference, pair: Pair, layers: Mapping[str, Cells]) -> TaskDifference:
    """Retrieval's difference at the chosen layer beside that at the fixed one, in the same languages."""
    if result.headline is None:
        return result
    for rule, table in layers.items():
        runs = {seed: sides for seed, sides in pair.runs(table).items() if seed in result.headline.by_seed}
        if runs:
            return replace(result, chosen_layer=_figure(runs, result.headline.languages), layer_rule=rule)
    return result
