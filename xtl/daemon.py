"""`xtl controller`: rounds over every store that the namespace's Jobs name, while the Lease is ours.

A round is due every few seconds, and early when a watch on the Jobs says that something changed: the watch only wakes,
state comes from lists. Whatever is away (API server, a store) is asked again with growing pauses, each store apart;
nothing but a signal ends the loop.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass

from xtl.cluster import JOBS, OURS, Cluster, ClusterRefused
from xtl.controller import Controller, list_jobs, store_of, summary
from xtl.decide import Job
from xtl.errors import StoreError, UserError, XtlError
from xtl.lease import Lease
from xtl.metrics import Metrics
from xtl.store import open_store

log = logging.getLogger("xtl.controller")

LONGEST_PAUSE_SECONDS = 20.0
#: A round that takes longer hangs: /healthz says so, and the kubelet starts us anew.
HUNG_SECONDS = 600.0
READY_SECONDS = 60.0
_WATCH_SECONDS = 240.0
#: However often the watch wakes us: so long between rounds, or as long as a round takes if that is shorter.
_LEAST_PAUSE_SECONDS = 1.0


@dataclass
class _Served:
    controller: Controller
    misses: int = 0
    not_before: float = 0.0


class Daemon:
    """`stores`: the only URLs to serve, or empty for every s3:// one that a Job names. `every`: seconds between rounds
    when nothing happens."""

    def __init__(self, cluster: Cluster, lease: Lease, *, stores: tuple[str, ...] = (), every: float = 5.0) -> None:
        self.cluster, self.lease, self.stores, self.every = cluster, lease, stores, every
        self.metrics = Metrics()
        self.trouble = "no round yet"  # but of a single store or Job
        self._wake = lease.changed
        self._served: dict[str, _Served] = {}
        self._beat, self._ended = time.monotonic(), float("-inf")
        self._misses = 0
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Campaign, watch and work in the background, for as long as the process lives."""
        self.lease.start()
        for work in (self._watch, self._work):
            thread = threading.Thread(target=work, name=f"xtl{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def healthy(self) -> str:
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        if dead or self.lease.dead():
            return f"dead: {' '.join(dead) or 'the campaign for the Lease'}\n"
        silent = time.monotonic() - self._beat
        return f"no round has ended for {silent:.0f} s\n" if silent > HUNG_SECONDS else ""

    def ready(self) -> str:
        """ "" while the API server answers and rounds end, or another leads; else what the trouble is. A store that is
        away is not ours to mend: the metrics tell of it."""
        now = time.monotonic()
        if not self.lease.leading.is_set():
            return "" if now - self.lease.contact < READY_SECONDS else "the API server does not answer\n"
        return f"{self.trouble}\n" if self.trouble and now - self._ended > READY_SECONDS else ""

    def _work(self) -> None:
        while True:
            self._wake.clear()
            began = self._beat = time.monotonic()
            leading = self.lease.leading.is_set()
            self.metrics.set("xtl_controller_leader", float(leading))
            if leading:
                self._guarded()
            took = time.monotonic() - began
            pause = min(2.0**self._misses, LONGEST_PAUSE_SECONDS) if self._misses else self.every
            if not self._misses:
                self._wake.wait(pause)
                pause = min(max(took, 0.2), _LEAST_PAUSE_SECONDS) if leading else 0.0
            time.sleep(pause)

    def _guarded(self) -> None:
        """One round, its figures and its troubles."""
        began = time.monotonic()
        try:
            if not self.once():
                self.metrics.set("xtl_controller_last_success_timestamp_seconds", time.time())
            self.trouble, self._misses, self._ended = "", 0, time.monotonic()
        except XtlError as error:
            self._miss("cluster", str(error))
        except Exception as error:  # a loop that must not end: a stranger's odd Job is no reason to hold up the rest
            log.exception("a round failed")
            self._miss("bug", f"{type(error).__name__}: {error}")
        self.metrics.add("xtl_controller_rounds_total")
        self.metrics.add("xtl_controller_round_seconds_count")
        self.metrics.add("xtl_controller_round_seconds_sum", time.monotonic() - began)

    def _miss(self, what: str, trouble: str) -> None:
        self._misses = min(self._misses + 1, 10)
        self.trouble = trouble
        self.metrics.error(what)
        log.error("%s; asked again in %.0f s", trouble, min(2.0**self._misses, LONGEST_PAUSE_SECONDS))

    def once(self) -> str:
        """A round over every store; "" or what went wrong with one. Raises what the API server says."""
        jobs = list_jobs(self.cluster)
        for state, count in summary(jobs).items():
            self.metrics.set(f'xtl_controller_jobs{{state="{state}"}}', float(count))
        urls = {store_of(job) for job in jobs}
        urls &= set(self.stores) if self.stores else {url for url in urls if url.startswith("s3://")}
        self._served = {url: served for url, served in self._served.items() if url in urls}
        return "; ".join([trouble for url in sorted(urls) if (trouble := self._serve(url, jobs))])

    def _serve(self, url: str, jobs: list[Job]) -> str:
        try:
            if url not in self._served:
                self._served[url] = _Served(controller=Controller(self.cluster, open_store(url)))
            served = self._served[url]
            if time.monotonic() < served.not_before:
                return f"{url}: waiting to ask again"
            for action in served.controller.round(jobs):
                self.metrics.add(f'xtl_controller_actions_total{{kind="{action.kind}"}}')
        except ClusterRefused:
            raise
        except (StoreError, UserError) as error:  # away, or what a stranger's Job names is no store
            self.metrics.error("store")
            if url in self._served:
                served = self._served[url]
                served.misses = min(served.misses + 1, 10)
                served.not_before = time.monotonic() + min(2.0**served.misses, LONGEST_PAUSE_SECONDS)
            log.error("%s", error)
            return str(error)
        served.misses = 0
        for _ in served.controller.problems:
            self.metrics.error("action")
        return served.controller.problems[0] if served.controller.problems else ""

    def _watch(self) -> None:
        """Wakes the rounds; on any trouble it starts over, and until then rounds come by the clock."""
        while True:
            try:
                if self.lease.leading.is_set():
                    for _ in self.cluster.watch(JOBS, selector=OURS, seconds=_WATCH_SECONDS):
                        self._wake.set()
            except Exception as error:  # whatever it is: without this thread every release waits for the clock
                log.info("the watch ended: %s", error, exc_info=not isinstance(error, XtlError))
                time.sleep(self.every)
            time.sleep(1.0)


class JsonLines(logging.Formatter):
    """A log line a record, as JSON."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        line = {"at": at, "level": record.levelname.lower(), "message": record.getMessage()}
        if key := getattr(record, "key", None):
            line["key"] = key
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
