"""`xtl submit` against a real API server: what it creates, and what it leaves alone. No pod runs here."""

from __future__ import annotations

from collections.abc import Callable

from tests.run.study import Study
from xtl.cluster import JOBS, Cluster


def test_submit_creates_suspended_jobs(cluster: Cluster, study: Callable[..., Study]) -> None:
    thin = study()
    ended = thin.xtl("submit", "grid.yaml", "--yes")
    assert ended.status == 0, ended
    jobs = cluster.list(JOBS)
    assert len(jobs) == 4
    assert all(job["spec"]["suspend"] for job in jobs)
