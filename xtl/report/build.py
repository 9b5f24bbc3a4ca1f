"""The reduce stage's spec and what is committed, made into a Report. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xtl.report.answer import answer
from xtl.report.contrasts import Noise, compare, no_items
from xtl.report.model import ArmFacts, LayerCurve, Report, Run
from xtl.report.study import study
from xtl.scoring.counts import mean
from xtl.scoring.table import Score, gather, sweep_of
from xtl.scoring.xtreme import targets

Manifest = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Tables:
    """scores and sweep: long tables (`scoring/table.py`); degenerate: the runs among them that are."""

    scores: list[Score]
    sweep: list[Score]
    degenerate: list[Score]


def rows_of(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The study's rows (model, arm, seed, task, key) as the reduce stage's spec holds them."""
    return [{**row, "key": key} for row, key in zip(spec["rows"], spec["parents"]["rows"], strict=True)]


def tables(spec: Mapping[str, Any], manifests: Mapping[str, Manifest | None]) -> Tables:
    rows = rows_of(spec)
    scores, degenerate = gather(rows, manifests)
    found = [(row, manifests.get(row["key"])) for row in rows]
    sweep = [line for row, manifest in found if manifest for line in sweep_of(row, manifest)]
    return Tables(scores=scores, sweep=sweep, degenerate=degenerate)


def build(
    spec: Mapping[str, Any], key: str, manifests: Mapping[str, Manifest | None], *, noise: Noise = no_items
) -> Report:
    """spec, key: of the reduce stage. manifests: of its rows and all that they stand on, None where there is none."""
    from xtl import __version__

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
    )
    runs = _runs(rows, manifests)
    return Report(
        grid=spec["grid"],
        setting=spec["setting"],
        models=tuple(models),
        seeds=tuple(seeds),
        tasks=tuple(tasks),
        arms=tuple(_arm(arm, rows, manifests) for arm in spec["arms"]),
        table=study(rows, found.scores, found.degenerate, spec["setting"]),
        contrasts=results,
        answer=answer(results, spec["setting"]),
        layers=tuple(_curves(rows, found.sweep, manifests)),
        runs=tuple(runs),
        missing=tuple(
            f"{row['arm']} seed {row['seed']} {row['task']}" + (f" of {row['model']}" if len(models) > 1 else "")
            for row in rows
            if not manifests.get(row["key"])
        ),
        xtl=__version__,
        key=key,
    )


def _unique(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _arm(
    arm: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], manifests: Mapping[str, Manifest | None]
) -> ArmFacts:
    """What an arm trains, and what its intermediate says it has seen (the first that is there: seeds draw samples of
    equal size)."""
    for row in rows:
        target = manifests.get(row["key"])
        encoder = manifests.get(target["spec"]["parents"]["encoder"]) if target and row["arm"] == arm["name"] else None
        if encoder and encoder["kind"] == "intermediate":
            examples = {task: dict(seen["examples"]) for task, seen in encoder["metrics"]["trained_on"].items()}
            break
    else:
        examples = {}
    return ArmFacts(name=arm["name"], tasks=tuple(arm["tasks"]), languages=tuple(arm["languages"]), examples=examples)


