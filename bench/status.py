"""How long `xtl status` takes for a study of 1,000 stages, and how many requests that is. Exits 1 past its bounds.

    python -m bench.status [--stages 1000] [--done 400] [--up PATH/TO/kube/up]

Makes a namespace with that many suspended Jobs, and a store on an S3 server of its own in which the grid stands as
submitted and some of it is committed; looks three times, the first without what earlier looks remembered; then removes
the namespace. The cluster is the one that XTL_TEST_KUBECONFIG names (and XTL_TEST_CONTEXT), else one that `--up` starts
for it. The peer is `kubectl get jobs,pods,events -o json` of the same namespace: what a script would begin with.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench._cluster import UP, refusals, started
from bench._figures import Figure, not_run, tell
from tests.s3server import S3Server
from xtl import render
from xtl.cli.status import report
from xtl.cluster import JOBS, Cluster
from xtl.store import Store, commit, layout, open_store
from xtl.store.parallel import each

LOOK_SECONDS = 2.0
GRID = "thousand"
NAMESPACES = "/api/v1/namespaces"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", type=int, default=1000)
    parser.add_argument("--done", type=int, default=400)
    parser.add_argument("--up", type=Path, default=UP)
    options = parser.parse_args()
    named, context = os.environ.get("XTL_TEST_KUBECONFIG"), os.environ.get("XTL_TEST_CONTEXT")
    if not named and not options.up.exists():  # never a user's own by accident
        why = f"name a cluster's kubeconfig in XTL_TEST_KUBECONFIG (and XTL_TEST_CONTEXT): there is no {options.up}"
        return not_run("`xtl status` of a large study", f"{why} to start one")
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(S3Server(scratch / "server"))
        os.environ |= server.env
        os.environ["XDG_CACHE_HOME"] = str(scratch)
        if named:
            os.environ["KUBECONFIG"] = named
        else:
            context = None
            stack.enter_context(started(options.up, scratch / "kube"))
        cluster = Cluster(context=context, namespace=f"xtl-bench-{secrets.token_hex(3)}")
        stack.enter_context(_namespace(cluster))
        figures = _measure(cluster, open_store(server.url), options.stages, options.done, context)
        return tell(f"`xtl status` of {options.stages} stages, {options.done} of them done", figures)


def _measure(cluster: Cluster, store: Store, count: int, done: int, context: str | None) -> list[Figure]:
    stages = _stages(count)
    _submitted(cluster, store, stages, done)
    before = refusals(context)
    figures = []
    for look in ("first", "second", "third"):
        asked, begun, worked = sum(cluster.requests.values()), time.monotonic(), time.process_time()
        found = report(GRID, stages, store, cluster)
        spent, work = time.monotonic() - begun, time.process_time() - worked
        assert found.counts["done"] == done, found.counts
        requests = sum(cluster.requests.values()) - asked
        figures += [
            Figure(what=f"{look} look", value=spent, most=LOOK_SECONDS),
            Figure(what=f"{look} look, this process's part", value=work),
            Figure(what=f"{look} look, requests to the API server", value=requests, unit=""),
        ]
    figures.append(Figure(what="kubectl get jobs,pods,events -o json", value=_kubectl(cluster, context)))
    after = refusals(context)
    if before is None or after is None:
        print("bench.status: 429s were not counted: this login may not read the API server's /metrics")
    else:
        figures.append(Figure(what="429s of the API server meanwhile", value=after - before, unit="", most=0))
    return figures


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
    sys.exit(main())
