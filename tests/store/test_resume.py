"""Resume states: the newest that verifies is found, two are kept, none is left after the commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from xtl.store import Store
from xtl.store.layout import resumes_prefix
from xtl.store.resume import clear, latest, save

KEY = "cd" * 32


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def _save(store: Store, state: Path, step: int, attempt: str = "one-a") -> None:
    (state / "weights.bin").write_bytes(b"%d" % step * 1000)
    (state / "rng.json").write_text("{}")
    save(store, KEY, attempt, step, state)


def _kept(store: Store) -> list[str]:
    return sorted({entry.name[len(resumes_prefix(KEY)) :].split("/")[0] for entry in store.list(resumes_prefix(KEY))})


def test_nothing_saved(store: Store, tmp_path: Path) -> None:
    assert latest(store, KEY, tmp_path / "out") is None


def test_the_newest_is_found_and_two_are_kept(store: Store, state: Path, tmp_path: Path) -> None:
    for step in (5, 90, 100, 1000):
        _save(store, state, step)
    assert _kept(store) == ["one-a-100", "one-a-1000"]
    assert latest(store, KEY, tmp_path / "out") == (1000, tmp_path / "out")
    assert (tmp_path / "out" / "weights.bin").read_bytes() == b"1000" * 1000


@pytest.mark.parametrize("file", ["weights.bin", "manifest.json"])
@pytest.mark.parametrize("how", ["altered", "truncated", "missing"])
def test_a_damaged_state_is_passed_over(store: Store, state: Path, tmp_path: Path, file: str, how: str) -> None:
    _save(store, state, 1)
    _save(store, state, 2)
    name = f"{resumes_prefix(KEY)}one-a-2/{file}"
    data = store.get(name)[0]
    if how == "missing":
        store.delete(name)
    else:
        store.put(name, data[:-3] if how == "truncated" else b"x" + data[1:])
    assert latest(store, KEY, tmp_path / "out") == (1, tmp_path / "out")
    assert (tmp_path / "out" / "weights.bin").read_bytes() == b"1" * 1000
    unfinished = file == "manifest.json" and how == "missing"  # perhaps another attempt is at it
    assert _kept(store) == (["one-a-1", "one-a-2"] if unfinished else ["one-a-1"])


def test_another_attempts_unfinished_save_is_left_alone(store: Store, state: Path, tmp_path: Path) -> None:
    _save(store, state, 1)
    store.put(f"{resumes_prefix(KEY)}two-7/weights.bin", b"on its way")
    assert latest(store, KEY, tmp_path / "out") == (1, tmp_path / "out")
    _save(store, state, 2)
    assert "two-7" in _kept(store)


def test_clear_removes_everything_of_this_stage(store: Store, state: Path, tmp_path: Path) -> None:
    _save(store, state, 1)
    _save(store, state, 2, attempt="two")
    store.put(f"{resumes_prefix(KEY)}two-7/weights.bin", b"unfinished")
    store.put(f"stages/{KEY}/stage.json", b"{}")
    store.put(f"stages/{KEY}0/resume/a-1/x", b"another stage")
    clear(store, KEY)
    assert [entry.name for entry in store.list("")] == [f"stages/{KEY}/stage.json", f"stages/{KEY}0/resume/a-1/x"]
    assert latest(store, KEY, tmp_path / "out") is None


def test_a_state_may_not_hold_the_manifests_name(store: Store, state: Path) -> None:
    (state / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match=r"manifest\.json"):
        _save(store, state, 1)
    assert list(store.list("")) == []
