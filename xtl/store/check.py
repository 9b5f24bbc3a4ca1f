"""Whether a store can be relied on: does what xtl asks of it, tried on names of its own that are removed again.

What matters most is what fails silently: a store that ignores `If-None-Match` or `If-Match` lets two attempts commit,
and one whose clock is off makes live work look stale. Costs some twenty requests and 20 MB up and down.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Literal

from xtl.errors import Conflict, StoreError
from xtl.store.base import Store

_RACERS = 8
_LARGE_BYTES = 20 << 20
_SKEW_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check's outcome; `detail` says what was seen, and what to do unless it is well."""

    check: str
    state: Literal["ok", "warning", "wrong"]
    detail: str


def check_store(store: Store) -> Iterator[Finding]:
    """Every check in turn; ends at the first that cannot be carried out, since the rest could not either."""
    prefix = f"doctor/{secrets.token_hex(8)}/"
    steps: list[tuple[str, Callable[[Store, str], tuple[bool, str]]]] = [
        ("list", _list),
        ("write and read", _roundtrip),
        ("create only if absent", _create),
        ("replace only if unchanged", _replace),
        ("one winner of a race", _race),
        ("large files", _large),
        ("clock", _clock),
    ]
    try:
        for name, step in steps:
            try:
                good, detail = step(store, prefix)
            except StoreError as error:
                yield Finding(check=name, state="wrong", detail=str(error))
                return
            bad: Literal["warning", "wrong"] = "warning" if step is _clock else "wrong"
            yield Finding(check=name, state="ok" if good else bad, detail=detail)
    finally:
        _clean(store, prefix)
    if left := _left(store, prefix):
        what = f"{len(left)} objects under {prefix} could not be deleted: these credentials need s3:DeleteObject"
        yield Finding(check="delete", state="wrong", detail=what)
    else:
        yield Finding(check="delete", state="ok", detail="what was tried is removed again")


def _list(store: Store, prefix: str) -> tuple[bool, str]:
    list(store.list(prefix))
    return True, f"{store.url} answers"


def _roundtrip(store: Store, prefix: str) -> tuple[bool, str]:
    data = os.urandom(1000)
    name = f"{prefix}größe +%/a.json"
    etag = store.put(name, data)
    listed = [entry.name for entry in store.list(prefix)]
    if store.get(name) != (data, etag):
        return False, "what was written does not come back at once: xtl needs a store that is consistent"
    if listed != [name]:
        return (
            False,
            f"a listing does not show what was just written, but {listed}: xtl needs a store that is consistent",
        )
    return True, "what is written is read and listed at once"


def _create(store: Store, prefix: str) -> tuple[bool, str]:
    store.put(f"{prefix}create", b"first", create=True)
    try:
        store.put(f"{prefix}create", b"second", create=True)
    except Conflict:
        return True, "a second creation is refused (If-None-Match)"
    return False, "it ignores If-None-Match, so two attempts could both commit: use a store that honours it"


def _replace(store: Store, prefix: str) -> tuple[bool, str]:
    old = store.put(f"{prefix}replace", b"first")
    new = store.put(f"{prefix}replace", b"second", replace=old)
    try:
        store.put(f"{prefix}replace", b"third", replace=old)
    except Conflict:
        return new != old, "a replacement of what has changed is refused (If-Match)"
    return False, "it ignores If-Match, so two runs could do the same work: use a store that honours it"


def _race(store: Store, prefix: str) -> tuple[bool, str]:
    barrier = Barrier(_RACERS)

    def write(number: int) -> bool:
        barrier.wait()
        try:
            store.put(f"{prefix}race", b"%d" % number, create=True)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(_RACERS) as pool:
        winners = sum(pool.map(write, range(_RACERS)))
    return winners == 1, f"of {_RACERS} that created one object at once {winners} won" + (
        "" if winners == 1 else ": conditions are not atomic there, use another store"
    )


def _large(store: Store, prefix: str) -> tuple[bool, str]:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "large"
        path.write_bytes(os.urandom(_LARGE_BYTES))
        begun = time.monotonic()
        blob = store.upload(path, f"{prefix}large")
        up = time.monotonic()
        store.download(blob, path)
        down = time.monotonic()
    speeds = [_LARGE_BYTES / 1e6 / max(seconds, 1e-6) for seconds in (up - begun, down - up)]
    return True, f"{_LARGE_BYTES >> 20} MiB went up at {speeds[0]:.0f} MB/s and came down whole at {speeds[1]:.0f} MB/s"


def _clock(store: Store, prefix: str) -> tuple[bool, str]:
    name, before = f"{prefix}clock", time.time()
    store.put(name, b"")
    entry = store.head(name)
    skew = (entry.modified if entry else 0.0) - (before + time.time()) / 2
    if abs(skew) <= _SKEW_SECONDS:
        return True, "the store's clock and this machine's agree"
    return (
        False,
        f"the store's clock is {skew:+.0f} s from this machine's: set the clock, signatures fail beyond minutes",
    )


def _clean(store: Store, prefix: str) -> None:
    with suppress(StoreError):
        for entry in store.list(prefix):
            store.delete(entry.name)


def _left(store: Store, prefix: str) -> list[str]:
    with suppress(StoreError):
        return [entry.name for entry in store.list(prefix)]
    return []
