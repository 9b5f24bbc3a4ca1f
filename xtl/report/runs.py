"""Every stage behind a report's figures, done or not: what it ran with, and why it has no result. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xtl.keys import parent_keys
from xtl.report.model import Run

Manifest = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the store has of a study. manifests: of its rows and of all that they stand on, None where there is none.
    stages: the grid's plan, by key (kind, title, labels, parents), empty where the store holds none of this very study:
    then what stands between a missing row and the data is not known. failed: why a stage failed for good, by key."""

    manifests: Mapping[str, Manifest | None]
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def kind(self, key: str) -> str:
        """Empty where neither the plan nor a manifest says."""
        return str((self.stages.get(key) or self.manifests.get(key) or {}).get("kind", ""))

    def parents(self, key: str) -> Sequence[str]:
        if key in self.stages:
            return self.stages[key]["parents"]
        manifest = self.manifests.get(key)
        return parent_keys(manifest["spec"]) if manifest else ()

    def encoder(self, key: str) -> str:
        """The intermediate that a target stands on; empty where it has none, or none is known."""
        return next((parent for parent in self.parents(key) if self.kind(parent) == "intermediate"), "")

    def why(self, key: str) -> str:
        """Why a stage has no result, where that is known."""
        if self.manifests.get(key):
            return ""
        if key in self.failed:
            return f"failed: {self.failed[key]}"
        bad = next((parent for parent in self.parents(key) if self.why(parent)), "")
        return f"skipped, for it needs {self.stages[bad]['title']}" if bad else ""


def runs(rows: Sequence[Mapping[str, Any]], evidence: Evidence) -> tuple[Run, ...]:
    """Targets in the rows' order, a stage once, then the intermediates that they stand on, then the rest."""
    found: dict[str, Run] = {}
    for row in rows:
        found.setdefault(row["key"], _run(row["key"], "target", row, evidence))
    for row in rows:
        if key := evidence.encoder(row["key"]):
            found.setdefault(key, _run(key, "intermediate", {**row, "task": ""}, evidence))
    for key in evidence.manifests:
        if evidence.kind(key) not in ("", "reduce"):
            found.setdefault(key, _run(key, evidence.kind(key), {}, evidence))
    return tuple(found.values())


def _run(key: str, kind: str, row: Mapping[str, Any], evidence: Evidence) -> Run:
    own = {name: row.get(name, "") for name in ("model", "arm", "task")}
    manifest = evidence.manifests.get(key)
    if manifest is None:
        return _missing(key, kind, row, own, evidence)
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


def _missing(key: str, kind: str, row: Mapping[str, Any], own: Mapping[str, str], evidence: Evidence) -> Run:
    planned, seed = evidence.stages.get(key), row.get("seed")
    if planned is not None:  # a stage that the seed cannot change has none, whatever row it stands in
        seed = int(planned["labels"]["seed"]) if "seed" in planned["labels"] else None
    return Run(
        key=key,
        kind=kind,
        title=planned["title"] if planned is not None and not row else _title(kind, own, {}),
        model=own["model"],
        arm=own["arm"],
        task=own["task"],
        seed=seed,
        done=False,
        settings={},
        data={},
        packages={},
        why=evidence.why(key),
    )


def _title(kind: str, own: Mapping[str, str], spec: Mapping[str, Any]) -> str:
    if kind == "target":
        return f"{own['task']} after {own['arm']}"
    if kind == "intermediate":
        return f"intermediate {own['arm']}"
    part = spec.get("part")
    return f"fetch {'the model' if spec.get('what') == 'model' else own['task']}{f'@{part}' if part else ''}"


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
        sets = origin.get("hub")  # of data, {id: commit}; of a model, its id
        found = {**origin, **(sets if isinstance(sets, Mapping) else {})}
        return {name: str(value) for name, value in found.items() if not isinstance(value, Mapping)}
    parents = spec.get("parents", {})
    found = {"eval": parents["eval"]} if "eval" in parents else {}
    found |= {f"train {language}": key for language, key in parents.get("train", {}).items()}
    for task, languages in parents.get("data", {}).items() if spec["kind"] == "intermediate" else ():
        found |= {f"{task}@{language}": key for language, key in languages.items()}
    return found
