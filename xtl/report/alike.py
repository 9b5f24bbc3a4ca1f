"""Whether a study's models were trained alike on its targets, and in what they were not: what stands beside figures
of several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: Memory against speed alone.
_NO_MATTER = ("micro_tokens",)


def unlike(rows: Sequence[Mapping[str, Any]], manifests: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """One sentence that names every setting in which models differ, by model; none where they were trained alike.

    rows: the study's, with the key of the stage that answers for each.
    """
    found: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))  # setting, model, task
    models = list(dict.fromkeys(row["model"] for row in rows))
    for row in rows:
        manifest = manifests.get(row["key"])
        if manifest and "prompt" not in manifest["spec"]:  # what is asked is not trained
            for name, value in _settings(manifest["spec"]):
                found[name][row["model"]][row["task"]] = value
    differing = [name for name, by in found.items() if _differs([_of(by, model) for model in models])]
    if len(models) < 2 or not differing:
        return []
    told = [f"{model}: {_told({name: _of(found[name], model) for name in differing})}" for model in models]
    return [f"The models were not all trained alike. {'; '.join(told)}. A difference between them is one of both."]


def _differs(by_task: Sequence[Mapping[str, str]]) -> bool:
    """Whether two models have another value on a task that both have results on."""
    tasks = {task for one in by_task for task in one}
    return any(len({one[task] for one in by_task if task in one}) > 1 for task in tasks)


def _of(by: Mapping[str, Mapping[str, str]], model: str) -> Mapping[str, str]:
    return by.get(model, {})


def _settings(spec: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    trains = "lr" in spec["settings"]
    yield "attention", str(spec.get("attention", "as trained"))
    if trains:
        lora = spec.get("lora")
        yield "trained", "all weights" if lora is None else _adapters(lora)
        for name, value in spec["settings"].items():
            if name not in _NO_MATTER:
                yield name, f"{value:g}" if isinstance(value, float) else str(value)


def _adapters(lora: Mapping[str, Any]) -> str:
    targets = lora["targets"] if isinstance(lora["targets"], str) else "+".join(lora["targets"])
    carried = f", {lora['carry']} after an intermediate" if "carry" in lora else ""
    return f"adapters of rank {lora['rank']}, alpha {lora['alpha']}, {targets}{carried}"


def _told(by_setting: Mapping[str, Mapping[str, str]]) -> str:
    """A value where it is the same on all tasks, else the task with each."""
    parts = []
    for name, by_task in by_setting.items():
        values = set(by_task.values())
        if len(values) == 1:
            parts.append(f"{name} {values.pop()}")
        elif values:
            parts.append(f"{name} " + ", ".join(f"{value} on {task}" for task, value in by_task.items()))
    return ", ".join(parts) or "no result yet"
