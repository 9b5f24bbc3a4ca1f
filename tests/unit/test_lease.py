"""The Lease among machines whose clocks differ, where it may not be read, and with a bug in the way."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.grid import MINIMAL, write
from tests.leases import Leases
from tests.run.study import wait
from xtl import observe
from xtl.cli.next_steps import Next
from xtl.cluster import ClusterError, ClusterRefused
from xtl.grid import load
from xtl.lease import Lease, alive
from xtl.plan import Plan

HOUR = 3600.0


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
