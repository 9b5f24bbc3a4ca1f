"""What a person at a terminal sees of `xtl submit`: the question, and a bar where there are many Jobs."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.cluster import jobs as made
from tests.cluster import kubeconfigs
from tests.cluster.proxy import Proxy
from tests.run.study import Study
from xtl.cli.common import load_grid, make_plan
from xtl.cluster import JOBS, Cluster
from xtl.store import Store
from xtl.submit import IN_FLIGHT

#: A target for each of 16 seeds, their intermediates, three fetches and the report.
MANY = """\
name: many
model: tiny
seeds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
intermediates: [mnli]
targets: [tatoeba]
precision: fp32
data: ./data
"""


def on_terminal(study: Study, answer: str, *arguments: str, **env: str) -> tuple[int, str]:
    """`xtl ARGUMENTS` with a pseudo-terminal for all three streams; what it wrote."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "xtl.cli.app", *arguments],
        cwd=study.folder,
        env={**study.environment(env), "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    found = b""
    while piece := _read(ours):
        found += piece
    os.close(ours)
    return process.wait(), found.decode("utf-8", "replace")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux: the other end is closed
        return b""


def test_what_is_to_run_anew_is_asked_about(cluster: Cluster, study: Callable[..., Study], store: Store) -> None:
    thin = study()
    assert thin.xtl("submit", "grid.yaml", "--yes").status == 0
    plan = make_plan(load_grid(thin.folder / "grid.yaml", None, None))
    fetch = next(key for key, stage in plan.stages.items() if stage.kind == "fetch")
    made.finish(cluster, plan, store, fetch, "Complete")
    before = made.uids(cluster)
    status, shown = on_terminal(thin, "n\n", "submit", "grid.yaml")
    assert (status, "1 Jobs to create" in shown, "Submit?" in shown) == (1, True, True), shown
    assert made.uids(cluster) == before


def test_a_no_submits_nothing(cluster: Cluster, study: Callable[..., Study], store: Store) -> None:
    status, shown = on_terminal(study(), "n\n", "submit", "grid.yaml")
    assert status == 1, shown
    assert "GPU hours" in shown
    assert "Submit? [y/N]" in shown
    assert cluster.list(JOBS) == []
    assert list(store.list("")) == []


def test_a_no_cancels_nothing_and_a_yes_does(cluster: Cluster, study: Callable[..., Study]) -> None:
    thin = study()
    assert on_terminal(thin, "y\n", "submit", "grid.yaml")[0] == 0
    assert on_terminal(thin, "n\n", "cancel", "grid.yaml")[0] == 1
    assert len(cluster.list(JOBS)) == 4
    status, shown = on_terminal(thin, "y\n", "cancel", "grid.yaml")
    assert status == 0, shown
    assert "4 Jobs removed." in shown
    assert cluster.list(JOBS) == []


def test_many_jobs_have_a_bar_and_never_more_than_ten_requests_at_once(
    cluster: Cluster, study: Callable[..., Study], kubeconfig: Path, tmp_path: Path
) -> None:
    with Proxy(kubeconfig) as proxy:
        there = str(kubeconfigs.at(proxy.url, tmp_path / "k"))
        status, shown = on_terminal(study(MANY), "", "submit", "grid.yaml", "--yes", KUBECONFIG=there)
    assert status == 0, shown
    assert "Jobs: 36 created, 0 found" in shown
    assert "━" in shown
    assert "36/36" in shown
    assert 1 < proxy.most <= IN_FLIGHT
