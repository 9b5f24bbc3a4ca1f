"""1,000 Jobs on 100 played nodes: how long a submit takes, how soon a Job is released after its last parent's commit,
and what the controller needs for it.

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
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from tests import samples
from tests.cluster.kubeconfigs import free_ports
from tests.grids import inventory
from tests.s3server import S3Server
from xtl import render
from xtl.cluster import JOBS, OURS, Cluster, ClusterError
from xtl.decide import RELEASED
from xtl.errors import Conflict
from xtl.grid import load
from xtl.plan import Plan, build
from xtl.store import Store, commit, layout, open_store
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--spread", type=float, default=60.0)
    parser.add_argument("--up", type=Path, default=samples.SHARED / "kube/up")
    wanted = parser.parse_args()
    if not wanted.up.exists():
        print(f"controller: NOT MEASURED, there is no {wanted.up} to start a control plane")
        return
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(S3Server(scratch / "s3"))
        os.environ |= server.env
        folder = scratch / "kube"
        stack.callback(subprocess.run, [wanted.up.with_name("down"), "--dir", folder], stdout=subprocess.DEVNULL)
        words = ["--dir", folder, "--port", str(free_ports(4)), "--fake-nodes", str(wanted.nodes)]
        subprocess.run([wanted.up, *words], check=True, stdout=subprocess.DEVNULL)
        os.environ["KUBECONFIG"] = str(folder / "admin.conf")
        plan = made_plan(wanted.stages, scratch)
        bare = _peer(plan, Cluster(namespace="default"))
        _measure(plan, open_store(server.fresh_url()), Cluster(namespace="default"), scratch, wanted.spread, bare)


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


def _peer(plan: Plan, cluster: Cluster) -> float:
    """A bare client: create, release, delete; the seconds that it took to release them all."""
    jobs = list(render.render(plan, "s3://peer/peer").values())
    for job in jobs:
        job["spec"]["template"]["spec"]["nodeSelector"] = {"no": "such-node"}
    names = [job["metadata"]["name"] for job in jobs]
    with ThreadPoolExecutor(10) as pool:
        begun = time.perf_counter()
        list(pool.map(lambda job: cluster.create(JOBS, job), jobs))
        created = time.perf_counter() - begun
        begun = time.perf_counter()
        list(pool.map(lambda name: cluster.patch(JOBS, name, {"spec": {"suspend": False}}), names))
        released = time.perf_counter() - begun
        print(f"bare client: {len(jobs)} Jobs created in {created:.1f} s, released in {released:.1f} s")
        list(pool.map(lambda name: cluster.delete(JOBS, name), names))
    while cluster.list(JOBS):
        time.sleep(0.5)
    return released


def _measure(plan: Plan, store: Store, cluster: Cluster, scratch: Path, spread: float, bare: float) -> None:
    begun = time.perf_counter()
    result = submit(plan, store, cluster, standing(plan, store))
    print(f"submit: {len(result.created)} Jobs created in {time.perf_counter() - begun:.1f} s")
    begun = time.perf_counter()
    submit(plan, store, cluster, standing(plan, store))
    print(f"submit again: {time.perf_counter() - begun:.1f} s")
    for key, stage in plan.stages.items():
        if stage.kind == "intermediate" and spread:  # kwok would end its pod after a second: it stays pending instead
            change = {"spec": {"template": {"spec": {"nodeSelector": {"type": "none"}}}}}
            cluster.patch(JOBS, render.job_name(stage.kind, key, store.url), change)
    stage_player = Player(plan, store, spread)
    threading.Thread(target=stage_player.watch, daemon=True).start()
    time.sleep(2.0)  # it watches before there is something to see: what falls between two watches is seen late
    port = free_ports(1)
    with open(scratch / "controller.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "xtl.cli.app", "controller", "-n", "default", "--port", str(port)], stderr=log
        )
        begun = time.perf_counter()
        try:
            while len(stage_player.released) < len(plan.stages):
                if time.perf_counter() - begun > LIMIT_SECONDS:
                    print(f"given up: {len(stage_player.released)} released")
                    break
                time.sleep(0.2)
            took = time.perf_counter() - begun
            _tell(stage_player, took, bare, process.pid, port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _tell(player: Player, took: float, bare: float, pid: int, port: int) -> None:
    waits = sorted(player.waits())
    share = {name: waits[min(len(waits) - 1, int(len(waits) * part))] for name, part in (("p50", 0.5), ("p95", 0.95))}
    print(f"{len(player.released)} Jobs released in {took:.1f} s, in order of their parents")
    print(f"parent's commit to release: p50 {share['p50']:.1f} s, p95 {share['p95']:.1f} s, most {waits[-1]:.1f} s")
    print(f"the p95 is {share['p95'] / bare:.1f} times what the bare client took to release all at once")
    peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert peak
    user, system = (int(x) for x in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
    ticks = os.sysconf("SC_CLK_TCK")
    print(f"controller: {int(peak[1]) / 1024:.0f} MB at most, {(user + system) / ticks:.1f} s of processor")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    rounds, seconds = (_number(text, f"xtl_controller_{name}") for name in ("rounds_total", "round_seconds_sum"))
    failed = _number(text, 'xtl_controller_actions_total{kind="fail"}')
    print(f"controller: {rounds:.0f} rounds, {seconds / rounds:.2f} s each; {failed:.0f} taken for failed")


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
    main()
