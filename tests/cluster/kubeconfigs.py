"""Kubeconfig files for tests: another context, another token, another address, and ports that are free."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Any

import yaml

_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def with_context(source: Path, context: str | None, target: Path) -> Path:
    """A copy whose current context is that one; files that it names stay where they are."""
    config: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    if context is not None:
        assert context in [one["name"] for one in config["contexts"]], f"{source} has no context {context!r}"
        config["current-context"] = context
    for entry in [x["cluster"] for x in config["clusters"]] + [x["user"] for x in config["users"]]:
        for name in _FILES:
            if name in entry:
                entry[name] = str((source.parent / entry[name]).resolve())
    return _write(target, config)


def with_user(source: Path, user: dict[str, Any], target: Path) -> Path:
    """A copy in which every user is that one, as after a login that has run out."""
    config = yaml.safe_load(source.read_text(encoding="utf-8"))
    config["users"] = [{"name": one["name"], "user": user} for one in config["users"]]
    return _write(target, config)


def at(url: str, target: Path) -> Path:
    """A kubeconfig for a server that asks for no credentials."""
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    return _write(target, config)


def _write(target: Path, config: dict[str, Any]) -> Path:
    target.write_text(yaml.safe_dump(config), encoding="utf-8")
    target.chmod(0o600)
    return target


def free_ports(count: int) -> int:
    """The first of so many neighbouring ports that nobody listens on."""
    start = random.randrange(17000, 29000)  # not the same for two sessions at once
    for first in range(start, start + 1000, count):
        if all(_free(first + n) for n in range(count)):
            return first
    raise RuntimeError("no free ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
