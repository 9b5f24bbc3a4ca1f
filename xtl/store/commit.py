"""The commit: an attempt's files first, the stage's manifest last. A stage is done if and only if its manifest exists
and the bytes that it lists do.

The manifest is created with `If-None-Match: *`, so of any number of attempts one wins, and no reader sees a
half-written stage. Whoever loses checks the winner's bytes by size and sha256; a broken winner is replaced on its ETag.
The price: a loser reads the winner's files once. What is in a manifest's body is the stage's business, not known here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from xtl.errors import Conflict, Corrupt, NotFound, StoreError
from xtl.store.base import Blob, Store
from xtl.store.cache import Cache, bring
from xtl.store.layout import MANIFESTS, attempt_prefix, check_name, key_of, manifest_name
from xtl.store.parallel import each

_ROUNDS = 20  # of losing a race to someone who then vanishes; more means that the store ignores conditions

Manifest = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Committed:
    """The manifest that stands. `already`: another attempt's, found whole."""

    manifest: Manifest
    already: bool


def commit(
    store: Store,
    key: str,
    attempt: str,
    folder: Path,
    body: Mapping[str, Any],
    *,
    uploaded: Mapping[str, Blob] | None = None,
) -> Committed:
    """Uploads every file under `folder` as this attempt's, then puts the manifest: `body` and where the files are.

    uploaded: what `upload_folder` has brought there already, by relative path; the files have not changed since. Raises
    StoreError; nothing is committed then, and the same call can be made again.
    """
    files = upload_folder(store, folder, attempt_prefix(key, attempt), known=uploaded)
    manifest = {
        **body,
        "key": key,
        "attempt": attempt,
        "committed": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": encode_files(files),
    }
    data = encode(manifest)
    name = manifest_name(key)
    etag: str | None = None
    for _ in range(_ROUNDS):
        try:
            store.put(name, data, create=etag is None, replace=etag)
            return Committed(manifest=manifest, already=False)
        except Conflict:
            winner, etag = _read(store, name)
        if winner and winner.get("attempt") == attempt and winner.get("files") == manifest["files"]:
            return Committed(manifest=winner, already=False)  # our own put, whose answer was lost
        if winner and not verify(store, winner, hashes=True):
            return Committed(manifest=winner, already=True)
    raise StoreError(f"{store.url}: {name} kept changing: does the store honour conditional writes? See `xtl doctor`")


def encode_files(files: Mapping[str, Blob]) -> dict[str, dict[str, Any]]:
    """A manifest's `files`: by relative path the blob's name, size and sha256."""
    return {path: asdict(blob) for path, blob in files.items()}


def upload_folder(
    store: Store, folder: Path, prefix: str, *, known: Mapping[str, Blob] | None = None
) -> dict[str, Blob]:
    """Every file under `folder` but those `known`, uploaded side by side under `prefix`; the blobs by relative path."""
    there = known or {}
    relative = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    new = [name for name in relative if name not in there]
    blobs = dict(zip(new, each(lambda name: store.upload(folder / name, prefix + name), new), strict=True))
    return {name: there[name] if name in there else blobs[name] for name in relative}


def read_manifest(store: Store, key: str) -> Manifest | None:
    """The stage's manifest, or None. Raises Corrupt if it is no manifest."""
    name = manifest_name(key)
    manifest, etag = _read(store, name)
    if manifest is None and etag is not None:
        raise Corrupt(f"{store.url}: {name} is no manifest: delete it, and `xtl run` runs the stage again")
    return manifest


def manifests(store: Store) -> set[str]:
    """The keys of every committed stage, by one flat listing; their bytes are not looked at."""
    return {key for entry in store.list(MANIFESTS) if (key := key_of(entry.name))}


def blobs(manifest: Manifest) -> dict[str, Blob]:
    """The files that a manifest promises, by relative path."""
    return {check_name(path): Blob(**entry) for path, entry in manifest["files"].items()}


