"""S3 when things go wrong on the way or with the account: tried again, then said plainly, never with a secret."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.s3server import BUCKET, S3Server
from tests.store.wire import Wire
from xtl.errors import Corrupt, StoreError, StoreRefused, UserError
from xtl.store import Blob, open_store
from xtl.store.commit import commit, manifests, verify
from xtl.store.s3 import S3Store
from xtl.store.s3errors import redact

KEY = "12" * 32


@pytest.fixture
def wire(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with Wire(s3.endpoint) as wire:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", wire.endpoint)
        yield wire


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A stage of one file of three parts."""
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "model.bin").write_bytes(os.urandom(20_000_000))
    return tmp_path / "stage"


def test_a_store_that_dies_half_way_ends_in_an_error(wire: Wire, s3: S3Server, large: Path) -> None:
    url = s3.fresh_url()
    store = S3Store(url, attempts=3)
    wire.cut_after(12_000_000)
    begun = time.monotonic()
    with pytest.raises(StoreError, match=f"{wire.endpoint}: .*, tried again and again: check endpoint and network"):
        commit(store, KEY, "one", large, {})
    assert time.monotonic() - begun < 30
    assert not wire.whole
    wire.mend()
    assert list(store.list("")) == [], "nothing of it is to be seen"
    done = commit(store, KEY, "two", large, {})
    assert not done.already
    assert verify(store, done.manifest, hashes=True) == []


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_store_that_is_away_for_a_moment_is_not_noticed(wire: Wire, s3: S3Server, large: Path, way: str) -> None:
    store = S3Store(s3.fresh_url(), attempts=6)
    blob = store.upload(large / "model.bin", "stages/k/before")
    wire.cut_after(12_000_000)
    back = threading.Thread(target=_mend_soon, args=(wire,))
    back.start()
    if way == "up":
        assert store.upload(large / "model.bin", "stages/k/after").sha256 == blob.sha256
    else:
        store.download(blob, large / "down")
        assert (large / "down").read_bytes() == (large / "model.bin").read_bytes()
    back.join()


def _mend_soon(wire: Wire) -> None:
    while wire.whole:
        time.sleep(0.01)
    time.sleep(0.5)
    wire.mend()


def test_many_large_files_come_down_at_once(s3: S3Server, large: Path, tmp_path: Path) -> None:
    """Each of several parts, more files than threads: readers wait for each other only when one can go on."""
    store = open_store(s3.fresh_url())
    blob = store.upload(large / "model.bin", "stages/k/model.bin")
    broken = Blob(name=blob.name, size=blob.size, sha256="0" * 64)

    def load(number: int) -> bool:
        try:
            store.download(broken if number % 4 == 3 else blob, tmp_path / str(number))
        except Corrupt:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(load, range(12), timeout=120)) == [number % 4 != 3 for number in range(12)]
    store.check(blob)


