"""What every store promises: one suite, run on a folder and on a real S3 server over HTTP."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.s3server import S3Server
from xtl.errors import Conflict, Corrupt, NotFound, StoreError
from xtl.store import Blob, Store, open_store

RACERS = 16


def race(work) -> list[object]:
    """`work(i)` by sixteen threads at once; results or exceptions, by i."""
    barrier = Barrier(RACERS)

    def run(number: int) -> object:
        barrier.wait()
        try:
            return work(number)
        except Conflict as error:
            return error

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(run, range(RACERS)))


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment between a folder store's looking and doing, as a loaded machine has: races that could be are lost."""
    for name in ("link", "replace"):
        act = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *paths, act=act: (time.sleep(0.01), act(*paths)))


def test_what_is_put_is_got(store: Store) -> None:
    etag = store.put("manifests/a b+c%2F é中.json", b'{"a": 1}')
    assert store.get("manifests/a b+c%2F é中.json") == (b'{"a": 1}', etag)


def test_a_missing_object(store: Store) -> None:
    with pytest.raises(NotFound, match=r"nothing\.json"):
        store.get("manifests/nothing.json")
    assert store.head("manifests/nothing.json") is None
    assert list(store.list("manifests/")) == []
    store.delete("manifests/nothing.json")


def test_create_never_overwrites(store: Store) -> None:
    first = store.put("claims/k.json", b"first", create=True)
    with pytest.raises(Conflict, match=r"claims/k\.json"):
        store.put("claims/k.json", b"second", create=True)
    assert store.get("claims/k.json") == (b"first", first)


def test_create_after_delete(store: Store) -> None:
    store.put("k", b"first", create=True)
    store.delete("k")
    store.put("k", b"second", create=True)
    assert store.get("k")[0] == b"second"


def test_replace_needs_the_etag_that_is_there(store: Store) -> None:
    old = store.put("k", b"one")
    new = store.put("k", b"two", replace=old)
    assert new != old
    with pytest.raises(Conflict):
        store.put("k", b"three", replace=old)
    assert store.get("k") == (b"two", new)


def test_replace_of_nothing_is_a_conflict(store: Store) -> None:
    etag = store.put("k", b"one")
    store.delete("k")
    with pytest.raises(Conflict):
        store.put("k", b"two", replace=etag)
    assert store.head("k") is None


def test_one_etag_by_every_way(store: Store) -> None:
    etag = store.put("claims/k.json", b"content")
    before = time.time()
    head = store.head("claims/k.json")
    assert head is not None
    assert (head.name, head.size, head.etag) == ("claims/k.json", 7, etag)
    assert list(store.list("claims/")) == [head]
    assert abs(head.modified - before) < 30


def test_of_sixteen_creators_one_wins(store: Store, wide: None) -> None:
    results = race(lambda number: store.put("manifests/k.json", b"%d" % number, create=True))
    winners = [number for number, result in enumerate(results) if isinstance(result, str)]
    assert len(winners) == 1
    assert store.get("manifests/k.json") == (b"%d" % winners[0], results[winners[0]])


def test_of_sixteen_replacers_one_wins(store: Store, wide: None) -> None:
    etag = store.put("claims/k.json", b"old")
    results = race(lambda number: store.put("claims/k.json", b"%d" % number, replace=etag))
    winners = [number for number, result in enumerate(results) if isinstance(result, str)]
    assert len(winners) == 1
    assert store.get("claims/k.json")[0] == b"%d" % winners[0]


def test_a_reader_sees_one_write_or_another(store: Store) -> None:
    """Never a mixture, never a part: a reader in the midst of writers."""
    contents = [bytes([number]) * 50_000 for number in range(RACERS)]
    store.put("progress/k.json", contents[0])

    def work(number: int) -> object:
        if number % 4 == 0:
            return [store.get("progress/k.json")[0] for _ in range(10)]
        return [store.put("progress/k.json", contents[number]) for _ in range(3)]

    seen = [data for result in race(work)[::4] for data in result]  # type: ignore[attr-defined]
    assert len(seen) == 40
    assert set(seen) <= set(contents)


def test_list_is_by_prefix_and_sorted(store: Store) -> None:
    names = ["grids/a", "stages/k/a.b/x", "stages/k/a/x", "stages/k/a0", "stages/k2/é", "stages/k2/中", "zz"]
    for name in names:
        store.put(name, name.encode())
    assert [entry.name for entry in store.list("")] == names
    assert [entry.name for entry in store.list("stages/k/")] == names[1:4]
    assert [entry.name for entry in store.list("stages/k")] == names[1:6]
    assert [entry.name for entry in store.list("stages/k/a/")] == ["stages/k/a/x"]
    assert list(store.list("stages/none")) == []


