"""Claims: one holder at a time, freed by release, by death and by silence; the holder that lost it is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tests.s3server import S3Server
from xtl.store import Store, open_store
from xtl.store.claims import Claim, Claims
from xtl.store.layout import claim_name

KEY = "ef" * 32


def _taken(claims: Claims, key: str = KEY) -> Claim:
    claim = claims.take(key)
    assert claim is not None
    return claim


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_holder_at_a_time(store: Store) -> None:
    ours, theirs = Claims(store), Claims(store)
    claim = ours.take(KEY)
    assert claim is not None
    assert theirs.take(KEY) is None
    assert ours.take(KEY) is None
    with _taken(theirs, "01" * 32):
        assert not claim.lost
    claim.release()
    claim.release()
    with _taken(theirs):
        assert ours.take(KEY) is None


def test_the_end_of_with_releases(store: Store) -> None:
    def work() -> None:
        with _taken(Claims(store)):
            assert store.head(claim_name(KEY)) is not None
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert list(store.list("")) == []


def test_of_sixteen_one_has_it(store: Store) -> None:
    barrier = Barrier(16)

    def take(_: int):
        barrier.wait()
        return Claims(store).take(KEY)

    with ThreadPoolExecutor(16) as pool:
        taken = [claim for claim in pool.map(take, range(16)) if claim is not None]
    assert len(taken) == 1
    taken[0].release()


def test_it_passes_from_hand_to_hand(store: Store) -> None:
    """Each of eight takes it ten times; never two at once."""
    holders: list[int] = []
    worst: list[int] = []

    def work(number: int) -> None:
        claims, done = Claims(store), 0
        deadline = time.monotonic() + 60
        while done < 5 and time.monotonic() < deadline:
            if claim := claims.take(KEY):
                holders.append(number)
                worst.append(len(holders))
                holders.remove(number)
                claim.release()
                done += 1
            else:
                time.sleep(0.01)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(worst) == 20
    assert set(worst) == {1}


HOLD = """
import sys, time
from xtl.store import open_store
from xtl.store.claims import Claims
claim = Claims(open_store(sys.argv[1])).take(sys.argv[2])
print(claim is not None, flush=True)
time.sleep(60)
"""


def _holder(store: Store) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, store.url, KEY], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"True\n"
    return process


def test_a_killed_holder_frees_it_at_once(store: Store) -> None:
    with _holder(store) as process:
        claims = Claims(store)
        assert claims.take(KEY) is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        claim = claims.take(KEY)
        assert claim is not None
        claim.release()


def test_a_silent_holder_loses_it_after_a_minute(s3: S3Server) -> None:
    store, clock = open_store(s3.fresh_url()), Clock()
    hung = _taken(Claims(store, renew_seconds=3600))
    other = Claims(store, clock=clock)
    assert other.take(KEY) is None
    clock.now = 59
    assert other.take(KEY) is None
    clock.now = 61
    taken = _taken(other)
    assert not taken.lost

    hung.release()
    assert hung.lost
    assert store.head(claim_name(KEY)) is not None, "the new holder's claim stands"
    taken.release()
    assert store.head(claim_name(KEY)) is None


def test_a_holder_that_renews_keeps_it(s3: S3Server) -> None:
    store, clock = open_store(s3.fresh_url()), Clock()
    claim = _taken(Claims(store, renew_seconds=0.05))
    other = Claims(store, clock=clock)
    for minute in range(3):
        clock.now = 61.0 * minute
        assert other.take(KEY) is None
        before = store.head(claim_name(KEY))
        deadline = time.monotonic() + 10
        while store.head(claim_name(KEY)) == before and time.monotonic() < deadline:
            time.sleep(0.02)
    assert not claim.lost
    claim.release()


def test_the_loser_is_told_while_it_works(s3: S3Server) -> None:
    store = open_store(s3.fresh_url())
    claim = _taken(Claims(store, renew_seconds=0.1))
    store.put(claim_name(KEY), b'{"host": "elsewhere"}')
    deadline = time.monotonic() + 10
    while not claim.lost and time.monotonic() < deadline:
        time.sleep(0.02)
    assert claim.lost
    claim.release()
    assert store.get(claim_name(KEY))[0] == b'{"host": "elsewhere"}'


def test_a_folder_taken_away_is_noticed(tmp_path: Path) -> None:
    claim = _taken(Claims(open_store(str(tmp_path / "store"))))
    os.rename(tmp_path / "store", tmp_path / "elsewhere")
    assert claim.lost
    claim.release()


def test_a_child_keeps_what_it_inherits(tmp_path: Path) -> None:
    """A stage process that outlives its `xtl run` still has the claim."""
    url = str(tmp_path / "store")
    parent = f"""
import subprocess, sys
from xtl.store import open_store
from xtl.store.claims import Claims
claim = Claims(open_store({url!r})).take({KEY!r})
child = subprocess.Popen(["sleep", "60"], pass_fds=claim.inherit, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
        claims = Claims(open_store(url))
        try:
            assert claims.take(KEY) is None
        finally:
            os.kill(child, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while (claim := claims.take(KEY)) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert claim is not None
    claim.release()
