"""Files that stages share on a node: fetched once, whoever asks, and never worth a failure."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.s3server import S3Server
from tests.store.wire import Wire
from xtl.errors import Corrupt, NotFound, StoreError
from xtl.store import cache as caches
from xtl.store import open_store
from xtl.store.base import Blob
from xtl.store.cache import Cache
from xtl.store.commit import commit, pull

TEXT = b"weights " * 1000


class Remote:
    """A store's `download` that counts; `slow` seconds each."""

    def __init__(self, text: bytes = TEXT, slow: float = 0.0) -> None:
        self.text, self.slow, self.calls = text, slow, 0
        self.blob = Blob(name="m/large", size=len(text), sha256=hashlib.sha256(text).hexdigest())

    def __call__(self, blob: Blob, path: Path) -> None:
        self.calls += 1
        time.sleep(self.slow)
        path.write_bytes(self.text)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    made = Cache(tmp_path / "cache", 10**9)
    yield made
    made.close()


def entry(cache: Cache, remote: Remote) -> Path:
    return cache.folder / remote.blob.sha256[:2] / remote.blob.sha256


def test_the_second_asks_nobody(cache: Cache, tmp_path: Path) -> None:
    remote = Remote()
    for name in ("a/one", "b/two"):
        cache.take(remote.blob, tmp_path / name, remote)
        assert (tmp_path / name).read_bytes() == TEXT
    assert remote.calls == 1
    assert (tmp_path / "b/two").resolve() == entry(cache, remote)


def test_a_damaged_file_is_fetched_again(cache: Cache, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    remote = Remote()
    cache.take(remote.blob, tmp_path / "one", remote)
    entry(cache, remote).write_bytes(TEXT[:-1] + b"x")
    with caplog.at_level(logging.WARNING):
        cache.take(remote.blob, tmp_path / "two", remote)
    assert (tmp_path / "two").read_bytes() == TEXT
    assert remote.calls == 2
    assert "damaged file in the cache is fetched again" in caplog.text


def take(folder: Path, target: Path, counter: Path, slow: float) -> None:
    remote = Remote(slow=slow)
    Cache(folder, 10**9).take(remote.blob, target, remote)
    assert target.read_bytes() == TEXT
    (counter / f"{os.getpid()}").write_text(str(remote.calls))


def test_of_many_processes_one_fetches_and_the_others_wait(tmp_path: Path) -> None:
    counter = tmp_path / "calls"
    counter.mkdir()
    spawn = multiprocessing.get_context("spawn")
    asked = [(tmp_path / "cache", tmp_path / f"{number}", counter, 1.0) for number in range(4)]
    others = [spawn.Process(target=take, args=one) for one in asked]
    for one in others:
        one.start()
    for one in others:
        one.join(60)
        assert one.exitcode == 0
    assert sorted(path.read_text() for path in counter.iterdir()) == ["0", "0", "0", "1"]


def hang(folder: Path, ready: Path) -> None:
    def download(blob: Blob, path: Path) -> None:
        ready.write_text("now")
        time.sleep(600)

    Cache(folder, 10**9).take(Remote().blob, folder / "never", download)


def test_who_is_killed_while_it_fetches_holds_up_nobody(cache: Cache, tmp_path: Path) -> None:
    other = multiprocessing.get_context("spawn").Process(target=hang, args=(cache.folder, tmp_path / "ready"))
    other.start()
    while not (tmp_path / "ready").exists():
        time.sleep(0.02)
    other.kill()
    other.join()
    remote = Remote()
    cache.take(remote.blob, tmp_path / "one", remote)
    assert (tmp_path / "one").read_bytes() == TEXT


def test_what_was_used_longest_ago_goes_but_never_what_is_in_use(tmp_path: Path) -> None:
    remotes = [Remote(text * 1000) for text in (b"a", b"b", b"c", b"d")]
    first, second = Cache(tmp_path / "cache", 3000), Cache(tmp_path / "cache", 3000)
    for number, remote in enumerate(remotes[:3]):
        first.take(remote.blob, tmp_path / f"{number}", remote)
        os.utime(entry(first, remote), (number, number))
    first._held.pop(1).close()  # whoever used the second has ended
    second.take(remotes[3].blob, tmp_path / "3", remotes[3])
    assert [entry(first, remote).exists() for remote in remotes] == [True, False, True, True]
    assert (tmp_path / "0").read_bytes() == b"a" * 1000
    third = Remote(b"e" * 1000)
    second.take(third.blob, tmp_path / "4", third)  # all that is left is in use
    assert (tmp_path / "4").read_bytes() == third.text
    assert not (tmp_path / "4").is_symlink()
    first.close()
    second.close()


def test_a_volume_is_never_filled(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 5_100, "total": 100_000})
    monkeypatch.setattr(caches.shutil, "disk_usage", lambda folder: usage)
    remote = Remote()
    cache.take(remote.blob, tmp_path / "one", remote)
    assert (tmp_path / "one").read_bytes() == TEXT
    assert not entry(cache, remote).exists()


