"""The stage key: sha256 of the canonical JSON of what determines a stage's result.

One function, for planning, running here and running on a cluster; golden vectors pin it (tests/golden/keys.json).
Names, queues, resources, labels and paths are not in a spec, so they cannot change a key; device, library versions
and processor are not either: they are in the manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: Raised whenever the meaning of a spec changes, or what the code makes of one, so that an old result is never taken
#: for a new one.
SCHEMA = 2


def canonical(spec: Mapping[str, Any]) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces. Raises ValueError for NaN and infinities, which have no JSON."""
    return json.dumps(spec, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def stage_key(spec: Mapping[str, Any]) -> str:
    """64 hex digits."""
    return hashlib.sha256(canonical(spec)).hexdigest()


def parent_keys(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Every key under `spec["parents"]` (roles may nest and hold lists), each once, in the order of their roles."""

    def walk(node: Any) -> list[str]:
        if isinstance(node, str):
            return [node]
        children = node.values() if isinstance(node, Mapping) else node
        return [key for child in children for key in walk(child)]

    return tuple(dict.fromkeys(walk(spec.get("parents", {}))))
