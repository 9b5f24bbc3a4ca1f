"""A stage as a process of this machine: started as a pod starts it, and stopped as Kubernetes stops a pod, by SIGTERM
and, after a grace period, SIGKILL.

The process lives in a session of its own, so that a terminal's Ctrl-C reaches `xtl run` alone, which then stops its
stages in order. It watches its parent (XTL_PARENT) and stops by itself when that is killed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from xtl.plan import Stage
from xtl.store.cache import FOLDER, GIGABYTES
from xtl.store.claims import Claim
from xtl.store.files import explained

#: How long a stopping stage has to save its state before it is killed, as a pod has (terminationGracePeriodSeconds).
GRACE_SECONDS = 120.0
_TAIL_BYTES = 1 << 16
_LEAST_BYTES = 1 << 16  # with less free, a log may have got lost
_STAMPED = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d ([A-Z]+) ", re.MULTILINE)


class StageProcess:
    """One attempt at a stage. Raises StoreError where its log cannot be written; the claim stays the caller's then."""

    def __init__(self, stage: Stage, store_url: str, work: Path, claim: Claim) -> None:
        self.stage, self.claim, self.attempt = stage, claim, uuid.uuid4().hex[:12]
        self.log = work / "logs" / f"{stage.key[:12]}-{self.attempt}.txt"
        self._scratch = work / "scratch" / self.attempt
        self._told: float | None = None
        # -P: a folder named `jobs` where the user stands is none of ours.
        command = [sys.executable, "-P", "-m", "jobs.stage", "--store", store_url, "--key", stage.key]
        command += ["--attempt", self.attempt, "--work", str(self._scratch)]
        with explained("write", self.log):
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("wb") as output:
                self._popen = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=_environment(int(stage.spec.get("threads", 1)), store_url),
                    start_new_session=True,
                    pass_fds=claim.inherit,
                )

    def poll(self) -> int | None:
        """The exit status, or None while it runs; kills it where its grace period is over."""
        status = self._popen.poll()
        if status is None and self._told is not None and time.monotonic() - self._told > GRACE_SECONDS:
            self._popen.kill()
        return status

    def stop(self) -> None:
        """SIGTERM, once."""
        if self._told is None:
            self._told = time.monotonic()
            self._popen.terminate()

    def kill(self) -> None:
        self._popen.kill()

    def close(self) -> None:
        """Wait for the end, give the claim back, and take away what a killed process left in scratch."""
        self._popen.wait()
        self.claim.release()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def reason(self, status: int) -> str:
        """Why it ended so, in words: the error that it logged, or the signal that killed it."""
        if status < 0:
            hint = " (out of memory?)" if -status == signal.SIGKILL else ""
            return f"killed by {signal.Signals(-status).name}{hint}"
        if error := last_error(self.log):
            return error
        if shutil.disk_usage(self.log.parent).free < _LEAST_BYTES:
            return f"the disk of {self.log.parent.parent} is full: make room, or choose another folder with --work"
        return f"ended with {status} and said nothing"


def last_error(log: Path) -> str:
    """The last error in a stage's log without its time stamp, of a traceback the last line; else the log's last line;
    empty where there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""
    return error_in(text)


def error_in(text: str) -> str:
    """The same, of a log's last lines."""
    text = text.strip()
    records = list(_STAMPED.finditer(text))
    found = next((index for index in reversed(range(len(records))) if records[index][1] == "ERROR"), None)
    if found is None:
        return text.rsplit("\n", 1)[-1]
    end = records[found + 1].start() if found + 1 < len(records) else len(text)
    message = text[records[found].end() : end].strip()
    head, traced, trace = message.partition("\nTraceback (most recent call last):")
    return f"{head}: {trace.rsplit(chr(10), 1)[-1]}" if traced else message


#: Of what stages have fetched from a bucket, on the disk of whoever runs `xtl run`.
_CACHE_GB = "20"


def _environment(threads: int, store_url: str) -> dict[str, str]:
    """A stage's. What it fetches from a bucket is kept for the next one; a folder is near enough."""
    place = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "xtl", "stages")
    cache = {FOLDER: place, GIGABYTES: _CACHE_GB} if store_url.startswith("s3://") else {}
    return {
        **cache,
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
        "XTL_PARENT": str(os.getpid()),
    }
