"""Why a stage's last pod ended: its exit code and the last error that it logged. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from xtl.process import error_in

_EXIT = re.compile(r"exit code (\d+)")


def last_words(pods: Iterable[dict[str, Any]], why: str) -> tuple[str, int | None]:
    """The reason and the exit code. `why`: the Job's own condition, which may name the code when no pod is left."""
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True):
        for container in (pod.get("status") or {}).get("containerStatuses") or []:
            if ended := (container.get("state") or {}).get("terminated"):
                return _said(ended) or why, ended.get("exitCode")
    code = _EXIT.search(why)
    return why, int(code[1]) if code else None


def _said(ended: dict[str, Any]) -> str:
    """Of a container: its termination message, which falls back to the end of its log."""
    said = error_in(str(ended.get("message") or ""))
    if ended.get("reason") == "OOMKilled":
        return f"out of memory{': ' if said else ''}{said}"
    return said