def _curves(
    rows: Sequence[Mapping[str, Any]], sweep: Sequence[Score], manifests: Mapping[str, Manifest | None]
) -> Iterable[LayerCurve]:
    """A curve for every arm and retrieval task, over what is there."""
    by: dict[tuple[str, str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    split = {}
    for line in sweep:
        place = line["model"], line["intermediate"], line["task"]
        by[place][line["layer"]].append(line["value"])
        split[place] = line["split"]
    for place, layers in by.items():
        model, arm, task = place
        stages = [
            manifest["metrics"]
            for row in rows
            if (row["model"], row["arm"], row["task"]) == place and (manifest := manifests.get(row["key"]))
        ]
        yield LayerCurve(
            model=model,
            arm=arm,
            task=task,
            split=split[place],
            values=tuple(mean(values) for _, values in sorted(layers.items())),
            fixed=stages[0]["layer"],
            chosen=tuple(sorted({stage["chosen_layer"]["layer"] for stage in stages})),
            rule=stages[0]["chosen_layer"]["rule"],
            seeds=len(stages),
        )


def _runs(rows: Sequence[Mapping[str, Any]], manifests: Mapping[str, Manifest | None]) -> list[Run]:
    """Targets in the rows' order, a stage once, then what they stand on."""
    found: dict[str, Run] = {}
    for row in rows:
        if row["key"] not in found:
            found[row["key"]] = _run(row["key"], "target", manifests.get(row["key"]), row)
    for row in rows:
        target = manifests.get(row["key"])
        encoder = target["spec"]["parents"]["encoder"] if target else ""
        manifest = manifests.get(encoder)
        if encoder and encoder not in found and manifest and manifest["kind"] == "intermediate":
            found[encoder] = _run(encoder, "intermediate", manifest, {**row, "task": ""})
    for key, manifest in manifests.items():
        if key not in found and manifest:
            found[key] = _run(key, manifest["kind"], manifest, {})
    return list(found.values())


def _run(key: str, kind: str, manifest: Manifest | None, row: Mapping[str, Any]) -> Run:
    own = {"model": row.get("model", ""), "arm": row.get("arm", ""), "task": row.get("task", "")}
    if manifest is None:
        return Run(
            key=key, kind=kind, title=_title(kind, own, None), seed=row.get("seed"), done=False,
            settings={}, data={}, packages={}, **own,
        )  # fmt: skip
    spec, provenance = manifest["spec"], manifest.get("provenance", {})
    seconds = float(manifest.get("seconds", {}).get("total", 0.0))
    own["task"] = own["task"] or spec.get("task", "")
    device = str(provenance.get("device_name") or provenance.get("device") or "")
    return Run(
        key=key,
        kind=kind,
        title=_title(kind, own, spec),
        seed=spec.get("seed"),
        done=True,
        settings=_settings(spec),
        data=_data(spec),
        packages=dict(provenance.get("packages", {})),
        device=device,
        seconds=seconds,
        gpu_hours=seconds / 3600 if provenance.get("device") == "cuda" else 0.0,
        degenerate=tuple(manifest["metrics"].get("degenerate", ())),
        manifest=f"manifests/{key}.json",
        log=f"stages/{key}/attempts/{manifest['attempt']}/log.txt",
        **own,
    )


def _title(kind: str, own: Mapping[str, str], spec: Mapping[str, Any] | None) -> str:
    if kind == "target":
        return f"{own['task']} after {own['arm']}"
    if kind == "intermediate":
        return f"intermediate {own['arm']}"
    what = (spec or {}).get("what") == "model"
    part = (spec or {}).get("part")
    return f"fetch {'the model' if what else own['task']}{f'@{part}' if part else ''}"


def _settings(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters in one flat mapping; those of a part of an intermediate under its task."""
    found = {**spec.get("settings", {}), **spec.get("optimiser", {})}
    for part in spec.get("parts", ()):
        alone = len(spec["parts"]) == 1
        found |= {name if alone else f"{part['task']}.{name}": value for name, value in part["settings"].items()}
        if part.get("cap"):
            found["cap" if alone else f"{part['task']}.cap"] = part["cap"]
    if spec.get("mix_cap"):
        found["mix_cap"] = spec["mix_cap"]
    return found | {name: spec[name] for name in ("precision", "threads") if name in spec}


def _data(spec: Mapping[str, Any]) -> dict[str, str]:
    """Digests and commits of a fetch stage's source; of others, the keys of the stages that hold their data."""
    if spec["kind"] == "fetch":
        origin = spec.get("origin") or spec.get("model") or {}
        return {name: str(value) for name, value in origin.items() if not isinstance(value, Mapping)}
    parents = spec.get("parents", {})
    found = {"eval": parents["eval"]} if "eval" in parents else {}
    found |= {f"train {language}": key for language, key in parents.get("train", {}).items()}
    for task, languages in parents.get("data", {}).items() if spec["kind"] == "intermediate" else ():
        found |= {f"{task}@{language}": key for language, key in languages.items()}
    return found
