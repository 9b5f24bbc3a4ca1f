"""Leader election by one Lease: of any number of controllers one acts, the others stand by.

Kubernetes' Python client elects by ConfigMaps only, hence this. Every write is conditional on the resourceVersion that
was read, so two never take it at once. A holder whom we have not seen renew for the Lease's duration, by our own clock,
has lost it: other machines' clocks may be wrong, so a newcomer waits that long first. The trade-off: a leader that
hangs may act for a moment beside its successor; rounds are idempotent, so this costs requests and nothing else.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from xtl.cluster import LEASES, Cluster, ClusterError
from xtl.errors import XtlError

log = logging.getLogger("xtl.controller")

NAME = "xtl-controller"
DURATION_SECONDS = 15
_MICRO = "%Y-%m-%dT%H:%M:%S.%fZ"


class Lease:
    """Our candidacy under `identity`. The same identity again (a container restarted in its pod) goes on at once."""

    def __init__(self, cluster: Cluster, identity: str, *, name: str = NAME, seconds: int = DURATION_SECONDS) -> None:
        self.cluster, self.identity, self.name, self.seconds = cluster, identity, name, seconds
        self.leading = threading.Event()
        self.changed = threading.Event()  # set whenever `leading` turns
        self.contact = float("-inf")  # monotonic seconds of the last answer
        self._seen: tuple[str, str] = ("", "")
        self._since = 0.0
        self._renewed = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Campaign in the background, renewing three times in the Lease's duration."""
        self._thread = threading.Thread(target=self._campaign, name="xtl-lease", daemon=True)
        self._thread.start()

    def stop(self, patience_seconds: float = 5.0) -> None:
        """Give the Lease back, so that a successor need not wait for it to run out."""
        self._stop.set()
        if self._thread:
            self._thread.join(patience_seconds)
        if not self.leading.is_set():
            return  # nothing to give back, and the API server may be away
        try:
            self.release()
        except XtlError as error:
            log.warning("the Lease was not given back: %s", error)

    def _campaign(self) -> None:
        while not self._stop.is_set():
            try:
                self._set(self.attempt())
                self.contact = time.monotonic()
            except Exception as error:  # whatever it is: without this thread a leader would lead for ever, unrenewed
                log.warning("the Lease %s: %s", self.name, error, exc_info=not isinstance(error, XtlError))
                if time.monotonic() - self._renewed > self.seconds:
                    self._set(False)
            self._stop.wait(self.seconds / 3)

    def dead(self) -> bool:
        """The campaign has ended, and nobody asked it to."""
        return self._thread is not None and not self._thread.is_alive() and not self._stop.is_set()

    def _set(self, leading: bool) -> None:
        if leading != self.leading.is_set():
            log.info("%s %s", self.identity, "leads" if leading else "stands by")
            (self.leading.set if leading else self.leading.clear)()
            self.changed.set()

    def attempt(self) -> bool:
        """Create, renew or take over; True if it is ours then. Raises ClusterError, ClusterRefused."""
        lease = self.cluster.get(LEASES, self.name)
        now = datetime.now(UTC)
        if lease is None:
            return self._won(self.cluster.create(LEASES, self._new(now)))
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self.identity) and not self._expired(spec):
            return False
        body: dict[str, Any] = {
            "holderIdentity": self.identity, "leaseDurationSeconds": self.seconds, "renewTime": now.strftime(_MICRO),
        }  # fmt: skip
        if holder != self.identity:
            body |= {"acquireTime": body["renewTime"], "leaseTransitions": (spec.get("leaseTransitions") or 0) + 1}
        return self._won(self._replace(lease, body))

    def _won(self, won: bool) -> bool:
        self._renewed = time.monotonic() if won else self._renewed
        return won

    def _replace(self, lease: dict[str, Any], spec: dict[str, Any]) -> bool:
        """True if nobody was quicker."""
        version = lease["metadata"]["resourceVersion"]
        try:
            found = self.cluster.patch(LEASES, self.name, {"metadata": {"resourceVersion": version}, "spec": spec})
        except ClusterError as error:
            if error.code == 409:
                return False
            raise
        return found is not None

    def _new(self, now: datetime) -> dict[str, Any]:
        at = now.strftime(_MICRO)
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": self.cluster.namespace},
            "spec": {
                "holderIdentity": self.identity, "leaseDurationSeconds": self.seconds,
                "acquireTime": at, "renewTime": at, "leaseTransitions": 0,
            },
        }  # fmt: skip

    def _expired(self, spec: dict[str, Any]) -> bool:
        seen = (str(spec.get("holderIdentity")), str(spec.get("renewTime")))
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
        duration = spec.get("leaseDurationSeconds") or self.seconds
        return time.monotonic() - self._since > duration

    def release(self) -> None:
        """Empty the holder, if it is us. Raises ClusterError."""
        self._set(False)
        lease = self.cluster.get(LEASES, self.name)
        if lease and (lease.get("spec") or {}).get("holderIdentity") == self.identity:
            self._replace(lease, {"holderIdentity": "", "leaseDurationSeconds": 1})


def age(spec: dict[str, Any], now: datetime) -> float:
    """Seconds since a Lease was renewed, by its holder's clock; infinite where it never was."""
    try:
        return (now - datetime.fromisoformat(str(spec.get("renewTime")))).total_seconds()
    except ValueError:
        return float("inf")


def alive(cluster: Cluster, name: str = NAME) -> str | None:
    """Who holds the Lease and has renewed it lately, by the API server's clock, not this machine's; None where no
    controller is alive. Raises ClusterError, and ClusterRefused where we may not know."""
    spec = (cluster.get(LEASES, name) or {}).get("spec") or {}
    lately = age(spec, _now(cluster)) <= 4 * (spec.get("leaseDurationSeconds") or DURATION_SECONDS)
    return str(spec["holderIdentity"]) if spec.get("holderIdentity") and lately else None


def _now(cluster: Cluster) -> datetime:
    try:
        return parsedate_to_datetime(cluster.date).replace(tzinfo=UTC)
    except ValueError:  # it does not tell
        return datetime.now(UTC)
