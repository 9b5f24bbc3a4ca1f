"""Whether a study's models were trained alike, on its intermediates and on its targets, and in what they were not: what
stands beside figures of several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: Memory against speed alone; and how long, which is one setting whatever it is counted in.
_NO_MATTER = ("micro_tokens", "epochs", "steps")


def unlike(rows: Sequence[Mapping[str, Any]], manifests: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """One sentence that names every setting in which models differ, by model; none where they were trained alike.

    rows: the study's, with the key of the stage that answers for each.
    """
    found: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))  # setting, model, place
    models = list(dict.fromkeys(row["model"] for row in rows))
    for row in rows:
        manifest = manifests.get(row["key"])
        if manifest and "prompt" not in manifest["spec"]:  # what is asked is not trained
            for name, value in _settings(manifest["spec"], manifest["spec"]["settings"]):
                found[name][row["model"]][row["task"]] = value
            before = manifests.get(manifest["spec"]["parents"]["encoder"])
            if before and before["spec"]["kind"] == "intermediate":
                for name, value in _settings(before["spec"], _of_intermediate(before["spec"])):
                    found[name][row["model"]][f"the intermediate {row['arm']}"] = value
    differing = [name for name, by in found.items() if _differs([_of(by, model) for model in models])]
    if len(models) < 2 or not differing:
        return []
    told = [f"{model}: {_told({name: _of(found[name], model) for name in differing})}" for model in models]
    return [f"The models were not all trained alike. {'; '.join(told)}. A difference between them is one of both."]


def _differs(by_place: Sequence[Mapping[str, str]]) -> bool:
    """Whether two models have another value on a task or an intermediate that both have results on."""
    places = {place for one in by_place for place in one}
    return any(len({one[place] for one in by_place if place in one}) > 1 for place in places)


def _of(by: Mapping[str, Mapping[str, str]], model: str) -> Mapping[str, str]:
    return by.get(model, {})


def _of_intermediate(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Its optimiser's settings, and of each task's own (lengths) those that all its tasks agree on, or each."""
    own: dict[str, dict[str, Any]] = defaultdict(dict)
    for part in spec["parts"]:
        for name, value in part["settings"].items():
            own[name][part["task"]] = value
    told = {
        name: next(iter(by.values())) if len(set(by.values())) == 1 else ", ".join(f"{by[x]} of {x}" for x in by)
        for name, by in own.items()
    }
    return {**spec["optimiser"], **told}


def _settings(spec: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    trains = "lr" in settings
    yield "attention", str(spec.get("attention", "as trained"))
    if trains:
        lora = spec.get("lora")
        yield "trained", "all weights" if lora is None else _adapters(lora)
        if lora and "carry" in lora:
            yield "carry", lora["carry"]
        yield "for", f"{settings['steps']} steps" if "steps" in settings else f"{settings.get('epochs')} epochs"
        for name, value in settings.items():
            if name not in _NO_MATTER:
                yield name, f"{value:g}" if isinstance(value, float) else str(value)


def _adapters(lora: Mapping[str, Any]) -> str:
    targets = lora["targets"] if isinstance(lora["targets"], str) else "+".join(lora["targets"])
    return f"adapters of rank {lora['rank']}, alpha {lora['alpha']}, {targets}"


def _told(by_setting: Mapping[str, Mapping[str, str]]) -> str:
    """A value where it is the same everywhere, else where each is."""
    parts = []
    for name, by_place in by_setting.items():
        places: dict[str, list[str]] = defaultdict(list)
        for place, value in by_place.items():
            places[value].append(place)
        if len(places) == 1:
            parts.append(f"{name} {next(iter(places))}")
        elif places:
            parts.append(f"{name} " + ", ".join(f"{value} on {' and '.join(of)}" for value, of in places.items()))
    return ", ".join(parts) or "no result yet"
