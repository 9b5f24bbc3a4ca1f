"""The reduce stage's spec and what is committed, made into a Report. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xtl.errors import UserError
from xtl.report.alike import unlike
from xtl.report.answer import answer
from xtl.report.asked import asked
from xtl.report.contrasts import Noise, compare, no_items
from xtl.report.model import ArmFacts, LayerCurve, Pooling, Report, Seen
from xtl.report.runs import Evidence, Manifest, runs
from xtl.report.study import study
from xtl.scoring.counts import mean
from xtl.scoring.table import SWEEPS, Score, gather, sweep_of
from xtl.scoring.xtreme import summarise, targets

_ARM = {"name", "tasks", "languages"}
_CONTRAST = {"name", "arm", "against", "tasks", "languages"}


@dataclass(frozen=True, kw_only=True)
class Tables:
    """scores and sweep: long tables (`scoring/table.py`); degenerate: the runs among them that are; broken: where a
    score is no number, a phrase each: those are left out, and are holes."""

    scores: list[Score]
    sweep: list[Score]
    degenerate: list[Score]
    broken: tuple[str, ...] = ()


def check(spec: Mapping[str, Any]) -> None:
    """Raises UserError for the spec of a reduce stage that another version of xtl wrote and this one cannot answer."""
    whole = {"grid", "setting", "arms", "contrasts", "rows"} <= spec.keys()
    if (
        not whole
        or any(_ARM - one.keys() for one in spec["arms"])
        or any(_CONTRAST - x.keys() for x in spec["contrasts"])
    ):
        of = f" {spec['grid']!r}" if "grid" in spec else ""
        raise UserError(f"the study{of} was submitted by an older xtl: run or submit it again, with --replace")


def rows_of(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The study's rows (model, arm, seed, task, key) as the reduce stage's spec holds them."""
    return [{**row, "key": key} for row, key in zip(spec["rows"], spec["parents"]["rows"], strict=True)]


def tables(spec: Mapping[str, Any], manifests: Mapping[str, Manifest | None]) -> Tables:
    rows = rows_of(spec)
    scores, degenerate = gather(rows, manifests)
    found = [(row, manifests.get(row["key"])) for row in rows]
    sweep = [line for row, manifest in found if manifest for line in sweep_of(row, manifest)]
    broken = dict.fromkeys(_place(line) for line in scores if not _is_number(line["value"]))
    return Tables(
        scores=[line for line in scores if _place(line) not in broken],
        sweep=[line for line in sweep if _is_number(line["value"])],
        degenerate=degenerate,
        broken=tuple(" ".join(map(str, place)) for place in broken),
    )


def _place(line: Score) -> tuple[Any, ...]:
    names = ("model", "intermediate", "seed", "task", "language", "checkpoint")
    return tuple(line[name] for name in names)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def build(spec: Mapping[str, Any], key: str, evidence: Evidence, *, noise: Noise = no_items) -> Report:
    """spec, key: of the reduce stage."""
    from xtl import __version__

    manifests = evidence.manifests
    rows, found = rows_of(spec), tables(spec, manifests)
    models, seeds = _unique(row["model"] for row in rows), _unique(row["seed"] for row in rows)
    tasks = [task for task in targets() if any(row["task"] == task for row in rows)]
    results = compare(
        spec["contrasts"],
        found.scores,
        models=models,
        tasks=tasks,
        trained_in={arm["name"]: arm["languages"] for arm in spec["arms"]},
        setting=spec["setting"],
        degenerate=found.degenerate,
        noise=noise,
        planned={(row["model"], row["arm"], row["task"]) for row in rows},
    )
    report = Report(
        grid=spec["grid"],
        setting=spec["setting"],
        models=tuple(models),
        seeds=tuple(seeds),
        tasks=tuple(tasks),
        arms=tuple(_arm(arm, rows, evidence) for arm in spec["arms"]),
        table=study(rows, found.scores, found.degenerate, spec["setting"]),
        contrasts=results,
        answer=answer(results, spec["setting"]),
        layers=tuple(_curves(rows, found.sweep, manifests)),
        runs=runs(rows, evidence),
        missing=tuple(
            f"{row['arm']} seed {row['seed']} {row['task']}" + (f" of {row['model']}" if len(models) > 1 else "")
            for row in rows
            if not manifests.get(row["key"])
        ),
        xtl=__version__,
        key=key,
    )
    broken = (f"A score that is no number is left out and counts as missing: {x}." for x in found.broken)
    return cautioned(report, [*unlike(rows, manifests), *asked(rows, manifests), *broken])


def cautioned(report: Report, more: Iterable[str]) -> Report:
    """The report with further cautions."""
    return replace(report, answer=replace(report.answer, cautions=(*report.answer.cautions, *more)))


def _unique(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _arm(arm: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], evidence: Evidence) -> ArmFacts:
    """What an arm trains, and what its intermediates say they have seen."""
    keys = dict.fromkeys(evidence.encoder(row["key"]) for row in rows if row["arm"] == arm["name"])
    trained = [manifest["metrics"]["trained_on"] for key in keys if (manifest := evidence.manifests.get(key))]
    tasks = dict.fromkeys(task for one in trained for task in one)
    seen = {task: _seen([one[task] for one in trained if task in one]) for task in tasks}
    return ArmFacts(name=arm["name"], tasks=tuple(arm["tasks"]), languages=tuple(arm["languages"]), seen=seen)


def _seen(runs: Sequence[Mapping[str, Any]]) -> dict[str, Seen]:
    """By language, from what each run says of one task. Runs that do not count what they drew have under `examples`
    what there was to draw from."""
    there = [one.get("available", one["examples"]) for one in runs]
    counted = all("available" in one for one in runs)
    return {
        x: Seen(
            available=_range(one.get(x, 0) for one in there),
            examples=_range(one["examples"].get(x, 0) for one in runs) if counted else None,
            draws=_range(one["draws"].get(x, 0) for one in runs) if counted else None,
        )
        for x in dict.fromkeys(language for one in there for language in one)
    }


def _range(values: Iterable[int]) -> tuple[int, int]:
    found = list(values)
    return min(found), max(found)


def _curves(
    rows: Sequence[Mapping[str, Any]], sweep: Sequence[Score], manifests: Mapping[str, Manifest | None]
) -> Iterable[LayerCurve]:
    """A curve for every arm, retrieval task and pooling, over what is there."""
    by: dict[tuple[str, str, str, Pooling], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    split = {}
    for line in sweep:
        place = line["model"], line["intermediate"], line["task"], line["pooling"]
        by[place][line["layer"]].append(line["value"])
        split[place] = line["split"]
    for place, layers in by.items():
        model, arm, task, pooling = place
        run = model, arm, task
        there = [row for row in rows if (row["model"], row["arm"], row["task"]) == run and manifests.get(row["key"])]
        keys = dict.fromkeys(row["key"] for row in there)
        stages = [manifest["metrics"] for key in keys if (manifest := manifests[key])]
        chosen = [stage[SWEEPS[pooling][1]] for stage in stages]
        yield LayerCurve(
            model=model,
            arm=arm,
            task=task,
            pooling=pooling,
            split=split[place],
            values=tuple(mean(values) for _, values in sorted(layers.items())),
            fixed=stages[0]["layer"] if pooling == "mean" else None,
            chosen=tuple(sorted({best["layer"] for best in chosen})),
            rule=chosen[0]["rule"],
            score=mean(summarise({task: best["scores"]}).tasks[task].score for best in chosen),
            seeds=len(there),
            stages=len(stages),
        )
