"""A store on a machine that is killed, full, read-only or small: nothing half-written shows, and the reason is said."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.s3server import S3Server
from xtl.errors import StoreError
from xtl.store import DirectoryStore, Store, open_store
from xtl.store.commit import manifests, read_manifest, verify

KEEP_COMMITTING = """
import sys
from pathlib import Path
from xtl.store import open_store
from xtl.store.commit import commit
store = open_store(sys.argv[1])
for number in range(10_000):
    store.put("progress/k.json", b"%06d" % number * 1000)
    print(number, flush=True)
    commit(store, f"{number:064}", "one", Path(sys.argv[2]), {})
"""


def test_a_writer_that_is_killed_leaves_nothing_half_written(store: Store, tmp_path: Path) -> None:
    """SIGKILL at twelve moments of uploads, puts and commits."""
    folder = tmp_path / "stage"
    folder.mkdir()
    data = os.urandom(9 << 20)
    (folder / "model.bin").write_bytes(data)
    for moment in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", KEEP_COMMITTING, store.url, str(folder)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.013 * moment)
            writer.send_signal(signal.SIGKILL)
        content = store.get("progress/k.json")[0]
        assert content == content[:6] * 1000
        for entry in store.list("stages/"):
            assert entry.size == len(data), f"{entry.name} is a part of a file"
        for key in manifests(store):
            assert verify(store, read_manifest(store, key), hashes=True) == []
            store.delete(f"manifests/{key}.json")
    for leftover in list(store.leftovers()):
        store.drop(leftover)
    assert list(store.leftovers()) == []
    assert all(
        hashlib.sha256(store.get(x.name)[0]).digest() == hashlib.sha256(data).digest() for x in store.list("stages/")
    )


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder, and no more rights in it than anyone has: root may write where nobody may."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        before = os.geteuid()
        if before == 0:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            os.seteuid(before)


def test_a_folder_one_may_not_write_to() -> None:
    with unprivileged() as folder:
        store = open_store(str(folder / "store"))
        store.put("manifests/k.json", b"{}")
        for each in (folder / "store", folder / "store" / "manifests"):
            each.chmod(0o555)
        (folder / "up").write_bytes(b"x")
        for act in (
            lambda: store.put("manifests/k.json", b"new"),
            lambda: store.put("manifests/new.json", b"new", create=True),
            lambda: store.upload(folder / "up", "stages/k/x"),
            lambda: store.delete("manifests/k.json"),
        ):
            with pytest.raises(StoreError, match=f"cannot (write|delete) {folder}/store.*permission denied: change"):
                act()
        assert store.get("manifests/k.json")[0] == b"{}"
        for each in (folder / "store", folder / "store" / "manifests"):
            each.chmod(0o777)


def test_a_file_where_the_store_should_be(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot write .*/store/manifests/k\.json: (File exists|a file stands where)"):
        open_store(str(tmp_path / "store")).put("manifests/k.json", b"{}")


def _mounted(mount: str, folder: Path, script: str) -> dict:
    """What `script` prints as JSON, run where `mount` is in force, in a name space of its own."""
    command = f'{mount} && exec "$0" -c "$1" "$2"'
    for unshare in (["unshare", "-m"], ["unshare", "-rm"]):
        try:
            probe = subprocess.run([*unshare, "sh", "-c", mount.replace("$2", str(folder))], capture_output=True)
        except FileNotFoundError:
            break
        if probe.returncode == 0:
            done = subprocess.run(
                [*unshare, "sh", "-c", command, sys.executable, script, str(folder)], capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)
    pytest.skip("NOT RUN: needs the right to mount a file system, in a name space of its own at least")


FULL = """
import json, os, sys
from pathlib import Path
from xtl.errors import StoreError
from xtl.store import open_store
from xtl.store.commit import commit, manifests
def told(act):
    try:
        act()
    except StoreError as error:
        return str(error)
