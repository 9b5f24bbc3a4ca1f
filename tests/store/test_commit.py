"""The commit protocol: blobs first, manifest last, one winner, damage found and named, on both stores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from xtl.errors import Corrupt, NotFound, StoreError
from xtl.store import Blob, Store, open_store
from xtl.store.commit import commit, discard, get_json, manifests, missized, pull, put_json, read_manifest, verify
from xtl.store.layout import failed_name, manifest_name, progress_name

KEY = "ab" * 32
MODEL = f"stages/{KEY}/attempts/one/model.bin"


def test_a_committed_stage_is_read_back(store: Store, folder: Path, tmp_path: Path) -> None:
    done = commit(store, KEY, "one", folder, {"kind": "fetch", "metrics": {"loss": 0.5}})
    assert not done.already
    manifest = read_manifest(store, KEY)
    assert manifest == done.manifest
    assert (manifest["key"], manifest["attempt"], manifest["metrics"]) == (KEY, "one", {"loss": 0.5})
    assert manifests(store) == {KEY}
    assert verify(store, manifest, hashes=True) == verify(store, manifest, hashes=False) == []
    out = pull(store, manifest, tmp_path / "out")
    assert _tree(out) == _tree(folder)
    assert len(_tree(out)) == 3


def test_pull_of_some_files(store: Store, folder: Path, tmp_path: Path) -> None:
    manifest = commit(store, KEY, "one", folder, {}).manifest
    assert list(_tree(pull(store, manifest, tmp_path / "some", ["empty.txt"]))) == ["empty.txt"]
    with pytest.raises(NotFound, match=r"abababababab has no file 'weights'; it has empty\.txt, .*model\.bin"):
        pull(store, manifest, tmp_path / "more", ["weights"])


def test_a_second_attempt_finds_it_done(store: Store, folder: Path) -> None:
    first = commit(store, KEY, "one", folder, {"n": 1})
    second = commit(store, KEY, "two", folder, {"n": 2})
    assert second.already
    assert second.manifest == first.manifest == read_manifest(store, KEY)


def test_an_attempt_that_commits_twice_has_won(store: Store, folder: Path) -> None:
    """As when the answer to the first put was lost on the way."""
    first = commit(store, KEY, "one", folder, {})
    again = commit(store, KEY, "one", folder, {})
    assert not again.already
    assert again.manifest == first.manifest


def test_of_sixteen_attempts_one_commits(store: Store, folder: Path) -> None:
    barrier = Barrier(16)

    def attempt(number: int):
        barrier.wait()
        return commit(store, KEY, f"attempt-{number}", folder, {"number": number})

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(attempt, range(16)))
    winners = [result for result in results if not result.already]
    assert len(winners) == 1
    assert all(result.manifest == winners[0].manifest for result in results)
    assert read_manifest(store, KEY) == winners[0].manifest
    assert verify(store, winners[0].manifest, hashes=True) == []


RACE = """
import os, sys
from pathlib import Path
from xtl.store import open_store
from xtl.store.commit import commit
url, key, folder = sys.argv[1:]
start, children = os.pipe(), []
for number in range(16):
    if not (child := os.fork()):
        os.close(start[1])
        os.read(start[0], 1)  # until the parent closes its end: all at once
        os._exit(commit(open_store(url), key, f"attempt-{number}", Path(folder), {}).already)
    children.append(child)
os.close(start[1])
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_of_sixteen_processes_one_commits(tmp_path: Path) -> None:
    folder = tmp_path / "stage"
    folder.mkdir()
    (folder / "a").write_bytes(b"a" * 1000)
    url = str(tmp_path / "store")
    command = [sys.executable, "-c", RACE, url, KEY, str(folder)]
    already = json.loads(subprocess.run(command, check=True, timeout=60, capture_output=True).stdout)
    assert sorted(already) == [0] + [1] * 15
    assert read_manifest(open_store(url), KEY)["attempt"] == f"attempt-{already.index(0)}"


def _damage(store: Store, how: str) -> str:
    data = store.get(MODEL)[0]
    if how == "missing":
        store.delete(MODEL)
        return "model.bin is missing"
    if how == "truncated":
        store.put(MODEL, data[:-1])
        return f"model.bin holds {len(data) - 1} bytes, not {len(data)}"
    store.put(MODEL, data[:-1] + bytes([data[-1] ^ 1]))
    return "model.bin was altered"