@pytest.mark.slow
def test_a_store_that_is_killed_and_started_again(tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process itself, SIGKILL, in the middle of eight commits; then the same ones again."""
    with S3Server(tmp_path / "server") as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        store = S3Store(server.fresh_url(), attempts=3)
        keys = [f"{number:02}" * 32 for number in range(8)]

        def one(key: str) -> str:
            try:
                commit(store, key, "one", large, {})
            except StoreError as error:
                return str(error)
            return "committed"

        with ThreadPoolExecutor(4) as pool:
            outcomes = [pool.submit(one, key) for key in keys]
            while not outcomes[2].done():
                time.sleep(0.01)
            server.kill()
            texts = {key: outcome.result(timeout=120) for key, outcome in zip(keys, outcomes, strict=True)}
        failed = {key for key, text in texts.items() if text != "committed"}
        assert failed
        server.start()
        again = S3Store(store.url)
        assert manifests(again) >= set(keys) - failed
        for key in keys:
            assert verify(again, commit(again, key, "two", large, {}).manifest, hashes=True) == []


REFUSALS = {
    "the secret key does not belong to the access key": {"AWS_SECRET_ACCESS_KEY": "wrong-secret-0123456789"},
    "does not know this access key": {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"},
    "no credentials found": {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
    "half of the credentials is missing": {"AWS_SECRET_ACCESS_KEY": ""},
    "AWS_PROFILE names a profile": {"AWS_PROFILE": "nobody", "AWS_ACCESS_KEY_ID": ""},
    "Invalid endpoint": {"AWS_ENDPOINT_URL_S3": "not a url"},
}


@pytest.mark.parametrize("what", REFUSALS)
def test_wrong_settings_are_said_and_no_secret_is(
    s3: S3Server, large: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    for name, value in REFUSALS[what].items():
        monkeypatch.setenv(name, value)
    secrets = [os.environ["AWS_SECRET_ACCESS_KEY"], "AKIAIOSFODNN7EXAMPLE", s3.secret]
    url = s3.fresh_url()
    for act in (
        lambda: open_store(url).get("x"),
        lambda: open_store(url).put("x", b""),
        lambda: list(open_store(url).list("")),
        lambda: open_store(url).upload(large / "model.bin", "x"),
    ):
        with pytest.raises(StoreRefused, match=what) as caught:
            act()
        assert caught.value.status == 2
        assert url in str(caught.value)
        assert not [secret for secret in secrets if secret and secret in str(caught.value)]
        assert caught.value.__suppress_context__, "a traceback would print what the client said"


def test_no_such_bucket(s3: S3Server, large: Path) -> None:
    store = open_store("s3://nobody-made-this/x")
    for act in (
        lambda: store.get("x"),
        lambda: store.put("x", b"", create=True),
        lambda: list(store.list("")),
        lambda: store.upload(large / "model.bin", "x"),
    ):
        with pytest.raises(StoreRefused, match=f"s3://nobody-made-this/x at {s3.endpoint}: there is no such bucket"):
            act()


def test_an_endpoint_where_nobody_is(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://someone:hush@127.0.0.1:9")
    with pytest.raises(StoreError, match=r"http://\[\.\.\.\]127\.0\.0\.1:9: nobody answers") as caught:
        S3Store(s3.fresh_url(), attempts=2).get("x")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "  ", "gs://bucket/x", "http://host/bucket", "s3://", "s3://key:secret@bucket/x"])
def test_urls_that_are_no_store(url: str) -> None:
    with pytest.raises(UserError, match="is no store") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_what_people_open_from_a_bucket_says_what_it_is(s3: S3Server, tmp_path: Path) -> None:
    """Else a browser saves a page instead of showing it."""
    store, client = open_store(url := s3.fresh_url()), s3.client()
    (tmp_path / "log.txt").write_text("x")
    store.put("grids/a/report.html", b"<!doctype html>")
    store.upload(tmp_path / "log.txt", "grids/a/log.txt")
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    kinds = {name: client.head_object(Bucket=bucket, Key=f"{prefix}/grids/a/{name}")["ContentType"]
             for name in ("report.html", "log.txt")}  # fmt: skip
    assert kinds == {"report.html": "text/html; charset=utf-8", "log.txt": "text/plain; charset=utf-8"}


def test_a_prefix_keeps_stores_apart(s3: S3Server) -> None:
    inner, outer = open_store(f"s3://{BUCKET}/apart/inner/"), open_store(f"s3://{BUCKET}/apart")
    inner.put("manifests/k.json", b"{}")
    assert [entry.name for entry in outer.list("")] == ["inner/manifests/k.json"]
    assert list(outer.list("manifests/")) == []
    s3.client().put_object(Bucket=BUCKET, Key="apart/folder/", Body=b"")
    assert [entry.name for entry in outer.list("")] == ["inner/manifests/k.json"]


def test_redacted() -> None:
    text = "Could not connect to http://me:pw@host:1/b/k?X-Amz-Signature=abc&X=1 with AKIAIOSFODNN7EXAMPLE"
    assert redact(text) == "Could not connect to http://[...]host:1/b/k[...] with [...]"
