"""A study's figures: how many stages are where, the GPU hours of what is committed, and about how long the rest takes.

A manifest says how long its attempt took. Manifests do not change, so each is read once and remembered under
~/.cache/xtl/spent by its ETag; a first look at a large study reads for half a second, and takes the other stages'
times from their Jobs, which also counts pulling the image. What failed or disrupted attempts used is not in either.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from xtl import estimate
from xtl.errors import StoreError
from xtl.estimate import Done
from xtl.pod_states import at
from xtl.states import StageState
from xtl.store import commit, layout
from xtl.store.base import Entry, Store
from xtl.store.parallel import THREADS, each

GPU_KINDS = ("intermediate", "target")
READ_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Study:
    """counts: stages by state. seconds_left: about, None where nothing tells. exact: every manifest was read."""

    counts: Mapping[str, int]
    gpu_hours: float
    exact: bool
    seconds_left: float | None


def study(
    found: Sequence[StageState],
    stages: Mapping[str, Mapping[str, Any]],
    seconds: Mapping[str, float],
    jobs: Mapping[str, Mapping[str, Any]],
) -> Study:
    """stages: as the store's grid has them. seconds: of done stages, from their manifests. jobs: by key. Pure."""
    took: dict[str, float] = {}
    for stage in found:
        if stage.state == "done":
            spent = seconds.get(stage.key) or _job_seconds(jobs.get(stage.key))
            took |= {stage.key: spent} if spent else {}
    gpu = [stage.key for stage in found if stage.state == "done" and stage.kind in GPU_KINDS]
    return Study(
        counts=dict(Counter(stage.state for stage in found)),
        gpu_hours=sum(took.get(key, 0.0) for key in gpu) / 3600,
        exact=all(key in seconds for key in gpu),
        seconds_left=_left(found, stages, took),
    )


def compared(
    found: Sequence[StageState], stages: Mapping[str, Mapping[str, Any]], seconds: Mapping[str, float]
) -> list[StageState]:
    """The states with what was estimated and what was taken. A grid of an older xtl holds no estimates. Pure."""
    return [
        replace(stage, seconds=seconds.get(stage.key), predicted_seconds=stages[stage.key].get("seconds"))
        for stage in found
    ]


def _left(
    found: Sequence[StageState], stages: Mapping[str, Mapping[str, Any]], took: Mapping[str, float]
) -> float | None:
    """Open GPU stages at the mean of done ones of their task, else as estimated (times what done ones took of their
    estimates), else at the mean of their kind; as many at a time as run now. None where a stage has none of these.
    Stages without a GPU take minutes and are left out."""
    by_like: dict[tuple[str, str], list[float]] = {}
    for key, spent in took.items():
        for like in _likes(stages[key]):
            by_like.setdefault(like, []).append(spent)
    estimated = {key: predicted for key in took if (predicted := stages[key].get("seconds"))}
    pace = sum(took[key] for key in estimated) / sum(estimated.values()) if estimated else 1.0
    running = [stage for stage in found if stage.state == "running" and stage.kind in GPU_KINDS]
    told = [float(stage.progress["seconds_left"]) for stage in running if "seconds_left" in stage.progress]
    work, longest = sum(told), max(told, default=0.0)
    for stage in found:
        if stage.kind not in GPU_KINDS or stage.state in ("done", "failed", "skipped"):
            continue
        if stage.state == "running" and "seconds_left" in stage.progress:
            continue
        own, kind = _likes(stages[stage.key])
        predicted = stages[stage.key].get("seconds")
        if own not in by_like and predicted is not None:
            work += predicted * pace
        elif known := by_like.get(own) or by_like.get(kind):
            work += sum(known) / len(known)
        else:
            return None
    return max(longest, work / max(1, len(running))) if work else None


def _likes(stage: Mapping[str, Any]) -> tuple[tuple[str, str], tuple[str, str]]:
    labels = stage.get("labels", {})
    own = str(labels.get("task") or labels.get("intermediate") or "")
    return ((stage["kind"], own), (stage["kind"], ""))


def _job_seconds(job: Mapping[str, Any] | None) -> float:
    status = job.get("status", {}) if job else {}
    begun, ended = status.get("startTime"), status.get("completionTime")
    return at(ended) - at(begun) if begun and ended else 0.0


def seconds(store: Store, manifests: Mapping[str, Entry], keys: Sequence[str]) -> dict[str, float]:
    """How long the committed attempts of these stages took, as far as that is known or read within READ_SECONDS."""
    return {key: one.total for key, one in _read(store, manifests, keys).items()}


def done(store: Store) -> list[Done]:
    """What is known, or read within READ_SECONDS, of all GPU stages that the store holds, of whatever grid."""
    manifests = {key: entry for entry in store.list(layout.MANIFESTS) if (key := layout.key_of(entry.name))}
    return [one.done for one in _read(store, manifests, list(manifests)).values() if one.done]


@dataclass(frozen=True, kw_only=True)
class _Spent:
    total: float
    done: Done | None


def _read(store: Store, manifests: Mapping[str, Entry], keys: Sequence[str]) -> dict[str, _Spent]:
    place = _cache() / f"{hashlib.sha256(store.url.encode()).hexdigest()[:16]}.json"
    known = _load(place)
    there = {key: manifests[key].etag for key in keys if key in manifests}
    found = {key: known[key][1] for key, etag in there.items() if key in known and known[key][0] == etag}
    unread = [key for key in there if key not in found]
    end = time.monotonic() + READ_SECONDS
    while unread and time.monotonic() < end:
        batch, unread = unread[: 4 * THREADS], unread[4 * THREADS :]
        for key, spent in zip(batch, each(lambda key: _of(store, key), batch), strict=True):
            if spent is not None:
                found[key] = spent
    _save(place, {**known, **{key: (there[key], spent) for key, spent in found.items()}}, known)
    return found


def _of(store: Store, key: str) -> _Spent | None:
    try:
        manifest = commit.read_manifest(store, key) or {}
        return _Spent(total=float(manifest["seconds"]["total"]), done=estimate.done(manifest))
    except (StoreError, KeyError, TypeError, ValueError):
        return None


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "xtl" / "spent"


def _load(place: Path) -> dict[str, tuple[str, _Spent]]:
    try:
        content = json.loads(place.read_text(encoding="utf-8"))
        return {str(key): (str(etag), _spent(one)) for key, (etag, one) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return {}


def _spent(one: Mapping[str, Any]) -> _Spent:
    return _Spent(total=float(one["total"]), done=Done(**one["done"]) if one["done"] else None)


def _save(place: Path, content: Mapping[str, tuple[str, _Spent]], before: Mapping[str, tuple[str, _Spent]]) -> None:
    """Atomically; a home that cannot be written costs a reading the next time."""
    if content == before:
        return
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f".{place.name}-{os.getpid()}")
        part.write_text(json.dumps({key: (etag, asdict(one)) for key, (etag, one) in content.items()}))
        os.replace(part, place)