@pytest.mark.parametrize("how", ["missing", "truncated", "altered"])
def test_damage_is_found_named_and_made_good(store: Store, folder: Path, tmp_path: Path, how: str) -> None:
    manifest = commit(store, KEY, "one", folder, {}).manifest
    what = _damage(store, how)
    (problem,) = verify(store, manifest, hashes=True)
    assert what in problem
    assert verify(store, manifest, hashes=False) == ([] if how == "altered" else [problem])
    with pytest.raises((Corrupt, NotFound), match=r"model\.bin .*stage abababababab counts as not done: `xtl run`"):
        pull(store, manifest, tmp_path / "out")
    assert not (tmp_path / "out" / "model.bin").exists()

    repaired = commit(store, KEY, "two", folder, {})
    assert not repaired.already
    assert read_manifest(store, KEY)["attempt"] == "two"
    assert _tree(pull(store, repaired.manifest, tmp_path / "out")) == _tree(folder)


def test_discard_takes_only_what_is_broken(store: Store, folder: Path) -> None:
    commit(store, KEY, "one", folder, {})
    assert not discard(store, KEY)
    assert manifests(store) == {KEY}
    _damage(store, "altered")
    assert discard(store, KEY)
    assert manifests(store) == set()
    assert read_manifest(store, KEY) is None
    assert not discard(store, KEY)


def test_discard_leaves_a_manifest_that_came_while_it_looked(store: Store, folder: Path, monkeypatch) -> None:
    """Two children find one parent broken: the slower must not remove what the parent's rerun has committed."""
    commit(store, KEY, "one", folder, {})
    _damage(store, "altered")
    check = store.check

    def slowly(blob: Blob) -> None:
        monkeypatch.undo()
        store.delete(manifest_name(KEY))
        commit(store, KEY, "two", folder, {})
        check(blob)

    monkeypatch.setattr(store, "check", slowly)
    assert not discard(store, KEY)
    assert read_manifest(store, KEY)["attempt"] == "two"


def test_sizes_by_a_listing_are_those_by_asking(store: Store, folder: Path) -> None:
    manifest = commit(store, KEY, "one", folder, {}).manifest
    names = [entry["name"] for entry in manifest["files"].values()]

    def listed() -> list[str]:
        return missized(manifest, {entry.name: entry.size for entry in store.list("stages/")})

    assert listed() == verify(store, manifest, hashes=False) == []
    store.delete(names[0])
    store.put(names[1], b"of another size")
    assert len(listed()) == 2
    assert listed() == verify(store, manifest, hashes=False)


@pytest.mark.parametrize(
    "data", [b"", b'{"key": "ab', b"[]", b'{"files": {"../../etc/passwd": {"name": "a", "size": 1, "sha256": ""}}}']
)
def test_what_is_no_manifest_is_said_and_replaced(store: Store, folder: Path, data: bytes) -> None:
    store.put(manifest_name(KEY), data)
    with pytest.raises(Corrupt, match=r"is no manifest: delete it"):
        read_manifest(store, KEY)
    assert not commit(store, KEY, "one", folder, {}).already
    assert read_manifest(store, KEY)["attempt"] == "one"


def test_nothing_is_committed_when_an_upload_fails(store: Store, folder: Path, monkeypatch) -> None:
    upload = store.upload

    def broken(path: Path, name: str):
        if name.endswith("model.bin"):
            raise StoreError("the store went away")
        return upload(path, name)

    monkeypatch.setattr(store, "upload", broken)
    with pytest.raises(StoreError, match="went away"):
        commit(store, KEY, "one", folder, {})
    assert manifests(store) == set()
    monkeypatch.undo()
    assert not commit(store, KEY, "one", folder, {}).already


def test_documents(store: Store) -> None:
    assert get_json(store, progress_name(KEY)) is None
    put_json(store, progress_name(KEY), {"step": 3, "text": "größe"})
    assert get_json(store, progress_name(KEY)) == {"step": 3, "text": "größe"}
    store.put(failed_name(KEY), b"half a docu")
    with pytest.raises(Corrupt, match=rf"failed/{KEY}\.json is not a JSON object"):
        get_json(store, failed_name(KEY))
    with pytest.raises(ValueError, match="JSON"):
        put_json(store, progress_name(KEY), {"loss": float("nan")})


def test_a_manifest_is_readable_and_stable(store: Store, folder: Path) -> None:
    manifest = commit(store, KEY, "one", folder, {"b": 1, "a": "ü"}).manifest
    data = store.get(manifest_name(KEY))[0]
    assert data.decode().startswith("{\n")
    assert json.loads(data) == manifest
    assert list(json.loads(data)) == sorted(manifest)
    assert os.fsencode(store.url) not in data


def _tree(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
