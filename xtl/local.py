"""Runs a plan on this machine: each stage is the `python -m jobs.stage` process that a pod would run.

The loop is level-based: it looks at the store, starts what can start, and waits. Nothing is remembered between runs, so
running the same command again is resuming. Two runs of one grid on one store share the work by claims. A stage that
fails does not stop the others; its descendants are skipped with the reason. A store that is away for a while is waited
for; the stages that run meanwhile go on.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from xtl.errors import EXIT_COMMITTED, EXIT_NEVER, EXIT_STOPPED, Corrupt, StoreError
from xtl.plan import Plan, Stage
from xtl.process import StageProcess
from xtl.store import commit, layout
from xtl.store.base import Store
from xtl.store.claims import Claims
from xtl.store.parallel import each

State = Literal["waiting", "done", "running", "elsewhere", "failed", "skipped", "stopped"]

#: A stage that ends for no reason of its own (killed, out of memory, a store that went away) is tried once more.
TRIES = 2
#: So often in a row the store may fail, with growing pauses, before a run that has nothing else to do gives up.
MISSES = 4
POLL_SECONDS = 0.2


class Watcher(Protocol):
    """What a run tells as it goes: a terminal's table, plain lines, or a test."""

    def changed(self, stage: Stage, state: State, reason: str) -> None: ...

    def say(self, text: str) -> None: ...

    def tick(self, run: Run) -> None: ...


