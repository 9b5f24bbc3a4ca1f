"""What the store tells of disruptions: attempts that left a log, states that were saved, and pods that are there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from xtl.cluster_states import Disruptions
from xtl.observe import _attempts
from xtl.store import layout, open_store

KEY = "ab" * 32


def pods(**phases: str) -> list[dict]:
    """By the attempts that they are."""
    return [{"metadata": {"uid": uid}, "status": {"phase": phase}} for uid, phase in phases.items()]


@pytest.mark.parametrize(
    ("written", "there", "count", "without_progress"),
    [
        ([], {}, 0, 0),
        (["log a"], {"a": "Running"}, 0, 0),
        (["log a"], {"a": "Failed"}, 0, 0),  # a failure, which the Job counts
        (["log a", "log b"], {"b": "Running"}, 1, 1),
        (["log a", "log b", "log c"], {}, 3, 3),
        (["log a", "state a", "log b"], {"b": "Running"}, 1, 0),
        (["log a", "state a", "log b", "log c", "log d"], {"d": "Running"}, 3, 2),
        (["log a", "state a", "log b", "state b", "log c"], {}, 3, 1),
        (["log a", "log b", "state b"], {"b": "Running"}, 1, 0),  # what runs has come further since
        (
            ["log a", "log b", "state b", "log c", "log d"],
            {"b": "Failed", "d": "Running"},
            2,
            1,
        ),  # a failure is none, its state is progress
        (["log a", "half a", "log b"], {"b": "Running"}, 1, 1),  # a state without its manifest is none
        (["state a", "log b", "log c"], {}, 2, 2),  # ended before its first line
    ],
)
def test_disruptions_and_how_many_brought_nothing(
    written: Sequence[str], there: dict[str, str], count: int, without_progress: int, tmp_path: Path
) -> None:
    store = open_store(str(tmp_path))
    for when, (what, attempt) in enumerate(line.split() for line in written):
        name = layout.log_name(KEY, attempt)
        if what != "log":
            name = f"{layout.resumes_prefix(KEY)}{attempt}-{when}/" + {"state": "manifest.json", "half": "w.bin"}[what]
        store.put(name, b"{}")
        os.utime(tmp_path / name, (1_000_000 + when, 1_000_000 + when))
    assert _attempts(store, KEY, pods(**there)) == Disruptions(count=count, without_progress=without_progress)


def test_a_log_that_grew_last_is_of_the_last_attempt(tmp_path: Path) -> None:
    """A log is written again as it grows: its time is its attempt's end. a ended before the state, b after it."""
    store = open_store(str(tmp_path))
    times = {layout.log_name(KEY, "b"): 3, layout.log_name(KEY, "a"): 1}
    for name, when in {**times, f"{layout.resumes_prefix(KEY)}a-7/manifest.json": 2}.items():
        store.put(name, b"{}")
        os.utime(tmp_path / name, (when, when))
    assert _attempts(store, KEY, []) == Disruptions(count=2, without_progress=1)
