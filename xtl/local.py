"""Runs a plan on this machine: each stage is the `python -m jobs.stage` process that a pod would run.

The loop is level-based: it looks at the store, starts what can start, and waits. Nothing is remembered between runs, so
running the same command again is resuming. Two runs of one grid on one store share the work by claims. A stage that
fails does not stop the others; its descendants are skipped with the reason.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from xtl.errors import EXIT_NEVER, EXIT_STOPPED, StoreError
from xtl.plan import Plan, Stage
from xtl.store import commit, layout
from xtl.store.base import Store
from xtl.store.claims import Claim, Claims

State = Literal["waiting", "done", "running", "elsewhere", "failed", "skipped", "stopped"]

#: A stage that ends for no reason of its own (killed, out of memory, a store that went away) is tried once more.
TRIES = 2
POLL_SECONDS = 0.2
#: How long a stopping stage has to save its state before it is killed, as a pod has (terminationGracePeriodSeconds).
GRACE_SECONDS = 120.0


class Watcher(Protocol):
    """What a run tells as it goes: a terminal's table, plain lines, or a test."""

    def changed(self, stage: Stage, state: State, reason: str) -> None: ...

    def tick(self, run: Run) -> None: ...


@dataclass(kw_only=True)
class _Process:
    stage: Stage
    attempt: str
    popen: subprocess.Popen[bytes]
    claim: Claim
    log: Path


