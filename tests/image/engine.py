"""A container engine, docker or podman, as the tests use it: containers locked as a pod of a namespace that enforces
Pod Security "restricted" is, and without a network unless asked.

Which: XTL_TEST_ENGINE, else DOCKER, else whichever of the two answers. The words given to either are the same but for
two that podman needs to be as strict as docker.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.run.study import Ended

RUNTIME, CLI = "xtl:dev", "xtl-cli:dev"
_LOCKED = ("--read-only", "--tmpfs=/tmp:rw,mode=1777", "--cap-drop=all", "--security-opt=no-new-privileges")
_PODMAN = ("--passwd=false", "--read-only-tmpfs=false")


def find() -> str | None:
    """The engine's program, if one answers."""
    named = os.environ.get("XTL_TEST_ENGINE") or os.environ.get("DOCKER")
    for program in [named] if named else ["docker", "podman"]:
        if shutil.which(program) and subprocess.run([program, "info"], capture_output=True, timeout=60).returncode == 0:
            return program
    return None


@dataclass(frozen=True, kw_only=True)
class Container:
    """One on its way, known by its name."""

    engine: Engine
    name: str

    def terminate(self, seconds: float = 0.0) -> float:
        """SIGTERM to process 1, so many seconds after its start or as soon as may be: how many it was. From here where
        we may: an engine's own command takes a while."""
        state = self.engine.inspect("container", self.name)["State"]
        started = datetime.fromisoformat(state["StartedAt"]).timestamp()
        time.sleep(max(0.0, started + seconds - time.time()))
        try:
            os.kill(state["Pid"], signal.SIGTERM)
        except PermissionError:
            self.engine.call("kill", "--signal=TERM", self.name)
        return time.time() - started

    def wait(self, seconds: float) -> Ended:
        """Its end. A process that outlives the wait is killed, and its status is 137."""
        with suppress(subprocess.TimeoutExpired):
            self.engine.call("wait", self.name, timeout=seconds)
        subprocess.run([self.engine.program, "kill", self.name], capture_output=True, timeout=60)
        status = int(self.engine.call("wait", self.name).out)
        return Ended(status=status, out=self.engine.call("logs", self.name).out, err=self.engine.logs(self.name))


@dataclass(frozen=True, kw_only=True)
class Engine:
    program: str

    def call(self, *words: str | Path, timeout: float = 300.0) -> Ended:
        """`docker WORDS` to its end, which must be a good one."""
        ended = _run([self.program, *map(str, words)], timeout)
        assert ended.status == 0, f"{self.program} {' '.join(map(str, words))}: {ended}"
        return ended

    def run(
        self, image: str, *words: str, entrypoint: str | None = None, options: Sequence[str] = (), **more: Any
    ) -> Ended:
        """The image's program to its end. more: as for `start`, and timeout."""
        timeout = more.pop("timeout", 120.0)
        return _run([self.program, "run", "--rm", *self._options(entrypoint, options, **more), image, *words], timeout)

    def start(self, image: str, *words: str, options: Sequence[str] = (), **more: Any) -> Container:
        """The same on its way. `remove` it afterwards."""
        name = f"xtl-test-{secrets.token_hex(4)}"
        self.call("run", "--detach", f"--name={name}", *self._options(None, options, **more), image, *words)
        return Container(engine=self, name=name)

    def remove(self, name: str) -> None:
        subprocess.run([self.program, "rm", "--force", name], capture_output=True, timeout=60)

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        return json.loads(self.call(kind, "inspect", name).out)[0]

    def logs(self, name: str) -> str:
        """What it wrote to standard error."""
        return self.call("logs", name).err

    def _options(
        self,
        entrypoint: str | None,
        options: Sequence[str],
        network: str = "none",
        env: Mapping[str, str] | None = None,
    ) -> list[str]:
        podman = _PODMAN if Path(self.program).name == "podman" else ()
        named = [f"--entrypoint={entrypoint}"] if entrypoint else []
        values = [f"--env={name}={value}" for name, value in (env or {}).items()]
        return ["--pull=never", f"--network={network}", *_LOCKED, *podman, *named, *values, *options]


def _run(words: Sequence[str], timeout: float) -> Ended:
    done = subprocess.run(
        list(words), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout
    )
    return Ended(status=done.returncode, out=done.stdout, err=done.stderr)
