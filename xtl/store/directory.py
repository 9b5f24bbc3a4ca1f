"""A folder as a store: for one machine, or several on one network file system that honours locks and hard links.

Objects are plain files under their names, so that `ls` and `cat` tell the story. A write goes to a temporary file, is
synced, and then linked (`create`: linking fails where a name exists, renaming would overwrite) or renamed. Writes that
depend on what is there hold a lock of the kernel's, freed on death. The ETag is the time of writing in nanoseconds and
the size: listing a folder of large files reads none of them. Whoever edits a file in place is noticed by the manifest's
sha256, not by the ETag.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from xtl.errors import Conflict, NotFound, StoreError
from xtl.store.base import Blob, Entry
from xtl.store.files import Tally, explain, explained, pieces, place, settle, settle_folder, tally, temporary
from xtl.store.layout import OWN, check_name, check_prefix

_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class DirectoryStore:
    """`root` is made when the first object is written."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))
        self.url = str(self.root)

    def get(self, name: str) -> tuple[bytes, str]:
        with self._open(name) as file:
            return file.read(), _etag(os.fstat(file.fileno()))

    def head(self, name: str) -> Entry | None:
        path = self._path(name)
        try:
            stat = path.stat()
        except _ABSENT:
            return None
        except OSError as error:
            raise explain(error, "look at", path) from error
        return None if path.is_dir() else _entry(name, stat)

    def put(self, name: str, data: bytes, *, create: bool = False, replace: str | None = None) -> str:
        path = self._path(name)
        with explained("write", path), temporary(path) as (file, temp):
            file.write(data)
            etag = _stamp(file)
            if create:
                _link(temp, path, name)
            else:
                with self._lock(name):
                    self._expect(name, replace)
                    os.replace(temp, path)
            settle_folder(path.parent)
        return etag

    def list(self, prefix: str) -> Iterator[Entry]:
        start = self.root / check_prefix(prefix).rpartition("/")[0]
        found = [entry for entry in self._walk(start) if entry.name.startswith(prefix)]
        yield from sorted(found, key=lambda entry: entry.name.encode())

    def delete(self, name: str) -> None:
        path = self._path(name)
        with explained("delete", path):
            if not path.is_file():
                return
            with self._lock(name), suppress(FileNotFoundError):
                path.unlink()
            settle_folder(path.parent)
            self._prune(path.parent)

    def upload(self, path: Path, name: str) -> Blob:
        target = self._path(name)
        with explained("read", path):
            source = open(path, "rb")  # noqa: SIM115 - closed below
        with source, explained("write", target), temporary(target) as (file, temp):
            counted = _copy(source, file)
            _stamp(file)
            os.replace(temp, target)
            settle_folder(target.parent)
        return counted.blob(name)

    def download(self, blob: Blob, path: Path) -> None:
        self._fetch(blob.name, path, blob)

    def fetch(self, name: str, path: Path) -> Blob:
        return self._fetch(name, path, None)

    def check(self, blob: Blob) -> None:
        with self._open(blob.name) as source:
            tally(pieces(source)).compare(blob)

    def leftovers(self) -> Iterator[Entry]:
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder) / name
                if name.startswith(OWN) and not _is_lock(path):
                    with suppress(FileNotFoundError):
                        yield _entry(path.relative_to(self.root).as_posix(), path.stat())

    def drop(self, leftover: Entry) -> None:
        path = self.root / leftover.name
        with explained("delete", path):
            path.unlink(missing_ok=True)
            self._prune(path.parent)

    def _fetch(self, name: str, path: Path, promised: Blob | None) -> Blob:
        with self._open(name) as source, explained("write", path), temporary(path) as (file, temp):
            seen = _copy(source, file)
            if promised is not None:
                seen.compare(promised)
            place(file, temp, path, durable=promised is None)
        return seen.blob(name)

    def _path(self, name: str) -> Path:
        return self.root / check_name(name)

    @contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO]:
        path = self._path(name)
        try:
            file = open(path, "rb")  # noqa: SIM115 - closed below
        except _ABSENT:
            raise NotFound(f"{self.url} holds no {name}") from None
        except OSError as error:
            raise explain(error, "read", path) from error
        with file, explained("read", path):
            yield file

    def _walk(self, folder: Path) -> Iterator[Entry]:
        try:
            items = list(os.scandir(folder))
        except _ABSENT:
            return
        except OSError as error:
            raise explain(error, "list", folder) from error
        for item in items:
            if item.name.startswith(OWN):
                continue
            if item.is_dir():
                yield from self._walk(Path(item.path))
                continue
            with suppress(FileNotFoundError):  # deleted since the folder was read
                yield _entry(Path(item.path).relative_to(self.root).as_posix(), item.stat())

    def _expect(self, name: str, etag: str | None) -> None:
        if etag is None:
            return
        entry = self.head(name)
        if entry is None or entry.etag != etag:
            raise Conflict(f"{self.url}: {name} is no longer what it was when it was read")

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """One of 256 locks, so that writers of different objects seldom wait for each other."""
        folder = self.root / f"{OWN}locks"
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / hashlib.sha256(name.encode()).hexdigest()[:2], "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _prune(self, folder: Path) -> None:
        """Takes away the folders that a deletion left empty; a writer that wants one makes it again."""
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent


def _is_lock(path: Path) -> bool:
    """Locks stay: to remove one while someone waits for it would let two through."""
    return path.parent.name == f"{OWN}locks" or path.suffix == ".lock"


def _copy(source: BinaryIO, target: BinaryIO) -> Tally:
    counted = Tally()
    for piece in pieces(source):
        counted.add(piece)
        target.write(piece)
    return counted


def _stamp(file: BinaryIO) -> str:
    """Sync the file and set its time to the nanosecond: kernels tick coarser, and two writes must differ."""
    file.flush()
    now = time.time_ns()
    os.utime(file.fileno(), ns=(now, now))
    settle(file)
    return _etag(os.fstat(file.fileno()))


def _etag(stat: os.stat_result) -> str:
    return f"{stat.st_mtime_ns:x}-{stat.st_size:x}"


def _entry(name: str, stat: os.stat_result) -> Entry:
    return Entry(name=name, size=stat.st_size, etag=_etag(stat), modified=stat.st_mtime)


def _link(temp: Path, path: Path, name: str) -> None:
    try:
        os.link(temp, path)
    except FileExistsError:
        raise Conflict(f"{name} is there already") from None
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise StoreError(f"{path.parent} cannot hard-link files: put the store on another file system") from error
        raise