class Run:
    """One `xtl run`. `states` and `reasons` are by stage key; `work` holds scratch folders and logs."""

    def __init__(self, plan: Plan, store: Store, work: Path, watcher: Watcher, *, parallel: int) -> None:
        self.plan, self.store, self.work, self.watcher, self.parallel = plan, store, work, watcher, parallel
        self.states: dict[str, State] = dict.fromkeys(plan.stages, "waiting")
        self.reasons: dict[str, str] = {}
        self.logs: dict[str, Path] = {}
        self.tries: dict[str, int] = {}
        self.running: dict[str, _Process] = {}
        self.stopping = 0
        self.claims = Claims(store)
        self._elsewhere: dict[str, float] = {}

    def execute(self) -> bool:
        """Run to the end; True if every stage is done. SIGINT and SIGTERM stop gracefully: stages save their state;
        a second one kills them."""
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._look()
            while self._advance():
                self.watcher.tick(self)
                time.sleep(POLL_SECONDS)
        finally:
            for process in self.running.values():
                process.popen.kill()
                process.claim.release()
            for number, handler in before.items():
                signal.signal(number, handler)
        return all(state == "done" for state in self.states.values())

    def _look(self) -> None:
        """What is done already: its manifest is there and its files have the sizes promised."""
        committed = commit.manifests(self.store) & set(self.plan.stages)
        for key in self.plan.stages:
            self.store.delete(layout.failed_name(key)) if key not in committed else None
        for key, stage in self.plan.stages.items():
            if key in committed and self._whole(stage):
                self._set(stage, "done")

    def _whole(self, stage: Stage) -> bool:
        manifest = commit.read_manifest(self.store, stage.key)
        problems = commit.verify(self.store, manifest, hashes=False) if manifest else ["its manifest is gone"]
        if problems and manifest:
            self.watcher.changed(stage, "waiting", f"will run again: {problems[0]}")
            commit.discard(self.store, stage.key)
        return not problems

    def _advance(self) -> bool:
        """One round: reap, skip, start. False when there is nothing left to wait for."""
        for process in list(self.running.values()):
            self._reap(process)
        for key, stage in self.plan.stages.items():
            if self.states[key] == "waiting" and key != self.plan.reduce:
                self._skip_if_hopeless(stage)
        if not self.stopping:
            for key, stage in self.plan.stages.items():
                open_ = self.states[key] in ("waiting", "elsewhere") and len(self.running) < self.parallel
                if open_ and self._ready(stage):
                    self._start(stage)
        return bool(self.running) or (
            not self.stopping and any(state in ("waiting", "elsewhere") for state in self.states.values())
        )

    def _ready(self, stage: Stage) -> bool:
        states = [self.states[parent] for parent in stage.parents]
        if stage.key == self.plan.reduce:  # over what there is, once nothing more will come
            return all(state in ("done", "failed", "skipped") for state in states)
        return all(state == "done" for state in states)

    def _skip_if_hopeless(self, stage: Stage) -> None:
        for parent in stage.parents:
            if self.states[parent] in ("failed", "skipped"):
                self._set(stage, "skipped", f"needs {self.plan.stages[parent].title}, which {self.states[parent]}")
                return

    def _start(self, stage: Stage) -> None:
        now = time.monotonic()
        if now < self._elsewhere.get(stage.key, 0.0):
            return
        claim = self.claims.take(stage.key)
        if claim is None:
            self._elsewhere[stage.key] = now + 1.0
            if commit.read_manifest(self.store, stage.key):
                self._set(stage, "done", "by another run")
            elif self.states[stage.key] != "elsewhere":
                self._set(stage, "elsewhere", "another `xtl run` is at it")
            return
        if commit.read_manifest(self.store, stage.key):  # committed by another run since we looked
            claim.release()
            self._set(stage, "done", "by another run")
            return
        self._spawn(stage, claim)

    def _spawn(self, stage: Stage, claim: Claim) -> None:
        attempt = uuid.uuid4().hex[:12]
        log = self.work / "logs" / f"{stage.key[:12]}-{attempt}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        threads = str(stage.spec.get("threads", 1))
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false",
            "XTL_PARENT": str(os.getpid()),
        }
        command = [sys.executable, "-m", "jobs.stage", "--store", self.store.url, "--key", stage.key]
        command += ["--attempt", attempt, "--work", str(self.work / "scratch")]
        with log.open("wb") as output:
            # Its own session: a terminal's Ctrl-C reaches this process alone, which then stops its stages in order.
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                pass_fds=claim.inherit,
            )
        self.logs[stage.key] = log
        self.tries[stage.key] = self.tries.get(stage.key, 0) + 1
        self.running[stage.key] = _Process(stage=stage, attempt=attempt, popen=popen, claim=claim, log=log)
        self._set(stage, "running")

    def _reap(self, process: _Process) -> None:
        status = process.popen.poll()
        if status is None:
            if process.claim.lost:
                process.popen.terminate()  # another run has taken the stage over: this one hung for too long
            return
        stage = process.stage
        del self.running[stage.key]
        process.claim.release()
        if status == 0:
            partial = stage.key == self.plan.reduce and not commit.read_manifest(self.store, stage.key)
            self._set(
                stage, "skipped" if partial else "done", "a partial report: not every row is done" if partial else ""
            )
        elif status == EXIT_STOPPED or self.stopping:
            self._set(stage, "stopped", "its state is saved" if status == EXIT_STOPPED else f"ended with {status}")
        elif status != EXIT_NEVER and self.tries[stage.key] < TRIES:
            self._again(stage, status)
        else:
            self._fail(stage, status, process)

    def _again(self, stage: Stage, status: int) -> None:
        """To waiting; so are parents whose manifests the stage found broken and removed."""
        for parent in stage.parents:
            if self.states[parent] == "done" and commit.read_manifest(self.store, parent) is None:
                self._set(self.plan.stages[parent], "waiting", "its files are damaged; it runs again")
        self._set(stage, "waiting", f"ended with {status}; it is tried once more")

    def _fail(self, stage: Stage, status: int, process: _Process) -> None:
        reason = _last_error(process.log) or f"ended with {status}"
        self._set(stage, "failed", reason)
        body = {"key": stage.key, "attempt": process.attempt, "status": status, "reason": reason, "at": time.time()}
        try:
            commit.put_json(self.store, layout.failed_name(stage.key), body)
        except StoreError as error:
            self.watcher.changed(stage, "failed", f"and the store did not take the note of it: {error}")

    def _set(self, stage: Stage, state: State, reason: str = "") -> None:
        self.states[stage.key] = state
        self.reasons[stage.key] = reason
        self.watcher.changed(stage, state, reason)

    def _stop(self, number: int, frame: object) -> None:
        self.stopping += 1
        for process in self.running.values():
            if self.stopping > 1:
                process.popen.kill()
            else:
                process.popen.terminate()


def prepare(plan: Plan, store: Store) -> None:
    """Write the specs that the store does not hold yet: a stage process reads its own."""
    known = {entry.name for entry in store.list(layout.STAGES) if entry.name.endswith("/stage.json")}
    for stage in plan.stages.values():
        name = layout.spec_name(stage.key)
        body = {"spec": stage.spec, "where": stage.where, "title": stage.title, "labels": stage.labels}
        if name not in known or stage.kind == "fetch":  # where a fetch reads from may have moved
            commit.put_json(store, name, body)


def _last_error(log: Path) -> str:
    """The last error that the stage logged, without its time stamp, or else the log's last line."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    if " ERROR " in text:
        return text.rsplit(" ERROR ", 1)[1]
    return text.rsplit("\n", 1)[-1]