def test_list_goes_on_behind_the_first_page(store: Store) -> None:
    names = [f"manifests/{number:04}.json" for number in range(1_010)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: store.put(name, b"{}"), names))
    assert [entry.name for entry in store.list("manifests/")] == names


@pytest.mark.parametrize("size", [0, 1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 20_000_003])
def test_a_file_goes_up_and_comes_down(store: Store, tmp_path: Path, size: int) -> None:
    """The sizes stand around S3's multipart parts."""
    data = os.urandom(size)
    (tmp_path / "up").write_bytes(data)
    blob = store.upload(tmp_path / "up", "stages/k/attempts/a/model.bin")
    assert blob == Blob(name="stages/k/attempts/a/model.bin", size=size, sha256=hashlib.sha256(data).hexdigest())
    store.check(blob)
    store.download(blob, tmp_path / "deep" / "er" / "down")
    assert (tmp_path / "deep" / "er" / "down").read_bytes() == data


@pytest.mark.parametrize("size", [100, 10_000_000])
def test_a_damaged_file_never_appears(store: Store, tmp_path: Path, size: int) -> None:
    (tmp_path / "up").write_bytes(b"a" * size)
    blob = store.upload(tmp_path / "up", "stages/k/attempts/a/model.bin")
    (tmp_path / "down").write_bytes(b"what was there before")

    store.put(blob.name, b"a" * (size - 1) + b"b")
    with pytest.raises(Corrupt, match=r"model\.bin was altered"):
        store.download(blob, tmp_path / "down")
    with pytest.raises(Corrupt, match=r"model\.bin was altered"):
        store.check(blob)
    store.put(blob.name, b"a" * (size - 1))
    with pytest.raises(Corrupt, match=rf"model\.bin holds {size - 1} bytes, not {size}"):
        store.download(blob, tmp_path / "down")
    store.delete(blob.name)
    with pytest.raises(NotFound, match=r"model\.bin"):
        store.download(blob, tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == b"what was there before"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "store") == ["down", "up"]


def test_a_file_that_is_not_there(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        store.upload(tmp_path / "nowhere", "stages/k/x")


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a/", "a\nb", "a\\b", "a/.xtl-x", "é" * 600]
)
def test_names_that_no_store_takes(store: Store, tmp_path: Path, name: str) -> None:
    (tmp_path / "up").write_bytes(b"x")
    for act in (
        lambda: store.get(name),
        lambda: store.head(name),
        lambda: store.put(name, b""),
        lambda: store.delete(name),
        lambda: store.upload(tmp_path / "up", name),
        lambda: store.download(Blob(name=name, size=1, sha256=""), tmp_path / "down"),
    ):
        with pytest.raises(StoreError, match="cannot name an object"):
            act()


NAMES = st.sampled_from(["a", "b/c", "b/d", "b2", "é/x y"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "create", "replace", "stale", "delete", "upload"]), NAMES, st.binary(max_size=40)
    ),
    max_size=12,
)


@pytest.mark.parametrize("kind", ["folder", "s3"])
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_sequence_is_as_a_dictionary(kind: str, request: pytest.FixtureRequest, steps: list) -> None:
    """Hypothesis against the simplest model there is: names to bytes, with each name's last ETag."""
    with tempfile.TemporaryDirectory() as scratch:
        url = f"{scratch}/store"
        if kind == "s3":
            server: S3Server = request.getfixturevalue("s3")
            url = server.fresh_url()
        _play(open_store(url), steps, Path(scratch))


def _play(store: Store, steps: list, scratch: Path) -> None:
    model: dict[str, tuple[bytes, str]] = {}
    for action, name, data in steps:
        there = model.get(name)
        if action == "delete":
            store.delete(name)
            model.pop(name, None)
        elif action == "upload":
            (scratch / "file").write_bytes(data)
            store.upload(scratch / "file", name)
            model[name] = data, store.get(name)[1]
        else:
            condition: dict = {
                "put": {},
                "create": {"create": True},
                "replace": {"replace": there[1] if there else "0" * 32},
                "stale": {"replace": "0" * 32},
            }[action]
            allowed = {"put": True, "create": there is None, "replace": there is not None, "stale": False}[action]
            if allowed:
                model[name] = data, store.put(name, data, **condition)
            else:
                with pytest.raises(Conflict):
                    store.put(name, data, **condition)
        assert {entry.name: (entry.size, entry.etag) for entry in store.list("")} == {
            each: (len(value), etag) for each, (value, etag) in model.items()
        }
    assert {name: store.get(name) for name in model} == model
