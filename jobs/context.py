"""What a running stage has in hand: its spec, its parents' files, a folder to fill, and a voice.

The heartbeat is a thread of its own, so that a long step still shows as alive; it also uploads the log as it grows.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs import stop
from jobs.needs import Need
from xtl.errors import Corrupt, NotFound, StoreError
from xtl.store import commit, layout
from xtl.store.base import Blob, Store
from xtl.store.cache import Cache, bring

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
    started: float = field(default_factory=time.time)  # when the process began, seconds since the epoch
    cache: Cache | None = None
    seconds: dict[str, float] = field(default_factory=dict)  # wall time by phase, for the manifest
    counted: dict[str, int] = field(default_factory=dict)  # what this attempt did in that time: see finetune.py

    first_step: float | None = None  # seconds from then to the end of the first optimiser step
    _manifests: dict[str, commit.Manifest] = field(default_factory=dict)
    _coming: dict[str, list[Future[None]]] = field(default_factory=dict)
    _going: Future[dict[str, Blob]] | None = None

    def manifest(self, key: str) -> commit.Manifest:
        """A parent's manifest, read once. Raises StoreError where the parent is not committed."""
        if key not in self._manifests:
            found = commit.read_manifest(self.store, key)
            if found is None:
                raise StoreError(f"parent stage {key[:12]} has no manifest: it has not run yet, or was removed")
            self._manifests[key] = found
        return self._manifests[key]

    def expect(self, wanted: Iterable[Need]) -> None:
        """Start to fetch what is going to be pulled; what fails on the way is told by the pull that needs it."""
        ahead = ThreadPoolExecutor(2, thread_name_prefix="xtl-staging")
        for key, names in wanted:
            self._coming.setdefault(key, []).append(ahead.submit(self._fetch, key, names, only=True))
        ahead.shutdown(wait=False)

    def pull(self, key: str, names: Iterable[str] | None = None) -> Path:
        """A parent's files (or those named), verified, in a folder of their own."""
        with self.phase("staging"):
            try:
                for coming in self._coming.pop(key, ()):
                    coming.result()
                self._fetch(key, None if names is None else tuple(names))
            except (Corrupt, NotFound):
                commit.discard(self.store, key)  # so that the parent counts as not done and runs again
                raise
        return self._folder(key)

    def _folder(self, key: str) -> Path:
        return self.work / "parents" / key

    def _fetch(self, key: str, names: tuple[str, ...] | None, *, only: bool = False) -> None:
        """What is not there yet; a file that is there is whole. only: of the names, those that the parent has."""
        manifest, folder = self.manifest(key), self._folder(key)
        files = manifest["files"]
        wanted = files if names is None else [name for name in names if not only or name in files]
        missing = [name for name in wanted if not (folder / name).exists()]
        if missing:
            commit.pull(self.store, manifest, folder, missing, cache=self.cache)

    def download(self, blob: Blob, path: Path) -> None:
        """What lies in the store for any stage to use; verified. Raises NotFound, Corrupt."""
        bring(self.store, self.cache, blob, path)

    def upload_ahead(self) -> None:
        """Start to upload what lies in `out`, which does not change any more, while the stage goes on."""
        ahead = ThreadPoolExecutor(1, thread_name_prefix="xtl-upload")
        prefix = layout.attempt_prefix(self.key, self.attempt)
        self._going = ahead.submit(commit.upload_folder, self.store, self.out, prefix)
        ahead.shutdown(wait=False)

    def uploaded(self) -> dict[str, Blob]:
        """What has been uploaded ahead; waits for what is on its way. A store that did not take it is asked again."""
        try:
            return self._going.result() if self._going else {}
        except StoreError as error:
            log.warning("the upload that began early failed: %s; it begins anew", error)
            return {}

    def stepped(self) -> None:
        """The first call notes the time to the first step."""
        if self.first_step is None:
            self.first_step = time.time() - self.started

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
