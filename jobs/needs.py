"""Which of its parents' files a stage is going to read, by its spec alone: they are fetched while torch is imported.

A name that the parent turns out not to have is no error here, and what is not named is fetched when it is asked for.
Pure, and without torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xtl.tasks import TASKS

#: A parent's key, and the names of its files; None for all of them.
Need = tuple[str, tuple[str, ...] | None]


def needs(spec: Mapping[str, Any]) -> list[Need]:
    """In the order in which they are read."""
    match spec["kind"]:
        case "intermediate":
            return list(_of_intermediate(spec))
        case "target":
            return list(_of_target(spec))
    return []


def _of_intermediate(spec: Mapping[str, Any]) -> Iterator[Need]:
    yield spec["parents"]["model"], None
    for sources in spec["parents"]["data"].values():
        for language, key in sources.items():
            yield key, (f"{language}/train.parquet", f"{language}/dev.parquet")


def _of_target(spec: Mapping[str, Any]) -> Iterator[Need]:
    parents, split, languages = spec["parents"], spec["split"], spec["languages"]
    yield parents["encoder"], None
    if "base" in parents:
        yield parents["base"], None
    for language, key in parents.get("train", {}).items():
        yield key, (f"{language}/train.parquet",)
    if TASKS[spec["task"]].group == "retrieval":
        sides = [(language, other) for language in languages for other in (language, "en", "gold")]
        names = [f"{language}/{which}.{other}.parquet" for which in ("test", "dev") for language, other in sides]
    else:
        rules = spec.get("checkpoints", ())
        chosen = ["en"] if "english-dev" in rules else []
        chosen += languages if "target-dev" in rules else []
        names = [f"{x}/{split}.parquet" for x in languages] + [f"{x}/dev.parquet" for x in chosen]
    yield parents["eval"], tuple(dict.fromkeys(names))
