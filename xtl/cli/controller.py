"""`xtl controller`: releases Jobs as their parents are committed, until SIGTERM."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from xtl.cluster import Cluster


def controller(
    context: Annotated[
        str | None, typer.Option("--context", help="The kubeconfig's context; default: the pod's own, or the current.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Whose Jobs; default: the pod's, or the context's.")
    ] = None,
    store: Annotated[
        list[str] | None, typer.Option("--store", help="Serve this store alone; default: every one that a Job names.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between rounds when nothing happens.")] = 5.0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of /healthz, /readyz and /metrics; 0: any free.")] = 8080,
    lease_seconds: Annotated[int, typer.Option(min=3, help="How long a silent leader keeps the Lease.")] = 15,
    check: Annotated[bool, typer.Option("--check", help="Only say whether one is alive: 0 if so, else 1.")] = False,
) -> None:
    """Release each Job once its parents are committed, and note what failed. The chart runs this in the cluster; one of
    several leads by a Lease.

    Example: xtl controller --context my-cluster --namespace research
    """
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):  # before the imports: as PID 1 we would never hear it
        signal.signal(number, lambda signum, frame: told.append(signum))

    import logging
    import os
    import socket

    from xtl.cluster import Cluster
    from xtl.daemon import Daemon, JsonLines
    from xtl.errors import UserError
    from xtl.lease import Lease
    from xtl.metrics import serve

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.getLogger("xtl").addHandler(handler)
    logging.getLogger("xtl").setLevel(logging.INFO)

    cluster = Cluster(context=context, namespace=namespace)
    if check:
        _check(cluster)
        return
    lease = Lease(cluster, os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}", seconds=lease_seconds)
    daemon = Daemon(cluster, lease, stores=tuple(store or ()), every=every)
    try:
        listening = serve(port, daemon.metrics, daemon.healthy, daemon.ready)
    except OSError as error:
        raise UserError(f"port {port}: {error}; choose another with --port") from None
    logging.getLogger("xtl.controller").info(
        "serving %s on %s as %s, port %d", cluster.namespace, cluster.host, lease.identity, listening
    )
    daemon.start()
    while not told:
        time.sleep(0.1)
    lease.stop()
    logging.getLogger("xtl.controller").info("told to stop; the Lease is given back")
    sys.stderr.flush()
    os._exit(0)  # a round may hang in a store that is away, and may be cut off anywhere


def _check(cluster: Cluster) -> None:
    from xtl.errors import XtlError
    from xtl.lease import NAME, alive

    holder = alive(cluster)
    if holder is None:
        raise XtlError(f"no controller is alive in {cluster.namespace}: nobody renews the Lease {NAME}")
    print(f"{holder} leads in {cluster.namespace}")
