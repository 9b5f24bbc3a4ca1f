"""1,000 Jobs on 100 played nodes: how long a submit takes, how soon a Job is released after its last parent's commit,
what the controller needs for it, and how long `xtl status` takes meanwhile. Exits 1 where one is past its bound.

    python -m bench.controller [--stages 1000] [--nodes 100] [--spread 60] [--up PATH/TO/kube/up]

Starts a real control plane whose nodes kwok plays (`--up`, by default the one beside the samples), an S3 server and
`xtl controller`, and plays the stages: what is released commits at once, but intermediates at random within `--spread`
seconds (0: at once, so that nearly all the Jobs are to be released in one moment). Without `up` it says so and ends.
The peer is a bare client in the same run: as many suspended Jobs created and then released, whatever a store says.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from bench._cluster import UP, refusals, started
from bench._figures import Figure, not_run, tell
from tests.cluster.kubeconfigs import free_ports
from tests.grids import inventory
from tests.s3server import S3Server
from xtl import render
from xtl.cli.status import report
from xtl.cluster import JOBS, OURS, Cluster, ClusterError
from xtl.decide import RELEASED
from xtl.errors import Conflict
from xtl.grid import load
from xtl.plan import Plan, build
from xtl.store import Store, commit, grids, layout, open_store
from xtl.submit import standing, submit

ARMS = ["none", "mnli", "qqp", "squad_v2", "hellaswag", "csqa", "xnli@de", "xnli@ru"]
TARGETS = ["xnli", "pawsx", "panx", "udpos", "xquad", "mlqa", "tydiqa", "tatoeba"]
NODES = {
    "nodeSelector": {"type": "kwok"},
    "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
    "cpu": 1,
    "memory": "1Gi",
}
LIMIT_SECONDS = 400.0
SUBMIT_SECONDS, RELEASE_SECONDS, STATUS_SECONDS, CONTROLLER_MB = 60.0, 10.0, 2.0, 200.0
LOOK_EVERY_SECONDS = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--spread", type=float, default=60.0)
    parser.add_argument("--up", type=Path, default=UP)
    wanted = parser.parse_args()
    if not wanted.up.exists():
        return not_run(
            "the controller over a study", f"there is no {wanted.up} to start a control plane with kwok's nodes (--up)"
        )
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(S3Server(scratch / "s3"))
        os.environ |= server.env
        os.environ["XDG_CACHE_HOME"] = str(scratch)
        stack.enter_context(started(wanted.up, scratch / "kube", "--fake-nodes", str(wanted.nodes)))
        plan = made_plan(wanted.stages, scratch)
        store = open_store(server.url)
        figures, bare = _peer(plan, Cluster(namespace="default"))
        figures += _submit(plan, store, Cluster(namespace="default"))
        figures += _release(plan, store, Cluster(namespace="default"), scratch, wanted.spread, bare)
        refused = refusals()
        assert refused is not None, "the bench's own API server shows its metrics"
        figures.append(Figure(what="429s of the API server", value=refused, unit="", most=0))
        return tell(f"{len(plan.stages)} Jobs on {wanted.nodes} played nodes", figures)


def made_plan(stages: int, scratch: Path) -> Plan:
    """The first so many stages of a study, and its reduce stage over those that are left."""
    seeds = stages // (len(TARGETS) * len(ARMS)) + 2
    lists = {"seeds": list(range(seeds)), "intermediates": ARMS, "targets": TARGETS}
    text = "name: large\nmodel: tiny\nstore: ./s\n" + "".join(f"{name}: {values}\n" for name, values in lists.items())
    path = scratch / "grid.yaml"
    path.write_text(text.replace("'", '"'), encoding="utf-8")
    grid = load(path)
    plan = build(grid, inventory(grid))
    *first, last = plan.stages.values()
    kept = {stage.key: stage for stage in first[: stages - 1]}
    kept[last.key] = replace(last, parents=tuple(key for key in last.parents if key in kept))
    return replace(plan, stages=kept, grid=replace(grid, cluster=NODES))


def _peer(plan: Plan, cluster: Cluster) -> tuple[list[Figure], float]:
    """A bare client: create, release, delete; and the seconds that it took to release them all."""
    jobs = list(render.render(plan, "s3://peer/peer").values())
    for job in jobs:
        job["spec"]["template"]["spec"]["nodeSelector"] = {"no": "such-node"}
    names = [job["metadata"]["name"] for job in jobs]
    with ThreadPoolExecutor(10) as pool:
        created = _seconds(lambda: list(pool.map(lambda job: cluster.create(JOBS, job), jobs)))
        change = {"spec": {"suspend": False}}
        released = _seconds(lambda: list(pool.map(lambda name: cluster.patch(JOBS, name, change), names)))
        list(pool.map(lambda name: cluster.delete(JOBS, name), names))
    while cluster.list(JOBS):
        time.sleep(0.5)
    told = [("a bare client: all Jobs created", created), ("a bare client: all released", released)]
    return [Figure(what=what, value=value) for what, value in told], released


def _submit(plan: Plan, store: Store, cluster: Cluster) -> list[Figure]:
    grids.register(store, plan.grid, plan, replace=False)
    first, again = (_seconds(lambda: submit(plan, store, cluster, standing(plan, store))) for _ in range(2))
    assert len(cluster.list(JOBS, selector=OURS)) == len(plan.stages)
    return [
        Figure(what="submit", value=first, most=SUBMIT_SECONDS),
        Figure(what="submit again, which finds all", value=again, most=SUBMIT_SECONDS),
    ]


def _release(plan: Plan, store: Store, cluster: Cluster, scratch: Path, spread: float, bare: float) -> list[Figure]:
    for key, stage in plan.stages.items():
        if stage.kind == "intermediate" and spread:  # kwok would end its pod after a second: it stays pending instead
            change = {"spec": {"template": {"spec": {"nodeSelector": {"type": "none"}}}}}
            cluster.patch(JOBS, render.job_name(stage.kind, key, store.url), change)
    player = Player(plan, store, spread)
    threading.Thread(target=player.watch, daemon=True).start()
    time.sleep(2.0)  # it watches before there is something to see: what falls between two watches is seen late
    port = free_ports(1)
    words = [sys.executable, "-m", "xtl.cli.app", "controller", "-n", "default", "--port", str(port)]
    with open(scratch / "controller.log", "wb") as log:
        process = subprocess.Popen(words, stderr=log)
        try:
            begun = time.monotonic()
            looks = _looks_until_released(player, plan, store, begun)
            took = max(player.released.values()) - begun
            return _waits(player, took, bare) + _status(looks) + _controller(process.pid, port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _looks_until_released(player: Player, plan: Plan, store: Store, begun: float) -> list[float]:
    """Waits for every stage's release, and has looks taken meanwhile: seconds of each."""
    looks: list[float] = []
    with ProcessPoolExecutor(1, get_context("spawn")) as another:
        while len(player.released) < len(plan.stages):
            if time.monotonic() - begun > LIMIT_SECONDS:
                raise SystemExit(f"bench.controller: given up: {len(player.released)} of {len(plan.stages)} released")
            time.sleep(0.2)
            if time.monotonic() - begun > LOOK_EVERY_SECONDS * (len(looks) + 1):
                looks.append(another.submit(_look, plan.grid.name, store.url).result())
    return looks


