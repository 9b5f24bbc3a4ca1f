"""Who is at a stage, so that two `xtl run`s of one grid on one store run each stage once.

In a bucket a claim is `claims/<key>.json`: created with `If-None-Match`, renewed every 15 s with `If-Match`, and taken
over with `If-Match` once nobody has renewed it for 60 s. No two clocks are compared: whoever wants the claim watches
its ETag stand still for 60 s of their own monotonic time, and a holder on the same machine whose process is gone is
seen at once. In a folder the kernel holds a lock beside it and frees it with the process, at once and on every death.

A claim saves work, it does not guard results: a holder that hangs for a minute loses it and is told (`lost`), and the
commit protocol keeps one result whatever happens. After taking a claim look for the manifest once more: whoever had
the claim before may have committed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from xtl.errors import Conflict, NotFound, StoreError
from xtl.store.base import Store
from xtl.store.directory import DirectoryStore
from xtl.store.files import explained
from xtl.store.layout import CLAIMS, OWN, claim_name

RENEW_SECONDS = 15.0
STALE_SECONDS = 60.0


class Claim:
    """A stage that is ours until `release` (or the end of `with`), or until it is `lost`."""

    #: What a child process inherits (`pass_fds`) to keep the claim until both it and this process are gone.
    inherit: tuple[int, ...] = ()

    @property
    def lost(self) -> bool:
        """Someone else has taken it, as they may when it was not renewed in time: stop, the work is theirs."""
        raise NotImplementedError

    def release(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


class Claims:
    """One a process: it remembers what it saw of others' claims, so ask again and again (`take`) for what is held."""

    def __init__(
        self,
        store: Store,
        *,
        renew_seconds: float = RENEW_SECONDS,
        stale_seconds: float = STALE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._clock = store, clock
        self._renew_seconds, self._stale_seconds = renew_seconds, stale_seconds
        self._seen: dict[str, tuple[str, float]] = {}  # by key: the ETag there, and since when

    def take(self, key: str) -> Claim | None:
        """The claim, or None while someone else has it."""
        if isinstance(self._store, DirectoryStore):
            return _Locked.take(self._store, key)
        name, body = claim_name(key), _body()
        try:
            etag = _put(self._store, name, body, create=True)
        except Conflict:
            stale = self._stale_etag(key)
            if stale is None:
                return None
            try:
                etag = _put(self._store, name, body, replace=stale)
            except Conflict:  # its holder woke up, or a third was quicker
                return None
        self._seen.pop(key, None)
        return _Renewed(self._store, name, etag, self._renew_seconds)

    def _stale_etag(self, key: str) -> str | None:
        """The ETag of a claim whose holder is gone; None where it may live."""
        try:
            data, etag = self._store.get(claim_name(key))
        except NotFound:  # released just now: the next `take` will have it
            return None
        now = self._clock()
        seen, since = self._seen.get(key, ("", now))
        if seen != etag:
            self._seen[key] = etag, now
            since = now
        return etag if now - since >= self._stale_seconds or _gone(data) else None


class _Renewed(Claim):
    """An object in a bucket and the thread that renews it."""

    def __init__(self, store: Store, name: str, etag: str, seconds: float) -> None:
        self._store, self._name, self._etag, self._seconds = store, name, etag, seconds
        self._lost, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"xtl-{name}", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    def release(self) -> None:
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        with suppress(StoreError):  # then it goes stale by itself
            self._renew()  # nobody takes a claim this fresh, so what is deleted is ours
            self._store.delete(self._name)

    def _run(self) -> None:
        while not self._over.wait(self._seconds) and not self.lost:
            with suppress(StoreError):  # a store that is away: the next round finds out whose the claim is
                self._renew()

    def _renew(self) -> None:
        try:
            self._etag = _put(self._store, self._name, _body(), replace=self._etag)
        except Conflict:
            self._lost.set()
            raise


class _Locked(Claim):
    """A locked file in a folder. The claim's own file tells people who has it; the lock alone decides."""

    def __init__(self, store: DirectoryStore, key: str, path: Path, file: BinaryIO) -> None:
        self._store, self._name, self._path, self._file = store, claim_name(key), path, file
        self.inherit = (file.fileno(),)

    @classmethod
    def take(cls, store: DirectoryStore, key: str) -> _Locked | None:
        path = store.root / CLAIMS / f"{OWN}{key}.lock"
        with explained("lock", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(path, "ab")  # noqa: SIM115 - kept open: it is the lock
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return None
        try:
            if not _same(path, file):  # its holder released it between our opening and locking
                file.close()
                return None
            store.put(claim_name(key), _body())
        except BaseException:
            file.close()
            raise
        return cls(store, key, path, file)

    @property
    def lost(self) -> bool:
        return self._file.closed or not _same(self._path, self._file)

    def release(self) -> None:
        if self._file.closed:
            return
        with self._file:
            if not self.lost:
                with suppress(StoreError, OSError):
                    self._store.delete(self._name)
                    self._path.unlink()
            fcntl.flock(self._file, fcntl.LOCK_UN)  # a child may have inherited it


def _same(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _put(store: Store, name: str, body: bytes, *, create: bool = False, replace: str | None = None) -> str:
    """As `Store.put`; a Conflict with our own write, whose answer was lost on the way, is none."""
    try:
        return store.put(name, body, create=create, replace=replace)
    except Conflict:
        with suppress(NotFound):
            data, etag = store.get(name)
            if data == body:
                return etag
        raise


def _body() -> bytes:
    """Who we are, for people and for `_gone`; never the same twice, since an ETag may be a hash of the content."""
    who: dict[str, Any] = {"host": socket.gethostname(), "pid": os.getpid(), **_machine()}
    who |= {"started": _started(os.getpid()), "renewed": datetime.now(UTC).isoformat(), "nonce": secrets.token_hex(8)}
    return (json.dumps(who, sort_keys=True) + "\n").encode()


def _gone(data: bytes) -> bool:
    """The holder ran on this machine, in this namespace of process ids, and its process is no more."""
    try:
        who = json.loads(data)
        here = _machine()
        return (
            bool(here) and all(who.get(each) == here[each] for each in here) and _started(who["pid"]) != who["started"]
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _machine() -> dict[str, str]:
    """What tells this boot of this machine, and this container, from every other; empty where that cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return {"boot": boot, "pids": os.readlink("/proc/self/ns/pid")}
    except OSError:
        return {}


def _started(pid: int) -> str | None:
    """When process `pid` started, in the kernel's ticks; None if there is none. Ids are used again, starts are not."""
    try:
        return Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, ValueError, IndexError):
        return None
