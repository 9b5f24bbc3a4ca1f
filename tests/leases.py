"""An API server that holds one Lease, with what no test cluster has: a clock of its own, and trouble at will."""

from __future__ import annotations

import time
from copy import deepcopy
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

from xtl.cluster import Cluster, ClusterError


class Leases(Cluster):
    """An API server with one Lease, whose clock is `ahead` of ours; `trouble` is raised instead of an answer."""

    namespace = "research"

    def __init__(self, ahead: float | None = 0.0) -> None:
        """ahead: in seconds; None: it does not tell its time."""
        self.ahead = ahead
        self.trouble: BaseException | None = None
        self.lease: dict[str, Any] | None = None

    def get(self, path: str, name: str) -> dict[str, Any] | None:
        if self.trouble:
            raise self.trouble
        self.date = "" if self.ahead is None else formatdate(time.time() + self.ahead, usegmt=True)
        return deepcopy(self.lease)

    def create(self, path: str, manifest: Any, *, dry_run: bool = False) -> bool:
        assert self.lease is None
        self.lease = {**deepcopy(manifest), "metadata": {"resourceVersion": "1"}}
        return True

    def patch(self, path: str, name: str, change: Any) -> dict[str, Any] | None:
        assert self.lease is not None
        version = self.lease["metadata"]["resourceVersion"]
        if change["metadata"]["resourceVersion"] != version:
            raise ClusterError("it has moved on", 409)
        self.lease = {"metadata": {"resourceVersion": version + "1"}, "spec": {**self.lease["spec"], **change["spec"]}}
        return self.lease

    def renewed(self, ahead: float, seconds: float = 15.0) -> None:
        """By a holder whose clock is so far ahead of ours."""
        at = datetime.fromtimestamp(time.time() + ahead, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": "other", "leaseDurationSeconds": seconds, "renewTime": at}
        self.lease = {"metadata": {"resourceVersion": at}, "spec": spec}
