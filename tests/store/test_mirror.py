"""The local copy of a data prefix: whole at first, then only what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from xtl.errors import UserError
from xtl.store import Store
from xtl.store.mirror import mirror

FILES = {"xnli/xnli.test.tsv": b"a\tb\n", "squad/train-v1.1.json": b"{}", "udpos/größe é.conllu": b"1\t_\n"}


def _tree(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".xtl-")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_copy_follows_the_prefix(store: Store, tmp_path: Path) -> None:
    for name, data in FILES.items():
        store.put(name, data)
    folder = mirror(store.url, tmp_path / "cache")
    assert _tree(folder) == FILES

    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert mirror(store.url, tmp_path / "cache") == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == times

    store.put("xnli/xnli.test.tsv", b"c\td\n")
    store.put("xnli/xnli.dev.tsv", b"e\n")
    store.delete("squad/train-v1.1.json")
    mirror(store.url, tmp_path / "cache")
    assert _tree(folder) == {
        "xnli/xnli.test.tsv": b"c\td\n",
        "xnli/xnli.dev.tsv": b"e\n",
        "udpos/größe é.conllu": b"1\t_\n",
    }
    unchanged = folder / "udpos/größe é.conllu"
    assert unchanged.stat().st_mtime_ns == times[unchanged]


def test_a_copy_that_was_damaged_here_is_made_good(store: Store, tmp_path: Path) -> None:
    store.put("a", b"content")
    folder = mirror(store.url, tmp_path / "cache")
    (folder / "a").write_bytes(b"short")
    mirror(store.url, tmp_path / "cache")
    assert _tree(folder) == {"a": b"content"}
    (folder / ".xtl-mirror.json").write_text("not json")
    mirror(store.url, tmp_path / "cache")
    assert _tree(folder) == {"a": b"content"}


def test_nothing_there(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"nothing lies under {store.url}"):
        mirror(store.url, tmp_path / "cache")