def test_a_folder_that_takes_nothing_costs_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("no folder")
    remote = Remote()
    with caplog.at_level(logging.WARNING):
        Cache(tmp_path / "cache", 10**9).take(remote.blob, tmp_path / "one", remote)
    assert (tmp_path / "one").read_bytes() == TEXT
    assert "m/large is fetched without the cache" in caplog.text


@pytest.mark.parametrize("error", [NotFound("gone"), Corrupt("altered"), StoreError("away")])
def test_what_the_store_says_is_said(error: Exception, cache: Cache, tmp_path: Path) -> None:
    calls = []

    def download(blob: Blob, path: Path) -> None:
        calls.append(path)
        raise error

    with pytest.raises(type(error), match=str(error)):
        cache.take(Remote().blob, tmp_path / "one", download)
    assert len(calls) == (2 if type(error) is StoreError else 1)


def test_leftovers_of_killed_downloads_go(cache: Cache, tmp_path: Path) -> None:
    remote = Remote()
    old = cache.folder / "ab" / ".xtl-0011"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"half")
    cache.take(remote.blob, tmp_path / "one", remote)
    assert old.exists(), "it may be someone's"
    os.utime(old, (1, 1))
    other = Remote(b"other")
    cache.take(other.blob, tmp_path / "two", other)
    assert not old.exists()


@pytest.mark.parametrize(("said", "limit"), [(None, 100e9), ("2.5", 2.5e9), ("much", 100e9)])
def test_the_environment_names_it(said: str | None, limit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XTL_CACHE", raising=False)
    assert Cache.from_environment() is None
    monkeypatch.setenv("XTL_CACHE", "/cache/stages")
    if said is not None:
        monkeypatch.setenv("XTL_CACHE_GB", said)
    found: Any = Cache.from_environment()
    assert (found.folder, found.limit) == (Path("/cache/stages"), limit)


def test_a_cache_that_was_wiped_is_filled_again(cache: Cache, tmp_path: Path) -> None:
    """The cache may be wiped between stages: what a stage then asks for is fetched."""
    remote = Remote()
    cache.take(remote.blob, tmp_path / "one", remote)
    shutil.rmtree(cache.folder)
    cache.take(remote.blob, tmp_path / "one", remote)
    assert (tmp_path / "one").read_bytes() == TEXT
    assert remote.calls == 2


def test_a_nodes_second_stage_moves_no_file_over_the_network(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage/model.safetensors").write_bytes(os.urandom(3_000_000))
    with Wire(s3.endpoint) as wire:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", wire.endpoint)
        store = open_store(s3.fresh_url())
        manifest = commit(store, "ab" * 32, "one", tmp_path / "stage", {}).manifest
        moved = []
        for turn in ("first", "second"):
            mine, before = Cache(tmp_path / "node", 10**9), wire.received
            pull(store, manifest, tmp_path / turn, cache=mine)
            mine.close()
            moved.append(wire.received - before)
            assert (tmp_path / turn / "model.safetensors").stat().st_size == 3_000_000
        assert moved[0] > 3_000_000
        assert moved[1] == 0, "not even a question: the manifest is at hand"
