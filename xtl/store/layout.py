"""Every name in a store is made, checked and taken apart here (README: the store's layout).

    manifests/<key>.json    failed/<key>.json    progress/<key>.json    claims/<key>.json      flat: one listing each
    stages/<key>/stage.json                          the spec
    stages/<key>/attempts/<attempt>/<path>           one attempt's files and its log.txt
    stages/<key>/resume/<attempt>-<step>/<path>      a resumable state, its manifest.json last
    inputs/<digest>/<path>    grids/<name>/<path>
    tokens/<digest>.arrow and .json                  a listing's word pieces, which can be made again
    budgets/<digest>.json                            what fits into a kind of GPU's memory

Names are relative and `/`-separated. A part that begins with `.xtl-` is a store's own (temporary files, locks).
"""

from __future__ import annotations

import re

from xtl.errors import StoreError

MANIFESTS = "manifests/"
FAILED = "failed/"
PROGRESS = "progress/"
CLAIMS = "claims/"
STAGES = "stages/"
GRIDS = "grids/"
INPUTS = "inputs/"
TOKENS = "tokens/"
BUDGETS = "budgets/"

#: How the names begin that a folder store keeps for itself; never listed, never accepted.
OWN = ".xtl-"

_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_LONGEST = 1000  # S3 allows 1024 bytes, the prefix included


def manifest_name(key: str) -> str:
    return f"{MANIFESTS}{key}.json"


def failed_name(key: str) -> str:
    return f"{FAILED}{key}.json"


def progress_name(key: str) -> str:
    return f"{PROGRESS}{key}.json"


def claim_name(key: str) -> str:
    return f"{CLAIMS}{key}.json"


def spec_name(key: str) -> str:
    return f"{STAGES}{key}/stage.json"


def attempts_prefix(key: str) -> str:
    return f"{STAGES}{key}/attempts/"


def attempt_prefix(key: str, attempt: str) -> str:
    return f"{attempts_prefix(key)}{attempt}/"


def log_name(key: str, attempt: str) -> str:
    return f"{attempt_prefix(key, attempt)}log.txt"


def resumes_prefix(key: str) -> str:
    return f"{STAGES}{key}/resume/"


def resume_prefix(key: str, attempt: str, step: int) -> str:
    return f"{resumes_prefix(key)}{attempt}-{step}/"


def grid_prefix(grid: str) -> str:
    return f"{GRIDS}{grid}/"


def input_prefix(digest: str) -> str:
    return f"{INPUTS}{digest}/"


def tokens_name(digest: str, ending: str) -> str:
    return f"{TOKENS}{digest}.{ending}"


def budget_name(digest: str) -> str:
    return f"{BUDGETS}{digest}.json"


def key_of(name: str) -> str | None:
    """The stage key of a name in one of the four flat listings, None for anything else that lies there."""
    folder, _, file = name.partition("/")
    flat = f"{folder}/" in (MANIFESTS, FAILED, PROGRESS, CLAIMS)
    return file.removesuffix(".json") if flat and file.endswith(".json") and "/" not in file else None


def check_name(name: str) -> str:
    """`name` itself, if it can be an object's name in every store; raises StoreError."""
    parts = name.split("/")
    if not name or "" in parts or "." in parts or ".." in parts:
        raise StoreError(f"{name!r} cannot name an object in a store: it must be relative, without '..' or empty parts")
    if _CONTROL.search(name) or any(part.startswith(OWN) for part in parts):
        raise StoreError(
            f"{name!r} cannot name an object in a store: no control characters, no {OWN!r} at a part's start"
        )
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST:
        raise StoreError(f"{name[:60]!r}... cannot name an object in a store: it is longer than {_LONGEST} bytes")
    return name


def check_prefix(prefix: str) -> str:
    """`prefix` itself, if a listing may start with it: empty, or the beginning of a valid name; raises StoreError."""
    if prefix:
        check_name(prefix[:-1] if prefix.endswith("/") else prefix)
    return prefix
