"""Local files that appear whole or not at all, and the hashing that goes with every copy.

A file is written under a temporary name in its own folder, synced, and only then given its name; whoever is killed on
the way leaves a `.xtl-` file that no listing shows. The price is one fsync a file and one a folder, which only copies
of what lies in a store can do without (`place`). Errors of the operating system become StoreError with the path and
what to do.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from xtl.errors import Corrupt, StoreError
from xtl.store.base import Blob
from xtl.store.layout import OWN

CHUNK_BYTES = 1 << 20

_WHAT_TO_DO = {
    errno.ENOSPC: "the disk is full: make room or choose another folder",
    errno.EDQUOT: "your disk quota is used up: make room or choose another folder",
    errno.EROFS: "the file system is read-only: choose a folder that you may write to",
    errno.EACCES: "permission denied: change the folder's rights or choose another",
    errno.EPERM: "not permitted here: change the folder's rights or choose another",
    errno.ENOTDIR: "a file stands where a folder should be: choose another folder",
    errno.ENAMETOOLONG: "the name is too long for this file system",
    errno.ESTALE: "the network file system lost the file: check the mount, then run it again",
    errno.EIO: "the disk could not be read or written: check it, then run it again",
}


def explain(error: OSError, doing: str, path: Path) -> StoreError:
    """The StoreError for an operating system error: what failed, where, what to do."""
    advice = _WHAT_TO_DO.get(error.errno or 0, error.strerror or type(error).__name__)
    return StoreError(f"cannot {doing} {path}: {advice}")


@contextmanager
def explained(doing: str, path: Path) -> Iterator[None]:
    """Turns an OSError raised inside into its StoreError."""
    try:
        yield
    except OSError as error:
        raise explain(error, doing, path) from error


@contextmanager
def temporary(target: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file beside `target`, open for writing, and its path; removed at the end unless it was renamed away."""
    for last in (False, False, True):
        target.parent.mkdir(parents=True, exist_ok=True)
        path = target.parent / f"{OWN}{secrets.token_hex(8)}"
        try:
            file = open(path, "xb")  # noqa: SIM115 - closed below
            break
        except FileNotFoundError:  # someone's cleaning took the still empty folder away: make it again
            if last:
                raise
    try:
        with file:
            yield file, path
    finally:
        with suppress(OSError):
            path.unlink()


def settle(file: BinaryIO) -> None:
    """What was written is on the disk when this returns."""
    file.flush()
    os.fsync(file.fileno())


def settle_folder(folder: Path) -> None:
    """The names in `folder` are on the disk when this returns (a no-op where folders cannot be synced)."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def place(file: BinaryIO, temp: Path, target: Path, *, durable: bool) -> None:
    """Give a temporary file its name. durable: it outlives a crash of the machine; what a manifest promises need not,
    for it is in the store, and who reads it from the disk dies with the machine or compares it anew."""
    if durable:
        settle(file)
    else:
        file.flush()
    os.replace(temp, target)
    if durable:
        settle_folder(target.parent)


def pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(CHUNK_BYTES):
        yield piece


class Tally:
    """Size and sha256 of the bytes seen so far."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self._hash.update(data)

    def blob(self, name: str) -> Blob:
        return Blob(name=name, size=self.size, sha256=self._hash.hexdigest())

    def compare(self, promised: Blob) -> None:
        """Raises Corrupt unless the bytes seen are those that `promised` promises."""
        if self.size != promised.size:
            raise Corrupt(f"{promised.name} holds {self.size} bytes, not {promised.size}: truncated or replaced")
        seen = self._hash.hexdigest()
        if seen != promised.sha256:
            raise Corrupt(f"{promised.name} was altered: sha256 {seen[:12]}..., not {promised.sha256[:12]}...")


def tally(data: Iterable[bytes]) -> Tally:
    counted = Tally()
    for piece in data:
        counted.add(piece)
    return counted
