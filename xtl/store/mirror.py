"""A folder's copy of an `s3://` prefix, so that readers of published files meet nothing but local files.

The copy is kept in the cache and brought up to date by ETag: what did not change is neither fetched nor touched, and
what is gone from the prefix goes. It is a cache, not a store: nothing is promised of its bytes but that they are the
prefix's, and stages name the data by its own digests.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from xtl.errors import UserError
from xtl.store.base import Entry, Store
from xtl.store.files import explained, settle, temporary
from xtl.store.layout import OWN, check_name
from xtl.store.parallel import each

_INDEX = f"{OWN}mirror.json"


def mirror(url: str, cache: Path | None = None) -> Path:
    """The folder that holds what lies under `url` now. `cache`: where copies are kept (default: ~/.cache/xtl/data).

    Raises UserError where nothing lies there, StoreError where it cannot be read.
    """
    from xtl.store import open_store

    store = open_store(url)
    entries = list(store.list(""))
    if not entries:
        raise UserError(f"data: nothing lies under {url}; the grid's `data` (or --data) names the published files")
    folder = (cache or _cache()) / hashlib.sha256(store.url.encode()).hexdigest()[:16]
    before = _index(folder)
    _take_away(folder, set(before) - {entry.name for entry in entries})
    news = [entry for entry in entries if not _have(folder, entry, before)]
    each(lambda entry: _fetch(store, folder, entry), news)
    if news or len(before) != len(entries):
        _note(folder, entries)
    return folder


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "xtl" / "data"


def _index(folder: Path) -> dict[str, str]:
    """ETags by name, as of the last copy; none where there is no copy yet, or a half-made one."""
    try:
        found = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _have(folder: Path, entry: Entry, before: dict[str, str]) -> bool:
    path = folder / entry.name
    return before.get(entry.name) == entry.etag and path.is_file() and path.stat().st_size == entry.size


def _fetch(store: Store, folder: Path, entry: Entry) -> None:
    store.fetch(entry.name, folder / check_name(entry.name))


def _take_away(folder: Path, names: set[str]) -> None:
    for name in names:
        with explained("delete", folder / name):
            (folder / check_name(name)).unlink(missing_ok=True)


def _note(folder: Path, entries: list[Entry]) -> None:
    path = folder / _INDEX
    with explained("write", path), temporary(path) as (file, temp):
        file.write(json.dumps({entry.name: entry.etag for entry in entries}).encode())
        settle(file)
        os.replace(temp, path)
