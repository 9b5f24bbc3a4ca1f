"""A Kueue for clusters that have none: small, and stateful in the objects that it keeps on the real API server.

`tests/cluster/test_kueue.py` holds it to the same contract as the real one. Played: a Workload a queued Job; gates that
keep a Job out of the queue; admission by priority, then age, within the ClusterQueue's nominal quota (a smaller one may
go first, as BestEffortFIFO has it); preemption of lower priorities; suspension of what is not admitted; the queues'
status. What Kueue does in webhooks is done by policies of the API server (`kueue.yaml`), so that a Job is labelled
before anyone sees it. The rest looks every `EVERY_SECONDS`, where Kueue goes by watches: a Job that is not to run may
start for so long.

Not played: cohorts and borrowing, several flavours, admission checks, Workload finalizers, all that is not a Job of one
pod set, and the defaults of priorities (none is 0).

Reasons and messages are Kueue's: pkg/scheduler/flavorassigner/flavorassigner.go (what does not fit), pkg/scheduler/
scheduler.go and preemption/preemption.go (preemption), pkg/workload/workload.go and admissionchecks.go (conditions),
pkg/controller/core/workload_controller.go (gates, missing queues), pkg/controller/core/localqueue_controller.go and
pkg/controller/jobframework/reconciler.go (the order of what is done to a Job), all of kubernetes-sigs/kueue at ff69552.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.cluster.kueue_player import API, CLASSES, CLUSTER, LOCAL, Kueue
from tests.cluster.kueue_quota import Object
from xtl.cluster import WORKLOADS, Cluster, ClusterError
from xtl.errors import XtlError

FLAVORS = f"{API}/resourceflavors"
MANAGER = "/apis/apps/v1/namespaces/kueue-system/deployments"
OBJECTS = Path(__file__).with_suffix(".yaml")
EVERY_SECONDS = 0.2

log = logging.getLogger("tests.kueue")

__all__ = ["API", "CLASSES", "CLUSTER", "FLAVORS", "LOCAL", "installed", "played"]


def installed(cluster: Cluster) -> bool:
    """Whether the cluster has a real one."""
    return cluster.get(MANAGER, "kueue-controller-manager") is not None


@contextmanager
def played() -> Iterator[None]:
    """The stand-in, installed on the cluster of KUBECONFIG and at work; it leaves nothing behind."""
    cluster = Cluster()
    objects = yaml.safe_load(OBJECTS.read_text(encoding="utf-8"))["items"]
    over = threading.Event()
    player = threading.Thread(target=_play, args=(over,), name="kueue", daemon=True)
    try:
        for one in objects:
            cluster.create(_path(one), one)
        _served(cluster)
        player.start()
        yield
    finally:
        over.set()
        if player.ident:
            player.join()
        for one in reversed(objects):
            cluster.delete(_path(one), one["metadata"]["name"])
        for one in objects:
            cluster.wait_gone(_path(one), one["metadata"]["name"], 30)


def _path(one: Object) -> str:
    kind = one["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return f"/apis/{one['apiVersion']}/{plural}"


def _served(cluster: Cluster) -> None:
    end = time.monotonic() + 30
    for path in (WORKLOADS, LOCAL, CLUSTER, FLAVORS):
        while True:
            try:
                cluster.list(path)
                break
            except ClusterError:
                assert time.monotonic() < end, f"{path} is not served"
                time.sleep(0.2)


def _play(over: threading.Event) -> None:
    kueue = Kueue()
    while not over.wait(EVERY_SECONDS):
        try:
            kueue.round()
        except XtlError as error:  # the API server is away, or an object has changed: the next round sees it anew
            log.warning("a round was cut short: %s", error)