def pull(
    store: Store, manifest: Manifest, dest: Path, names: list[str] | None = None, *, cache: Cache | None = None
) -> Path:
    """Downloads the stage's files (or those named) to `dest` side by side, each verified; `dest`. cache: where they
    may lie already, and then stay.

    Raises NotFound or Corrupt with the file, the stage and what to do.
    """
    files = blobs(manifest)
    wanted = list(files) if names is None else names
    if unknown := [name for name in wanted if name not in files]:
        raise NotFound(f"stage {manifest['key'][:12]} has no file {unknown[0]!r}; it has {', '.join(files) or 'none'}")
    dest.mkdir(parents=True, exist_ok=True)
    each(partial(_pull_one, store, cache, manifest["key"], files, dest), wanted)
    return dest


def verify(store: Store, manifest: Manifest, *, hashes: bool) -> list[str]:
    """What is wrong with the stage's files, one line a file; none: all there. Without `hashes` sizes alone."""
    return [line for line in each(partial(_problem, store, hashes), list(blobs(manifest).values())) if line]


def missized(manifest: Manifest, sizes: Mapping[str, int]) -> list[str]:
    """As `verify` without hashes, but by a listing of the store (object name to bytes): one for any number of stages,
    where asking for each file of a study costs minutes."""
    return [line for blob in blobs(manifest).values() if (line := _wrong_size(blob, sizes.get(blob.name)))]


def discard(store: Store, key: str) -> bool:
    """Removes a manifest whose bytes are broken, so that its stage counts as not done; False if all is well after all,
    as when someone else ran the stage again meanwhile."""
    name = manifest_name(key)
    manifest, etag = _read(store, name)
    if etag is None or (manifest is not None and not verify(store, manifest, hashes=True)):
        return False
    now = store.head(name)
    if now is None or now.etag != etag:  # reading the files takes long: someone else has seen to it meanwhile
        return False
    store.delete(name)
    return True


def put_json(
    store: Store, name: str, value: Mapping[str, Any], *, create: bool = False, replace: str | None = None
) -> str:
    """Writes a small document (progress, failed, stage.json); the ETag. Raises Conflict as `Store.put` does."""
    return store.put(name, encode(value), create=create, replace=replace)


def get_json(store: Store, name: str) -> dict[str, Any] | None:
    """The document, or None where there is none. Raises Corrupt if it is not a JSON object."""
    return get_tagged_json(store, name)[0]


def get_tagged_json(store: Store, name: str) -> tuple[dict[str, Any] | None, str | None]:
    """The document and its ETag, for who is to replace it; as `get_json`."""
    try:
        data, etag = store.get(name)
    except NotFound:
        return None, None
    value = _decode(data)
    if value is None:
        raise Corrupt(f"{store.url}: {name} is not a JSON object: delete it and run the command again")
    return value, etag


def encode(value: Mapping[str, Any]) -> bytes:
    """Readable and stable: sorted keys, and no NaN, which is not JSON."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _decode(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _read(store: Store, name: str) -> tuple[Manifest | None, str | None]:
    """The manifest and its ETag. No object: no ETag either. An object that is no manifest: its ETag alone."""
    try:
        data, etag = store.get(name)
    except NotFound:
        return None, None
    manifest = _decode(data)
    try:
        return (manifest, etag) if manifest is not None and blobs(manifest) is not None else (None, etag)
    except (KeyError, TypeError, AttributeError, StoreError):
        return None, etag


def _pull_one(store: Store, cache: Cache | None, key: str, files: dict[str, Blob], dest: Path, name: str) -> None:
    again = f"stage {key[:12]} counts as not done: `xtl run` runs it again"
    try:
        bring(store, cache, files[name], dest / name)
    except NotFound:
        raise NotFound(f"{store.url}: {files[name].name} is missing; {again}") from None
    except Corrupt as error:
        raise Corrupt(f"{store.url}: {error}; {again}") from None


def _problem(store: Store, hashes: bool, blob: Blob) -> str | None:
    try:
        if hashes:
            store.check(blob)
            return None
        entry = store.head(blob.name)
    except NotFound:
        return f"{blob.name} is missing"
    except Corrupt as error:
        return str(error)
    return _wrong_size(blob, entry.size if entry else None)


def _wrong_size(blob: Blob, size: int | None) -> str | None:
    if size is None:
        return f"{blob.name} is missing"
    if size != blob.size:
        return f"{blob.name} holds {size} bytes, not {blob.size}: truncated or replaced"
    return None
