"""How long `xtl status` takes for a study of 1,000 stages, and how many requests that is.

    XTL_TEST_KUBECONFIG=... python -m bench.status [--stages 1000] [--done 400]

Makes a namespace with that many suspended Jobs, and a store on an S3 server of its own in which the grid stands as
submitted and some of it is committed; looks three times, the first without what earlier looks remembered; then removes
the namespace. The peer is `kubectl get jobs,pods,events -o json` of the same namespace: what a script would begin with.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.s3server import S3Server
from xtl import render
from xtl.cli.status import report
from xtl.cluster import JOBS, Cluster
from xtl.store import Store, commit, layout, open_store
from xtl.store.parallel import each

LIMIT_SECONDS = 2.0
GRID = "thousand"
NAMESPACES = "/api/v1/namespaces"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", type=int, default=1000)
    parser.add_argument("--done", type=int, default=400)
    options = parser.parse_args()
    if "XTL_TEST_KUBECONFIG" not in os.environ:  # never a user's own by accident
        print("bench.status: NOT RUN: name a cluster's kubeconfig in XTL_TEST_KUBECONFIG (and XTL_TEST_CONTEXT)")
        return
    os.environ["KUBECONFIG"] = os.environ["XTL_TEST_KUBECONFIG"]
    context = os.environ.get("XTL_TEST_CONTEXT")
    cluster = Cluster(context=context, namespace=f"xtl-bench-{secrets.token_hex(3)}")
    with tempfile.TemporaryDirectory() as scratch, S3Server(Path(scratch) / "server") as server, _namespace(cluster):
        os.environ.update(server.env)
        os.environ["XDG_CACHE_HOME"] = scratch
        store = open_store(server.url)
        stages = _stages(options.stages)
        _submitted(cluster, store, stages, options.done)
        for look in ("first", "second", "third"):
            before, begun, worked = sum(cluster.requests.values()), time.monotonic(), time.process_time()
            found = report(GRID, stages, store, cluster)
            spent, work = time.monotonic() - begun, time.process_time() - worked
            requests = sum(cluster.requests.values()) - before
            assert found.counts["done"] == options.done, found.counts
            print(f"{look} look: {spent:.2f} s (bound {LIMIT_SECONDS:.0f} s), of it {work:.2f} s of this processor; "
                  f"{requests} requests to the API server")  # fmt: skip
        print(f"kubectl get jobs,pods,events -o json: {_kubectl(cluster, context):.2f} s")


def _stages(count: int) -> dict[str, dict[str, Any]]:
    """Targets of one parent each: a tenth of all are intermediates."""
    found: dict[str, dict[str, Any]] = {}
    parents = [f"{number:064x}" for number in range(1, count // 10 + 1)]
    for number in range(1, count + 1):
        parent = number <= len(parents)
        kind = "intermediate" if parent else "target"
        labels = {"kind": kind, "intermediate": f"arm{number % len(parents)}", "seed": "1"}
        found[f"{number:064x}"] = {
            "title": f"{kind} number {number}",
            "kind": kind,
            "parents": [] if parent else [parents[number % len(parents)]],
            "labels": labels if parent else {**labels, "task": "xnli"},
        }
    return found


def _submitted(cluster: Cluster, store: Store, stages: dict[str, dict[str, Any]], done: int) -> None:
    body = {"grid": "", "reduce": "", "rows": [], "stages": stages, "order": list(stages)}
    commit.put_json(store, f"{layout.grid_prefix(GRID)}plan.json", body)
    manifest = {"attempt": "a", "files": {}, "seconds": {"total": 3600.0}}
    each(lambda key: commit.put_json(store, layout.manifest_name(key), {**manifest, "key": key}), list(stages)[:done])
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda pair: cluster.create(JOBS, _job(*pair, store.url)), stages.items()))


def _job(key: str, stage: dict[str, Any], url: str) -> dict[str, Any]:
    job = render.template(stage["kind"])
    job["metadata"]["name"] = render.job_name(stage["kind"], key, url)
    job["metadata"]["labels"][f"{render.GRID_PREFIX}{GRID}"] = "true"
    job["metadata"]["annotations"] |= {
        render.KEY: key,
        render.PARENTS: " ".join(stage["parents"]),
        render.TITLE: stage["title"],
        render.STORE: url,
    }
    return job


@contextmanager
def _namespace(cluster: Cluster) -> Iterator[None]:
    name = cluster.namespace
    cluster.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield
    finally:
        cluster.delete(NAMESPACES, name)


def _kubectl(cluster: Cluster, context: str | None) -> float:
    command = ["kubectl", "get", "jobs,pods,events", "-o", "json", "-n", cluster.namespace]
    begun = time.monotonic()
    subprocess.run(command + (["--context", context] if context else []), check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
