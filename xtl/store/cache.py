"""Files that stages have fetched before, by sha256, in a folder that processes and pods share: a node's second stage
reads nothing from the store that its first one read.

A file is fetched by whoever comes first, under a lock of the kernel's, freed on death; others wait for it and then take
it. It is compared with its sha256 whenever it is taken, and replaced if it is damaged. Where room is short, what was
used longest ago goes, but never what a living process holds. Whatever the folder cannot do (it is full, read-only,
gone) is done without it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from xtl.errors import Corrupt, NotFound, StoreError
from xtl.store.base import Blob, Store
from xtl.store.files import pieces, tally
from xtl.store.layout import OWN

log = logging.getLogger("xtl")

FOLDER, GIGABYTES = "XTL_CACHE", "XTL_CACHE_GB"
DEFAULT_GIGABYTES = 100.0
#: Of the volume, what is left free for others.
FREE_SHARE = 0.05
#: What a killed download left behind is nobody's after so long.
ABANDONED_SECONDS = 86_400.0

Download = Callable[[Blob, Path], None]


def bring(store: Store, cache: Cache | None, blob: Blob, path: Path) -> None:
    """Put a file that lies in the store at `path`, by way of the cache where there is one; verified. Raises NotFound,
    Corrupt, StoreError."""
    if cache is None:
        store.download(blob, path)
    else:
        cache.take(blob, path, store.download)


class Cache:
    """`limit`: the bytes that all files together may take."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._held: list[BinaryIO] = []  # open and locked until the attempt or its process ends

    def close(self) -> None:
        """What was taken may be evicted from now on."""
        while self._held:
            self._held.pop().close()

    @classmethod
    def from_environment(cls) -> Cache | None:
        """The one that XTL_CACHE names, of at most XTL_CACHE_GB; None where it names none."""
        if not (folder := os.environ.get(FOLDER)):
            return None
        said = os.environ.get(GIGABYTES) or str(DEFAULT_GIGABYTES)
        try:
            limit = int(float(said) * 1e9)
        except ValueError:
            log.warning("%s=%r is no number: %g is taken", GIGABYTES, said, DEFAULT_GIGABYTES)
            limit = int(DEFAULT_GIGABYTES * 1e9)
        return cls(Path(folder), limit)

    def take(self, blob: Blob, target: Path, download: Download) -> None:
        """Put the blob's file at `target`, by `download` if the folder lacks it. Raises what that does."""
        try:
            self._take(blob, target, download)
        except (NotFound, Corrupt):
            raise
        except (OSError, StoreError) as error:  # the folder's fault, or the store's: then this says so
            log.warning("%s is fetched without the cache: %s", blob.name, error)
            download(blob, target)

    def _take(self, blob: Blob, target: Path, download: Download) -> None:
        entry = self.folder / blob.sha256[:2] / blob.sha256
        entry.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with self._lock(blob.sha256):
                if not _is(entry, blob):
                    self._make_room(blob.size)
                    download(blob, entry)
            held = open(entry, "rb")  # noqa: SIM115 - held, so that nobody evicts it
            fcntl.flock(held, fcntl.LOCK_SH)
            with suppress(FileNotFoundError):
                if os.stat(entry).st_ino == os.fstat(held.fileno()).st_ino:
                    break
            held.close()  # evicted in between
        self._held.append(held)
        os.utime(entry)  # for who looks for what was used longest ago
        target.parent.mkdir(parents=True, exist_ok=True)
        # A symbolic link: weights are mapped straight from the cache, which may be another volume than the scratch.
        with suppress(FileNotFoundError):
            target.unlink()
        target.symlink_to(entry)

    @contextmanager
    def _lock(self, digest: str) -> Iterator[None]:
        """One of 256."""
        folder = self.folder / f"{OWN}locks"
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / digest[:2], "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _make_room(self, size: int) -> None:
        """Evict until `size` more bytes fit. Raises StoreError where they cannot."""
        entries = sorted(self._entries(), key=lambda found: found[1].st_mtime)
        total = sum(stat.st_size for _, stat in entries)
        while total + size > self.limit or not self._is_free(size):
            if not entries:
                raise StoreError(f"{self.folder} has no room for {size} bytes beside what is in use")
            path, stat = entries.pop(0)
            if _evict(path):
                total -= stat.st_size

    def _entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.glob("??/*"):
            with suppress(FileNotFoundError):
                stat = path.stat()
                if not path.name.startswith(OWN):
                    yield path, stat
                elif time.time() - stat.st_mtime > ABANDONED_SECONDS:
                    path.unlink()

    def _is_free(self, size: int) -> bool:
        disk = shutil.disk_usage(self.folder)
        return disk.free - size > FREE_SHARE * disk.total


def _is(entry: Path, blob: Blob) -> bool:
    try:
        with open(entry, "rb") as file:
            tally(pieces(file)).compare(blob)
    except FileNotFoundError:
        return False
    except (Corrupt, OSError) as error:
        log.warning("a damaged file in the cache is fetched again: %s", error)
        entry.unlink()
        return False
    return True


def _evict(path: Path) -> bool:
    """False where a living process holds it."""
    with suppress(FileNotFoundError), open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        path.unlink()
    return True