def _look(grid: str, url: str) -> float:
    """One look at the study as `xtl status` takes it, in a process of its own: the bench's is busy playing stages."""
    store, cluster = open_store(url), Cluster(namespace="default")
    stages = grids.read(store, grid)["stages"]
    return _seconds(lambda: report(grid, stages, store, cluster))


def _waits(player: Player, took: float, bare: float) -> list[Figure]:
    waits = sorted(player.waits())
    p50, p95 = (waits[min(len(waits) - 1, int(len(waits) * part))] for part in (0.5, 0.95))
    what = "last parent's commit to release"
    return [
        Figure(what="all released, in order of their parents", value=took),
        Figure(what=f"{what}, p50", value=p50),
        Figure(what=f"{what}, p95", value=p95, most=RELEASE_SECONDS),
        Figure(what=f"{what}, longest", value=waits[-1]),
        Figure(what="that p95 by the bare client's release of all", value=p95 / bare, unit="times"),
    ]


def _status(looks: list[float]) -> list[Figure]:
    """All on this machine's processors: nodes, API server, store, controller, stages, and status beside them."""
    if not looks:
        return []
    return [
        Figure(what=f"status meanwhile, median of {len(looks)}", value=median(looks), most=STATUS_SECONDS),
        Figure(what="status meanwhile, longest", value=max(looks)),
    ]


def _controller(pid: int, port: int) -> list[Figure]:
    peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert peak
    user, system = (int(x) for x in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    rounds, seconds = (_number(text, f"xtl_controller_{name}") for name in ("rounds_total", "round_seconds_sum"))
    failed = _number(text, 'xtl_controller_actions_total{kind="fail"}')
    return [
        Figure(what="controller's memory at most", value=int(peak[1]) / 1024, unit="MB", most=CONTROLLER_MB),
        Figure(what="controller's processor", value=(user + system) / os.sysconf("SC_CLK_TCK")),
        Figure(what=f"a round of it, mean of {rounds:.0f}", value=seconds / rounds),
        Figure(what="stages that it took for failed", value=failed, unit=""),
    ]


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def _number(text: str, name: str) -> float:
    return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[-1])


class Player:
    """Commits each stage as soon as its Job is released. `released`, `committed`: when, by key."""

    def __init__(self, plan: Plan, store: Store, spread: float) -> None:
        self.plan, self.store, self.spread = plan, store, spread
        self._chance = random.Random(0)
        self.released: dict[str, float] = {}
        self.committed: dict[str, float] = {}
        self._pool = ThreadPoolExecutor(4)

    def watch(self) -> None:
        cluster = Cluster(namespace="default")
        while True:
            for job in cluster.list(JOBS, selector=OURS):
                self._see(job)
            try:
                for line in cluster.watch(JOBS, selector=OURS, seconds=LIMIT_SECONDS):
                    self._see(json.loads(line)["object"])
            except ClusterError:
                time.sleep(0.5)

    def _see(self, job: dict) -> None:
        notes = job["metadata"].get("annotations", {})
        key = notes.get(render.KEY)
        if RELEASED in notes and key in self.plan.stages and key not in self.released:
            self.released[key] = time.monotonic()
            slow = self.spread if self.plan.stages[key].kind == "intermediate" else 0.0
            timer = threading.Timer(self._chance.uniform(0.0, slow), self._pool.submit, (self._commit, key))
            timer.daemon = True
            timer.start()

    def _commit(self, key: str) -> None:
        body = commit.encode({"key": key, "attempt": "a", "files": {}})
        with suppress(Conflict):
            self.store.put(layout.manifest_name(key), body, create=True)
        self.committed[key] = time.monotonic()

    def waits(self) -> list[float]:
        """Of every released stage with parents: seconds since the last of them was committed, by our watch's clock."""
        return [
            when - max(self.committed[parent] for parent in self.plan.stages[key].parents)
            for key, when in self.released.items()
            if self.plan.stages[key].parents
        ]


if __name__ == "__main__":
    sys.exit(main())