disk, rest = Path(sys.argv[1]), Path(sys.argv[1] + "-rest")
store, other = open_store(str(disk)), open_store(str(rest / "store"))
(rest / "stage").mkdir(parents=True)
(rest / "stage" / "model.bin").write_bytes(b"x" * (2 << 20))
small = store.put("manifests/k.json", b"{}")
blob = other.upload(rest / "stage" / "model.bin", "model.bin")
said = {
    "put": told(lambda: store.put("manifests/k.json", b"x" * (2 << 20))),
    "upload": told(lambda: store.upload(rest / "stage" / "model.bin", "stages/k/model.bin")),
    "commit": told(lambda: commit(store, "k2", "one", rest / "stage", {})),
    "download": told(lambda: other.download(blob, disk / "down")),
}
names = [entry.name for entry in store.list("")]
files = sorted(path.name for path in disk.rglob("*") if path.is_file())
print(json.dumps({"said": said, "names": names, "files": files, "kept": store.get("manifests/k.json")[0].decode()}))
"""


def test_a_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    found = _mounted('mount -t tmpfs -o size=1m tmpfs "$2"', disk, FULL)
    assert set(found["said"]) == {"put", "upload", "commit", "download"}
    for said in found["said"].values():
        assert said.startswith(f"cannot write {disk}/")
        assert said.endswith("the disk is full: make room or choose another folder")
    assert found["names"] == ["manifests/k.json"]
    assert found["kept"] == "{}"
    assert [name for name in found["files"] if len(name) > 2] == ["k.json"], "no temporary file stays"


READ_ONLY = """
import json, sys
from xtl.errors import StoreError
from xtl.store import open_store
store = open_store(sys.argv[1])
try:
    store.put("manifests/k.json", b"new")
except StoreError as error:
    print(json.dumps({"said": str(error), "kept": store.get("manifests/k.json")[0].decode()}))
"""


def test_a_read_only_file_system(tmp_path: Path) -> None:
    open_store(str(tmp_path / "store")).put("manifests/k.json", b"{}")
    mount = 'mount --bind "$2" "$2" && mount -o remount,ro,bind "$2"'
    found = _mounted(mount, tmp_path / "store", READ_ONLY)
    assert "the file system is read-only: choose a folder that you may write to" in found["said"]
    assert found["kept"] == "{}"


MEMORY = """
import resource, sys
from pathlib import Path
from xtl.store import open_store
store, path = open_store(sys.argv[1]), Path(sys.argv[2])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
small = path.with_name("small"); small.write_bytes(b"x"); store.download(store.upload(small, "small"), small)
before = peak()
blob = store.upload(path, "stages/k/model.bin")
up = peak() - before
store.download(blob, path.with_name("down"))
print(up, peak() - before)
"""


@pytest.mark.slow
def test_memory_stays_bounded_however_large_the_file(store: Store, tmp_path: Path) -> None:
    with open(tmp_path / "model.bin", "wb") as file:
        for _ in range(300):
            file.write(os.urandom(1 << 20))
    command = [sys.executable, "-c", MEMORY, store.url, str(tmp_path / "model.bin")]
    up, both = map(int, subprocess.run(command, check=True, capture_output=True, timeout=300).stdout.split())
    assert (tmp_path / "down").stat().st_size == 300 << 20
    assert up < 150, f"{up} MB more after the upload"
    assert both < 150, f"{both} MB more after the download"


def test_a_folder_is_where_it_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert open_store("runs/../store").url == str(tmp_path / "store")
    assert open_store("~/store").url == str(tmp_path / "home" / "store")
    assert isinstance(open_store("/a/b"), DirectoryStore)
    assert list(open_store("nowhere").list("")) == []
    assert not (tmp_path / "nowhere").exists(), "looking makes nothing"


def test_deletion_leaves_no_empty_folders(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    store.put("stages/k/attempts/a/deep/x", b"")
    store.delete("stages/k/attempts/a/deep/x")
    assert not (tmp_path / "store" / "stages").exists()
    assert (tmp_path / "store").is_dir()


def test_a_server_that_lists_what_killed_uploads_left(s3: S3Server) -> None:
    url = s3.fresh_url()
    bucket, prefix = url.removeprefix("s3://").split("/", 1)
    upload = s3.client().create_multipart_upload(Bucket=bucket, Key=f"{prefix}/stages/k/model.bin")["UploadId"]
    s3.client().upload_part(
        Bucket=bucket, Key=f"{prefix}/stages/k/model.bin", UploadId=upload, PartNumber=1, Body=b"x" * (5 << 20)
    )
    store = open_store(url)
    assert list(store.list("")) == []
    (left,) = store.leftovers()
    assert left.name == "stages/k/model.bin"
    store.drop(left)
    store.drop(left)
    assert list(store.leftovers()) == []
