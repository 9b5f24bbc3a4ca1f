"""Resumable states of a stage that is not done: `stages/<key>/resume/<attempt>-<step>/`, each with its manifest last.

The newest two are kept: should the newest be damaged, ten minutes are lost and not the whole stage. A state that does
not verify is skipped and removed. Saving costs one upload of the state; hashes are checked when a state is read, and
sizes alone when old ones are cleared away, since reading gigabytes every ten minutes would cost more than it saves.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from xtl.errors import Corrupt, NotFound
from xtl.store.base import Entry, Store
from xtl.store.commit import encode_files, get_json, pull, put_json, upload_folder, verify
from xtl.store.layout import resume_prefix, resumes_prefix
from xtl.store.parallel import each

KEEP = 2
_MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class _State:
    attempt: str
    step: int
    entries: list[Entry] = field(default_factory=list)

    def prefix(self, key: str) -> str:
        return resume_prefix(key, self.attempt, self.step)

    @property
    def newest(self) -> float:
        """The last write, by the store's clock."""
        return max(entry.modified for entry in self.entries)


def save(store: Store, key: str, attempt: str, step: int, folder: Path) -> None:
    """Uploads the files under `folder` as the state after `step` optimiser steps, then clears older states away.

    Raises StoreError; the states saved before still stand then.
    """
    if (folder / _MANIFEST).exists():
        raise ValueError(f"a resume state must not hold a file named {_MANIFEST}")
    prefix = resume_prefix(key, attempt, step)
    blobs = upload_folder(store, folder, prefix)
    saved = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = {"key": key, "attempt": attempt, "step": step, "saved": saved, "files": encode_files(blobs)}
    put_json(store, prefix + _MANIFEST, manifest)
    _thin(store, key, (attempt, step))


def latest(store: Store, key: str, dest: Path) -> tuple[int, Path] | None:
    """The newest state that verifies, downloaded to `dest` (which is emptied): its step and `dest`. None: start afresh.

    Raises StoreError where the store cannot be read: that is no reason to start afresh.
    """
    for state in _states(store, key):
        shutil.rmtree(dest, ignore_errors=True)
        try:
            manifest = get_json(store, state.prefix(key) + _MANIFEST)
            if manifest is not None:
                pull(store, manifest, dest)
                return state.step, dest
        except (Corrupt, NotFound, KeyError, TypeError):
            _remove(store, key, state)
    shutil.rmtree(dest, ignore_errors=True)
    return None


def clear(store: Store, key: str) -> None:
    """Removes every state of the stage: it is committed."""
    for state in _states(store, key):
        _remove(store, key, state)


def _states(store: Store, key: str) -> list[_State]:
    """Every state, whole or not, the furthest step first."""
    start = resumes_prefix(key)
    found: dict[tuple[str, int], _State] = {}
    for entry in store.list(start):
        attempt, _, step = entry.name[len(start) :].partition("/")[0].rpartition("-")
        if attempt and step.isdecimal():
            found.setdefault((attempt, int(step)), _State(attempt=attempt, step=int(step))).entries.append(entry)
    return sorted(found.values(), key=lambda state: (state.step, state.newest), reverse=True)


def _thin(store: Store, key: str, saved: tuple[str, int]) -> None:
    """Keeps the state just saved and the next best that is whole. Another's unfinished upload is left alone until it
    is older than what is kept."""
    states = sorted(_states(store, key), key=lambda state: (state.attempt, state.step) != saved)
    kept: list[_State] = []
    others: list[tuple[_State, bool]] = []
    for state in states:
        manifest = get_json(store, state.prefix(key) + _MANIFEST)
        if manifest is not None and len(kept) < KEEP and not verify(store, manifest, hashes=False):
            kept.append(state)
        else:
            others.append((state, manifest is None))
    oldest = min((state.newest for state in kept), default=0.0)
    for state, unfinished in others:
        if not unfinished or state.newest < oldest:
            _remove(store, key, state)


def _remove(store: Store, key: str, state: _State) -> None:
    """The manifest first: what is half removed does not look whole."""
    manifest = state.prefix(key) + _MANIFEST
    store.delete(manifest)
    each(store.delete, [entry.name for entry in state.entries if entry.name != manifest])
