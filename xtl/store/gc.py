"""What a store holds that nothing needs any more, and which committed stages are damaged.

Nothing younger than a day is touched: a stage that is running writes its log and heartbeat far more often. A stage that
no `grids/<name>/plan.json` names goes whole, be it done or not: its grid was replaced or its data mended, or someone
has removed `grids/<name>/`. Of the others, what a manifest refers to, a state that an unfinished stage can go on from,
and the log of a stage's failure always stay.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from xtl.errors import Corrupt
from xtl.store.base import Entry, Store
from xtl.store.commit import get_json, manifests, read_manifest, verify
from xtl.store.layout import (
    CLAIMS,
    FAILED,
    GRIDS,
    INPUTS,
    MANIFESTS,
    PROGRESS,
    STAGES,
    TOKENS,
    failed_name,
    input_prefix,
    key_of,
    spec_name,
)
from xtl.store.parallel import each

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Litter:
    """One thing to remove. `name` is an object, or a prefix that ends with `/`; key: of a stage that
    goes whole."""

    name: str
    why: str
    objects: tuple[str, ...]
    size: int
    age_seconds: float
    leftover: Entry | None = None
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A committed stage whose files are not what its manifest promises."""

    key: str
    title: str
    problems: list[str]


def find(store: Store, *, age_seconds: float = DAY_SECONDS) -> list[Litter]:
    """Everything at least that old which nothing needs, by name. Reads the store once over, its small objects only.
    Raises Corrupt where a grid's plan cannot be read: what it asks for is not known then."""
    now = time.time()
    wanted = _wanted(store)
    done = manifests(store)
    stages = _by_stage(store.list(STAGES))
    flat = [entry for prefix in (MANIFESTS, FAILED, PROGRESS, CLAIMS) for entry in store.list(prefix)]
    unwanted = _unwanted(store, stages, flat, wanted, now)
    kept = {key: entries for key, entries in stages.items() if key in wanted}
    found = [*unwanted, *_of_stages(store, kept, done, now)]
    found += _of_flat([entry for entry in flat if key_of(entry.name) in wanted], done, now)
    young = {one.key for one in unwanted if one.age_seconds < age_seconds}
    found += _of_inputs(store, [*wanted, *(key for key in stages if key in young)], now)
    found += _of_tokens(store, {*wanted, *(key for key in stages if key in young)}, now)
    for entry in store.leftovers():
        found.append(_litter([entry], entry.name, "left by a writer that was killed", now, leftover=entry))
    return sorted((each_ for each_ in found if each_.age_seconds >= age_seconds), key=lambda each_: each_.name)


def remove(store: Store, litter: list[Litter]) -> None:
    """Removes what `find` found, but for stages that a grid has come to name since. A stage's manifest goes first: what
    is half removed does not look done."""
    wanted = _wanted(store)
    going = [one for one in litter if one.key not in wanted and one.leftover is None]
    names = [name for one in going for name in one.objects]
    each(store.delete, [name for name in names if name.startswith(MANIFESTS)])
    each(store.delete, [name for name in names if not name.startswith(MANIFESTS)])
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


def _wanted(store: Store) -> set[str]:
    """The keys of every stage that a grid names."""
    found: set[str] = set()
    for entry in store.list(GRIDS):
        if entry.name.count("/") != 2 or not entry.name.endswith("/plan.json"):
            continue
        try:
            plan = get_json(store, entry.name)
            found.update(plan["stages"] if plan is not None else ())
        except (Corrupt, KeyError, TypeError):
            raise Corrupt(
                f"{store.url}: {entry.name} is no plan, so what its grid asks for is not known and nothing is removed: "
                "delete it, run or submit that grid again, and then come back"
            ) from None
    return found


def _by_stage(entries: Iterator[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.name.split("/")[1], []).append(entry)
    return found


def _unwanted(
    store: Store, stages: Mapping[str, list[Entry]], flat: list[Entry], wanted: Collection[str], now: float
) -> list[Litter]:
    """Stages that no grid names, with all there is of them."""
    found = {key: list(entries) for key, entries in stages.items() if key not in wanted}
    for entry in flat:
        key = key_of(entry.name)
        if key is not None and key not in wanted:
            found.setdefault(key, []).append(entry)
    titles = each(lambda key: _title(store, key), list(found))
    return [
        _litter(entries, f"{STAGES}{key}/", f"no grid asks for it: {title}", now, key=key)
        for (key, entries), title in zip(found.items(), titles, strict=True)
    ]


def _of_inputs(store: Store, keys: list[str], now: float) -> Iterator[Litter]:
    """Uploaded folders that no stage's spec reads from. keys: of the stages that stay. Where one has no spec yet, a
    submit is under way, and one that cannot be read may read any of them."""
    inputs: dict[str, list[Entry]] = {}
    for entry in store.list(INPUTS):
        inputs.setdefault(entry.name.split("/")[1], []).append(entry)
    if not inputs:
        return
    try:
        specs = each(lambda key: get_json(store, spec_name(key)), keys)
    except Corrupt:
        return
    known = [spec for spec in specs if spec is not None]
    if len(known) < len(keys):
        return
    read = " ".join(json.dumps(spec.get("where")) for spec in known)
    for digest, entries in inputs.items():
        if input_prefix(digest).rstrip("/") not in read:
            yield _litter(entries, input_prefix(digest), "an upload that no stage reads", now)


def _of_tokens(store: Store, keys: Collection[str], now: float) -> Iterator[Litter]:
    """Word pieces of listings whose fetch stage no grid asks for. keys: of the stages that stay."""
    kept: dict[str, list[Entry]] = {}
    for entry in store.list(TOKENS):
        kept.setdefault(entry.name.rpartition(".")[0], []).append(entry)
    for name, entries in kept.items():
        try:
            source = (get_json(store, f"{name}.json") or {}).get("source", "")
        except Corrupt:
            source = ""
        if not any(key in source for key in keys):
            yield _litter(entries, name, "word pieces of data that no grid asks for", now)


def _of_stages(store: Store, stages: Mapping[str, list[Entry]], done: set[str], now: float) -> Iterator[Litter]:
    """Attempts that no manifest or note of failure refers to, and resume states of stages that are done."""
    attempts: dict[tuple[str, str], list[Entry]] = {}
    resumes: dict[str, list[Entry]] = {}
    for entry in (entry for entries in stages.values() for entry in entries):
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


def _of_flat(flat: list[Entry], done: set[str], now: float) -> Iterator[Litter]:
    whys = {PROGRESS: "a heartbeat that has stopped", CLAIMS: "a claim whose holder is gone"}
    for entry in flat:
        folder = f"{entry.name.split('/')[0]}/"
        if folder in whys:
            yield _litter([entry], entry.name, whys[folder], now)
        elif folder == FAILED and key_of(entry.name) in done:
            yield _litter([entry], entry.name, "a failure of a stage that is committed since", now)


def _litter(
    entries: list[Entry], name: str, why: str, now: float, *, leftover: Entry | None = None, key: str | None = None
) -> Litter:
    return Litter(
        name=name,
        why=why,
        objects=tuple(entry.name for entry in entries),
        size=sum(entry.size for entry in entries),
        age_seconds=now - max(entry.modified for entry in entries),
        leftover=leftover,
        key=key,
    )