class Run:
    """One `xtl run`. `states` and `reasons` are by stage key; `work` holds scratch folders and logs. `stopping` counts
    the signals that asked it to end."""

    def __init__(self, plan: Plan, store: Store, work: Path, watcher: Watcher, *, parallel: int) -> None:
        self.plan, self.store, self.work, self.watcher, self.parallel = plan, store, work, watcher, parallel
        self.states: dict[str, State] = dict.fromkeys(plan.stages, "waiting")
        self.reasons: dict[str, str] = {}
        self.logs: dict[str, Path] = {}
        self.tries: dict[str, int] = {}
        self.running: dict[str, StageProcess] = {}
        self.stopping = 0
        self._said_stopping = False
        self._misses, self._not_before = 0, 0.0  # of the store; see _missed
        self._claims = Claims(store)
        self._elsewhere: dict[str, float] = {}

    def execute(self) -> bool:
        """Run to the end; True if every stage is done. SIGINT and SIGTERM stop gracefully: stages save their state;
        a second one kills them. Raises StoreError where the store stays away."""
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._look()
            while self._round():
                self.watcher.tick(self)
                time.sleep(POLL_SECONDS)
        finally:
            for process in self.running.values():
                process.kill()
                process.close()
            for number, handler in before.items():
                signal.signal(number, handler)
        return all(state == "done" for state in self.states.values())

    def _look(self) -> None:
        """What is done already: its manifest is there and its files have the sizes promised. Notes of earlier failures
        are removed: their stages are tried anew."""
        noted = {layout.key_of(entry.name): entry.name for entry in self.store.list(layout.FAILED)}
        each(self.store.delete, [name for key, name in noted.items() if key in self.plan.stages])
        committed = commit.manifests(self.store)
        found = [stage for key, stage in self.plan.stages.items() if key in committed]
        sizes = {entry.name: entry.size for entry in self.store.list(layout.STAGES)} if found else {}
        for stage, problem in zip(found, each(partial(self._problem, sizes), found), strict=True):
            if problem is None:
                self._set(stage, "done")
            else:
                self._set(stage, "waiting", f"will run again: {problem}")
                commit.discard(self.store, stage.key)
        done = sum(state == "done" for state in self.states.values())
        if 0 < done < len(self.states):
            self.watcher.say(f"{done} of {len(self.states)} stages are done already")

    def _problem(self, sizes: Mapping[str, int], stage: Stage) -> str | None:
        try:
            manifest = commit.read_manifest(self.store, stage.key)
        except Corrupt as error:
            return str(error)
        problems = commit.missized(manifest, sizes) if manifest else ["its manifest is gone"]
        return problems[0] if problems else None

    def _round(self) -> bool:
        """Reap, skip, start. False when there is nothing left to wait for."""
        if self.stopping:  # first: a stage may end before the next look at it
            self._tell_stopping()
        try:
            for process in list(self.running.values()):
                self._reap(process)
            self._skip_hopeless()
            if not self.stopping and time.monotonic() >= self._not_before:
                self._start_ready()
        except StoreError as error:
            self._missed(error)
        left = any(state in ("waiting", "elsewhere") for state in self.states.values())
        return bool(self.running) or (left and not self.stopping)

    def _missed(self, error: StoreError) -> None:
        """The store failed: later again, unless it has done so for long and nothing runs."""
        self._misses += 1
        if self._misses > MISSES and not self.running:
            raise error
        self._not_before = time.monotonic() + 2.0**self._misses
        if self._misses == 1:
            self.watcher.say(f"{error}. Trying again")

    def _start_ready(self) -> None:
        for key, stage in self.plan.stages.items():
            if len(self.running) >= self.parallel:
                return
            if self.states[key] in ("waiting", "elsewhere") and self._ready(stage):
                self._start(stage)

    def _ready(self, stage: Stage) -> bool:
        states = [self.states[parent] for parent in stage.parents]
        if stage.key == self.plan.reduce:  # over what there is, once nothing more will come
            return all(state in ("done", "failed", "skipped") for state in states)
        return all(state == "done" for state in states)

    def _skip_hopeless(self) -> None:
        for key, stage in self.plan.stages.items():
            if self.states[key] != "waiting" or key == self.plan.reduce:
                continue
            bad = next((x for x in stage.parents if self.states[x] in ("failed", "skipped")), None)
            if bad is not None:
                what = "failed" if self.states[bad] == "failed" else "was skipped"
                self._set(stage, "skipped", f"needs {self.plan.stages[bad].title}, which {what}")

    def _start(self, stage: Stage) -> None:
        now = time.monotonic()
        if now < self._elsewhere.get(stage.key, 0.0):
            return
        claim = self._claims.take(stage.key)
        if claim is None:
            self._elsewhere[stage.key] = now + 1.0
            if commit.read_manifest(self.store, stage.key):
                self._set(stage, "done", "by another run")
            elif self.states[stage.key] != "elsewhere":
                self._set(stage, "elsewhere", "another `xtl run` is at it")
            return
        try:
            if self._settled_elsewhere(stage):
                claim.release()
                return
            if stage.kind == "fetch":  # where a fetch reads from may have moved since its spec was written
                put_spec(self.store, stage)
            self.running[stage.key] = StageProcess(stage, self.store.url, self.work, claim)
        except BaseException:
            claim.release()
            raise
        self._misses = 0
        self.logs[stage.key] = self.running[stage.key].log
        self.tries[stage.key] = self.tries.get(stage.key, 0) + 1
        self._set(stage, "running")

    def _settled_elsewhere(self, stage: Stage) -> bool:
        """Another run has ended the stage, one way or the other, since we looked."""
        if commit.read_manifest(self.store, stage.key):
            self._set(stage, "done", "by another run")
            return True
        note = commit.get_json(self.store, layout.failed_name(stage.key))
        if note:
            self._set(stage, "failed", f"in another run: {note.get('reason', '')}")
        return note is not None

    def _reap(self, process: StageProcess) -> None:
        status = process.poll()
        if status is None:
            if process.claim.lost:
                process.stop()  # another run has taken the stage over: this one hung for too long
            return
        self._judge(process.stage, status, process)  # raises where the store is away: judged again in the next round
        del self.running[process.stage.key]
        process.close()

    def _judge(self, stage: Stage, status: int, process: StageProcess) -> None:
        if status == EXIT_COMMITTED:
            partial = stage.key == self.plan.reduce and not commit.read_manifest(self.store, stage.key)
            state: State = "skipped" if partial else "done"
            self._set(stage, state, "a partial report: not every row is done" if partial else "")
        elif status == EXIT_NEVER:
            self._fail(stage, status, process)
        elif self.stopping:
            self._set(stage, "stopped", "" if status == EXIT_STOPPED else process.reason(status))
        elif status == EXIT_STOPPED:  # by someone else, or since its claim was lost: a disruption, not a failure
            self._set(stage, "waiting", "it was told to stop; it is started again")
        elif self.tries[stage.key] < TRIES:
            self._again(stage, process.reason(status))
        else:
            self._fail(stage, status, process)

    def _again(self, stage: Stage, reason: str) -> None:
        """To waiting; so are parents whose manifests the stage found broken and removed."""
        done = [parent for parent in stage.parents if self.states[parent] == "done"]
        for parent in [key for key in done if commit.read_manifest(self.store, key) is None]:
            self._set(self.plan.stages[parent], "waiting", "its files are damaged; it runs again")
        self._set(stage, "waiting", f"{reason}; it is tried once more")

    def _fail(self, stage: Stage, status: int, process: StageProcess) -> None:
        reason = process.reason(status)
        self._set(stage, "failed", reason)
        body = {"key": stage.key, "attempt": process.attempt, "status": status, "reason": reason, "at": time.time()}
        try:
            commit.put_json(self.store, layout.failed_name(stage.key), body)
        except StoreError as error:
            self.watcher.say(f"The store did not take the note that {stage.title} failed: {error}")

    def _set(self, stage: Stage, state: State, reason: str = "") -> None:
        self.states[stage.key] = state
        self.reasons[stage.key] = reason
        self.watcher.changed(stage, state, reason)

    def _tell_stopping(self) -> None:
        if self.running and not self._said_stopping:
            self._said_stopping = True
            self.watcher.say("Stopping: stages save their state and end; once more kills them")
        self._signal_all()

    def _signal_all(self) -> None:
        for process in self.running.values():
            process.kill() if self.stopping > 1 else process.stop()

    def _stop(self, number: int, frame: object) -> None:
        self.stopping += 1
        self._signal_all()


def prepare(plan: Plan, store: Store) -> None:
    """Write the specs of what is left to do and has none in the store yet: a stage process reads its own."""
    left = plan.stages.keys() - commit.manifests(store)
    known = {entry.name for entry in store.list(layout.STAGES) if entry.name.endswith("/stage.json")} if left else set()
    new = [plan.stages[key] for key in left if layout.spec_name(key) not in known]
    each(lambda stage: put_spec(store, stage), new)


def put_spec(store: Store, stage: Stage) -> None:
    """What the stage's process reads."""
    body = {"spec": stage.spec, "where": stage.where, "title": stage.title, "labels": stage.labels}
    commit.put_json(store, layout.spec_name(stage.key), body)
