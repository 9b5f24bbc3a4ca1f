"""The Lease among machines whose clocks differ, where it may not be read, and with a bug in the way."""

from __future__ import annotations

import time
from copy import deepcopy
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.grid import MINIMAL, write
from tests.run.study import wait
from xtl import observe
from xtl.cli.next_steps import Next
from xtl.cluster import Cluster, ClusterError, ClusterRefused
from xtl.grid import load
from xtl.lease import Lease, alive
from xtl.plan import Plan

HOUR = 3600.0


class Leases(Cluster):
    """An API server with one Lease, whose clock is `ahead` of ours; `trouble` is raised instead of an answer."""

    namespace = "research"

    def __init__(self, ahead: float | None = 0.0) -> None:
        self.ahead, self.trouble = ahead, None
        self.lease: dict[str, Any] | None = None
        self.asked = 0

    ahead: float | None
    trouble: BaseException | None

    def get(self, path: str, name: str) -> dict[str, Any] | None:
        self.asked += 1
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


@pytest.mark.parametrize("ahead", [-HOUR, 0.0, HOUR])
def test_a_holder_whose_clock_is_wrong_keeps_the_lease_for_as_long_as_it_renews(ahead: float) -> None:
    cluster = Leases()
    one = Lease(cluster, "one")
    for _ in range(4):
        cluster.renewed(ahead, seconds=0.2)
        assert not one.attempt()
        time.sleep(0.1)
    time.sleep(0.2)
    assert one.attempt()
    assert cluster.lease is not None
    assert cluster.lease["spec"]["holderIdentity"] == "one"


@pytest.mark.parametrize(
    ("holder", "server", "lives"),
    [(-HOUR, -HOUR, True), (HOUR, HOUR, True), (0.0, HOUR, False), (-HOUR, 0.0, False), (0.0, None, True)],
)
def test_whether_one_is_alive_goes_by_the_clocks_of_the_cluster(
    holder: float, server: float | None, lives: bool
) -> None:
    cluster = Leases(server)
    cluster.renewed(holder)
    assert alive(cluster) == ("other" if lives else None)


def test_where_the_lease_may_not_be_read_nobody_says_that_no_controller_is_alive(tmp_path: Path) -> None:
    cluster = Leases()
    plan = Plan(grid=load(write(tmp_path, MINIMAL)), stages={}, rows=(), reduce="")
    after = Next(tmp_path / "g.yaml", plan, cluster, {})
    assert observe._released_by_whom(cluster).startswith("No controller is alive")
    assert after.no_controller().startswith("No controller is alive")
    cluster.trouble = ClusterRefused("not allowed")
    for said in (observe._released_by_whom(cluster), after.no_controller()):
        assert "we may not know" in said
        assert "No controller is alive" not in said


@pytest.mark.parametrize("trouble", [ClusterError("away"), RuntimeError("a bug")])
def test_whatever_goes_wrong_the_campaign_goes_on_and_nobody_leads_unrenewed(trouble: Exception) -> None:
    cluster = Leases()
    lease = Lease(cluster, "one", seconds=1)
    lease.seconds = 0.3  # type: ignore[assignment]
    lease.start()
    wait(lease.leading.is_set, "the first lead", 10)
    cluster.trouble = trouble
    wait(lambda: not lease.leading.is_set(), "the lead given up", 10)
    cluster.trouble = None
    wait(lease.leading.is_set, "the lead again", 10)
    assert not lease.dead()
    lease.stop()
    assert not lease.dead()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # that it dies is the point
def test_a_campaign_that_has_died_is_told() -> None:
    cluster = Leases()
    cluster.trouble = SystemExit()
    lease = Lease(cluster, "one")
    lease.start()
    wait(lease.dead, "its end", 10)
