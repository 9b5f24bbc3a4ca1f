"""What a store holds that nothing needs any more, and which committed stages are damaged.

Nothing younger than a day is touched: a stage that is running writes its log and heartbeat far more often. What a
manifest refers to, a state that an unfinished stage can go on from, and the log of a stage's failure always stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from xtl.errors import Corrupt
from xtl.store.base import Entry, Store
from xtl.store.commit import get_json, manifests, read_manifest, verify
from xtl.store.layout import CLAIMS, FAILED, PROGRESS, STAGES, failed_name, key_of, spec_name
from xtl.store.parallel import each

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Litter:
    """One thing to remove. `name` is an object, or a prefix that ends with `/`."""

    name: str
    why: str
    objects: tuple[str, ...]
    size: int
    age_seconds: float
    leftover: Entry | None = None


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A committed stage whose files are not what its manifest promises."""

    key: str
    title: str
    problems: list[str]


def find(store: Store, *, age_seconds: float = DAY_SECONDS) -> list[Litter]:
    """Everything at least that old which nothing needs, by name. Reads the store once over, its small objects only."""
    now = time.time()
    done = manifests(store)
    found = [*_of_stages(store, done, now), *_of_flat(store, done, now)]
    for entry in store.leftovers():
        found.append(_litter([entry], entry.name, "left by a writer that was killed", now, entry))
    return sorted((each_ for each_ in found if each_.age_seconds >= age_seconds), key=lambda each_: each_.name)


def remove(store: Store, litter: list[Litter]) -> None:
    """Removes what `find` found."""
    each(store.delete, [name for one in litter if one.leftover is None for name in one.objects])
    for one in litter:
        if one.leftover is not None:
            store.drop(one.leftover)


def damaged(store: Store, progress: Callable[[int, int], None] = lambda done, of: None) -> list[Damage]:
    """Every committed stage whose bytes fail their sha256; reads the whole store. `progress`: stages done, of all."""
    keys = sorted(manifests(store))
    found = []
    for number, key in enumerate(keys):
        progress(number, len(keys))
        if problems := _problems(store, key):
            found.append(Damage(key=key, title=_title(store, key), problems=problems))
    progress(len(keys), len(keys))
    return found


def _problems(store: Store, key: str) -> list[str]:
    try:
        manifest = read_manifest(store, key)
    except Corrupt as error:
        return [str(error)]
    return verify(store, manifest, hashes=True) if manifest else []


def _title(store: Store, key: str) -> str:
    """What people call the stage, from its spec."""
    try:
        return str((get_json(store, spec_name(key)) or {}).get("title") or key[:12])
    except Corrupt:
        return key[:12]


def _of_stages(store: Store, done: set[str], now: float) -> Iterator[Litter]:
    """Attempts that no manifest or note of failure refers to, and resume states of stages that are done."""
    attempts: dict[tuple[str, str], list[Entry]] = {}
    resumes: dict[str, list[Entry]] = {}
    for entry in store.list(STAGES):
        _, key, kind, *rest = [*entry.name.split("/"), ""]
        if kind == "attempts" and len(rest) > 1:
            attempts.setdefault((key, rest[0]), []).append(entry)
        elif kind == "resume" and key in done:
            resumes.setdefault(key, []).append(entry)
    keys = sorted({key for key, _ in attempts})
    needed = dict(zip(keys, each(lambda key: _needed(store, key, key in done), keys), strict=True))
    for (key, attempt), entries in attempts.items():
        files, whole = needed[key]
        if attempt not in whole and not files.intersection(entry.name for entry in entries):
            prefix = f"{STAGES}{key}/attempts/{attempt}/"
            yield _litter(entries, prefix, "an attempt that did not come to be committed", now)
    for key, entries in resumes.items():
        yield _litter(entries, f"{STAGES}{key}/resume/", "states of a stage that is committed", now)


def _needed(store: Store, key: str, done: bool) -> tuple[set[str], set[str]]:
    """The files that the stage's manifest promises, and the attempts that are kept whole: the committed one, or the
    one that failed last. What cannot be read keeps everything: a person should look."""
    try:
        note = (read_manifest(store, key) if done else get_json(store, failed_name(key))) or {}
    except Corrupt:
        return {entry.name for entry in store.list(f"{STAGES}{key}/")}, set()
    return {file["name"] for file in note.get("files", {}).values()}, {str(note.get("attempt", ""))}


def _of_flat(store: Store, done: set[str], now: float) -> Iterator[Litter]:
    for prefix, why in ((PROGRESS, "a heartbeat that has stopped"), (CLAIMS, "a claim whose holder is gone")):
        for entry in store.list(prefix):
            yield _litter([entry], entry.name, why, now)
    for entry in store.list(FAILED):
        if key_of(entry.name) in done:
            yield _litter([entry], entry.name, "a failure of a stage that is committed since", now)


def _litter(entries: list[Entry], name: str, why: str, now: float, leftover: Entry | None = None) -> Litter:
    return Litter(
        name=name,
        why=why,
        objects=tuple(entry.name for entry in entries),
        size=sum(entry.size for entry in entries),
        age_seconds=now - max(entry.modified for entry in entries),
        leftover=leftover,
    )
