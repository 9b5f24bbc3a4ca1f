"""What a running stage has in hand: its spec, its parents' files, a folder to fill, and a voice.

The heartbeat is a thread of its own, so that a long step still shows as alive; it also uploads the log as it grows.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs import stop
from xtl.errors import Corrupt, NotFound, StoreError
from xtl.store import commit, layout
from xtl.store.base import Store

log = logging.getLogger("xtl")

HEARTBEAT_SECONDS = 5.0
#: How often a stage looks whether the `xtl run` that started it is still there.
PARENT_SECONDS = 1.0


class Heartbeat:
    """Writes the log and progress/<key>.json every few seconds until closed. A store that is slow or away for a while
    costs a beat, never the stage."""

    def __init__(self, store: Store, key: str, attempt: str, log_file: Path) -> None:
        self._store, self._key, self._attempt, self._log_file = store, key, attempt, log_file
        self._body: dict[str, Any] = {"state": "starting"}
        self._uploaded = -1
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def say(self, state: str, **figures: Any) -> None:
        """Set what the next beat tells: a state, and step, steps, loss, tokens_per_second, seconds_left if known."""
        with self._lock:
            self._body = {"state": state, **figures}

    def beat(self) -> None:
        """The log first: whoever reads in a beat that the attempt ended finds its log whole."""
        with self._lock:
            body = {"key": self._key, "attempt": self._attempt, "at": time.time(), **self._body}
        try:
            if self._log_file.exists() and (size := self._log_file.stat().st_size) != self._uploaded:
                self._store.put(layout.log_name(self._key, self._attempt), self._log_file.read_bytes())
                self._uploaded = size
            commit.put_json(self._store, layout.progress_name(self._key), body)
        except (StoreError, OSError) as error:
            log.warning("heartbeat not written: %s", error)

    def _run(self) -> None:
        parent = os.environ.get("XTL_PARENT")
        self.beat()
        beaten, told = time.monotonic(), ""
        while not self._done.wait(PARENT_SECONDS):
            if parent and os.getppid() != int(parent):
                stop.ask()  # the `xtl run` that started this process was killed: save and end
            state = self._body["state"]
            if state != told or time.monotonic() - beaten >= HEARTBEAT_SECONDS:
                self.beat()
                beaten, told = time.monotonic(), state

    def close(self, ended: str) -> None:
        """Stop the thread, and write the last of the log and how the attempt `ended`: committed, stopped or failed."""
        self._done.set()
        self._thread.join()
        with self._lock:
            self._body = {**self._body, "state": ended, "ended": True}
        self.beat()


@dataclass(kw_only=True)
class Context:
    """One attempt at one stage. out: what is committed; work: scratch that dies with the process."""

    key: str
    attempt: str
    spec: Mapping[str, Any]
    where: Mapping[str, Any]
    store: Store
    out: Path
    work: Path
    heartbeat: Heartbeat
    seconds: dict[str, float] = field(default_factory=dict)  # wall time by phase, for the manifest
    counted: dict[str, int] = field(default_factory=dict)  # what this attempt did in that time: see finetune.py

    def manifest(self, key: str) -> commit.Manifest:
        """A parent's manifest. Raises StoreError where the parent is not committed."""
        found = commit.read_manifest(self.store, key)
        if found is None:
            raise StoreError(f"parent stage {key[:12]} has no manifest: it has not run yet, or was removed")
        return found

    def pull(self, key: str, names: Iterable[str] | None = None) -> Path:
        """A parent's files (or those named), verified, in a folder of their own."""
        folder = self.work / "parents" / key
        with self.phase("staging"):
            try:
                commit.pull(self.store, self.manifest(key), folder, None if names is None else list(names))
            except (Corrupt, NotFound):
                commit.discard(self.store, key)  # so that the parent counts as not done and runs again
                raise
        return folder

    def phase(self, name: str) -> _Phase:
        """`with context.phase("training"):` adds to that phase's wall time."""
        return _Phase(self, name)


class _Phase:
    def __init__(self, context: Context, name: str) -> None:
        self._context, self._name = context, name

    def __enter__(self) -> None:
        self._start = time.monotonic()
        self._context.heartbeat.say(self._name)

    def __exit__(self, *error: object) -> None:
        spent = time.monotonic() - self._start
        self._context.seconds[self._name] = self._context.seconds.get(self._name, 0.0) + spent
