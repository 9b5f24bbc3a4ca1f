"""The controller's process between rounds: what it tells its probes, and that no thread of it dies unnoticed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from tests.leases import Leases
from tests.run.study import wait
from xtl import daemon, render
from xtl.cluster import ClusterError
from xtl.daemon import Daemon
from xtl.errors import StoreError
from xtl.lease import Lease
from xtl.store import open_store


def job(store: str) -> dict[str, Any]:
    meta = {"name": store, "annotations": {render.STORE: store}}
    return {"metadata": meta, "spec": {"suspend": True}, "status": {"conditions": None}}


class Rounds:
    """A controller's: away where its store's name says so."""

    served: ClassVar[list[str]] = []
    problems = ()

    def __init__(self, cluster: Any, store: str) -> None:
        self.store = store

    def round(self, jobs: Any) -> list[Any]:
        if "away" in self.store:
            raise StoreError("the store does not answer")
        self.served.append(self.store)
        return []


@pytest.fixture
def leading(monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """Leads, and has no patience: whatever the trouble, it has lasted long enough."""
    monkeypatch.setattr(daemon, "READY_SECONDS", -1.0)
    monkeypatch.setattr(daemon, "Controller", Rounds)
    monkeypatch.setattr(Rounds, "served", [])
    cluster = Leases()
    one = Daemon(cluster, Lease(cluster, "one"), every=0.01)
    one.lease.leading.set()
    return one


# That a thread dies is the point of some tests.
DYING = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def listed(monkeypatch: pytest.MonkeyPatch, give: Callable[[], list[Any]]) -> None:
    monkeypatch.setattr(daemon, "list_jobs", lambda cluster: give())


def test_a_dead_store_makes_no_controller_unready(leading: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = ["s3://away/a", "s3://there/b", "s3://#/no-store"]
    monkeypatch.setattr(daemon, "open_store", lambda url: open_store(url) if "#" in url else url)
    listed(monkeypatch, lambda: [job(store) for store in stores])
    assert leading.ready() == "no round yet\n"
    leading._guarded()
    assert leading.ready() == ""
    assert Rounds.served == ["s3://there/b"]
    said = leading.metrics.text()
    assert 'xtl_controller_errors_total{what="store"} 2.0' in said
    assert "xtl_controller_last_success_timestamp_seconds 0.0" in said
    listed(monkeypatch, lambda: [job("s3://there/b")])
    leading._guarded()
    assert "xtl_controller_last_success_timestamp_seconds 0.0" not in leading.metrics.text()


def test_an_api_server_that_does_not_answer_makes_it_unready(leading: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> list[Any]:
        raise ClusterError("the API server does not answer")

    listed(monkeypatch, away)
    leading._guarded()
    assert leading.ready() == "the API server does not answer\n"
    listed(monkeypatch, list)
    leading._guarded()
    assert leading.ready() == ""


@DYING
def test_a_watch_survives_a_bug(leading: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def watch(*where: Any, **how: Any) -> Iterator[bytes]:
        asked.append(1)
        if len(asked) == 1:
            raise RuntimeError("a bug")
        raise SystemExit  # the test is over

    monkeypatch.setattr(leading.cluster, "watch", watch, raising=False)
    thread = threading.Thread(target=leading._watch, daemon=True)
    thread.start()
    thread.join(10)
    assert len(asked) == 2


@DYING
def test_a_thread_that_has_died_is_ill_health(leading: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*where: Any, **how: Any) -> Any:
        raise SystemExit

    assert leading.healthy() == ""
    listed(monkeypatch, end)
    monkeypatch.setattr(leading.cluster, "watch", end, raising=False)
    leading.start()
    wait(lambda: leading.healthy() == "dead: xtl_watch xtl_work\n", "both to be missed", 10)
    leading.lease.stop()


@DYING
def test_a_campaign_that_has_died_is_ill_health(leading: Daemon) -> None:
    assert isinstance(leading.cluster, Leases)
    leading.cluster.trouble = SystemExit()
    leading.lease.start()
    wait(lambda: leading.healthy() == "dead: the campaign for the Lease\n", "it to be missed", 10)
