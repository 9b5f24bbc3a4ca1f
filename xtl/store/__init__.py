"""Where every stage's results are kept: a folder, or a bucket that speaks S3. The only package that imports boto3."""

from __future__ import annotations

import re
from pathlib import Path

from xtl.errors import UserError
from xtl.store.base import Blob, Entry, Store
from xtl.store.directory import DirectoryStore

__all__ = ["Blob", "DirectoryStore", "Entry", "Store", "open_store"]

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")


def open_store(url: str) -> Store:
    """The store at `url`: `s3://bucket/prefix`, or a folder (`~` is the home, relative to where you are).

    Nothing is read or written yet. Raises UserError for another scheme or an S3 URL without a bucket.
    """
    scheme = _SCHEME.match(url)
    if scheme is None and url.strip():
        return DirectoryStore(Path(url).expanduser())
    if scheme is not None and scheme[1] == "s3":
        from xtl.store.s3 import S3Store

        return S3Store(url)
    raise UserError(f"{url!r} is no store: give a folder or s3://bucket/prefix")
