"""The store's small interface: named objects, conditional writes, verified files.

`DirectoryStore` and `S3Store` implement it and pass one contract test suite (tests/store). Names are relative,
`/`-separated, without `..`. Small objects (manifests, specs, heartbeats) go through `get` and `put` as bytes; blobs
go through `upload` and `download`, streamed, whatever their size. What the objects mean is not known here: see
`commit.py` (manifests) and `claims.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One object in a listing. `modified` is in seconds since the epoch, by the store's clock."""

    name: str
    size: int
    etag: str
    modified: float


@dataclass(frozen=True, kw_only=True)
class Blob:
    """What a manifest promises of one file: where it lies, its size in bytes and its sha256 in hex."""

    name: str
    size: int
    sha256: str


class Store(Protocol):
    url: str  # as the grid spells it: `s3://bucket/prefix` or an absolute path; no secrets in it

    def get(self, name: str) -> tuple[bytes, str]:
        """The object's bytes and ETag. Raises NotFound."""
        ...

    def head(self, name: str) -> Entry | None:
        """The object's entry, or None where there is none."""
        ...

    def put(self, name: str, data: bytes, *, create: bool = False, replace: str | None = None) -> str:
        """Write whole, atomically; the new ETag. `create`: only if there is none yet (`If-None-Match: *`);
        `replace`: only if the ETag there is this one (`If-Match`). Raises Conflict where the condition fails."""
        ...

    def list(self, prefix: str) -> Iterator[Entry]:
        """Every object whose name starts with `prefix`, by name."""
        ...

    def delete(self, name: str) -> None:
        """Remove the object; no error if there is none."""
        ...

    def upload(self, path: Path, name: str) -> Blob:
        """Stream a file into the store in bounded memory; its size and sha256 as read."""
        ...

    def download(self, blob: Blob, path: Path) -> None:
        """Stream an object to `path`, checking size and sha256 on the way; `path` appears whole or not at all (but a
        crash of the machine may take it again). Raises NotFound, Corrupt."""
        ...

    def check(self, blob: Blob) -> None:
        """Read the object past its size and sha256 and keep nothing. Raises NotFound, Corrupt."""
        ...

    def fetch(self, name: str, path: Path) -> Blob:
        """Stream an object that no manifest promises to `path`, which appears whole or not at all; its size and sha256
        as read. Raises NotFound."""
        ...

    def leftovers(self) -> Iterator[Entry]:
        """What killed writers left behind and no listing shows: temporary files, unfinished uploads (`xtl gc`)."""
        ...

    def drop(self, leftover: Entry) -> None:
        """Remove one of the leftovers."""
        ...
