"""Fetch units: which listings are in which, what their digest hangs on, and the cache of it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests import samples
from tests.published import find, write
from xtl.tasks import TASKS, source

_PAIRS = "id\tsentence1\tsentence2\tlabel\n1\ta\tb\t0\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "xtl" / "digests.json"


def _units(task: str, folder: Path, parts: list[str]) -> dict[str, list[tuple[str, str]]]:
    return {part: [(one.language, one.split) for one in source.unit_listings(task, part, folder)] for part in parts}


def test_a_unit_is_all_tests_and_own_english_or_one_languages_training_data(tmp_path: Path) -> None:
    for language in ("en", "de"):
        for name in ("train.tsv", "translated_train.tsv", "dev_2k.tsv", "test_2k.tsv"):
            write(tmp_path, f"paws-x/x-final/{language}/{name}", _PAIRS)
    assert _units("pawsx", tmp_path, ["", "de", "fr"]) == {
        "": [("de", "dev"), ("de", "test"), ("en", "train"), ("en", "dev"), ("en", "test")],
        "de": [("de", "train")],
        "fr": [],
    }


def test_borrowed_english_is_in_the_lenders_unit_and_a_translated_copy_in_its_own(tmp_path: Path) -> None:
    for name in ("train-v1.1.json", "dev-v1.1.json"):
        for folder in ("squad_v1.1", "translated/squad_v1/de"):
            write(
                tmp_path,
                f"{folder}/{name}",
                '{"data": [{"paragraphs": [{"context": "a", "qas": [{"question":"q"}]}]}]}',
            )
    assert _units("xquad", tmp_path, [""]) == {"": []}
    assert _units("squad_v1", tmp_path, ["", "de"]) == {
        "": [("en", "train"), ("en", "dev")],
        "de": [("de", "train"), ("de", "dev")],
    }


def test_a_language_without_rows_is_missing_to_a_study(tmp_path: Path) -> None:
    rows = "language\tgold_label\tpairID\tsentence1\tsentence2\nde\tneutral\t1\ta\tb\nsw\tneutral\t1\ta\tb\r\n"
    write(tmp_path, "xnli/XNLI-1.0/xnli.test.tsv", rows)
    assert _units("xnli", tmp_path, [""]) == {"": [("de", "test"), ("sw", "test")]}


def test_a_digest_hangs_on_bytes_and_names_alone(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder, "mlm/de.txt", "x\n")
        write(tmp_path / folder, "mlm/fr.txt", "y\n")

    def digest(folder: str) -> str:
        return source.unit_digest(TASKS["mlm"].listings(tmp_path / folder), tmp_path / folder)

    first = digest("a")
    assert digest("b") == first
    write(tmp_path / "b", "mlm/fr.txt", "z\n")
    assert digest("b") != first
    write(tmp_path / "b", "mlm/fr.txt", "y\n").rename(tmp_path / "b/mlm/ru.txt")
    assert digest("b") != first


def test_digests_are_cached_by_size_and_time(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "data/mlm/de.txt", "x\n")
    listings = TASKS["mlm"].listings(tmp_path / "data")
    first = source.unit_digest(listings, tmp_path / "data")
    assert not cache.exists()  # the file has just been written and may change again unseen
    monkeypatch.setattr(source, "_SETTLED_SECONDS", 0.0)
    assert source.unit_digest(listings, tmp_path / "data") == first
    assert source.count(listings[0]) == 1
    assert cache.is_file()
    reads = []
    monkeypatch.setattr(source, "_sha256", lambda path: reads.append(path) or "0" * 64)
    assert source.unit_digest(listings, tmp_path / "data") == first
    assert reads == []
    write(tmp_path, "data/mlm/de.txt", "z\n")
    source.unit_digest(listings, tmp_path / "data")
    assert reads == [tmp_path / "data/mlm/de.txt"]


def test_a_cache_that_cannot_be_used_costs_nothing_but_time(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_SETTLED_SECONDS", 0.0)
    cache.parent.mkdir(parents=True)
    cache.write_text("[1, 2")
    write(tmp_path, "data/mlm/de.txt", "x\n")
    listings = TASKS["mlm"].listings(tmp_path / "data")
    first = source.unit_digest(listings, tmp_path / "data")
    assert source.unit_digest(listings, tmp_path / "data") == first
    cache.unlink()
    cache.parent.rmdir()
    cache.parent.write_text("a file where the folder should be")
    assert source.unit_digest(listings, tmp_path / "data") == first
    assert stat.S_ISREG(cache.parent.stat().st_mode)


def test_published_sizes_stand_for_what_the_hub_has() -> None:
    assert source.published("xnli", "de") == {("de", "train"): 392_702}
    assert source.published("xnli", "")[("sw", "test")] == 5_010
    assert ("en", "train") not in source.published("xnli", "")
    assert source.published("mnli", "") == {("en", "train"): 392_702, ("en", "dev"): 9_815, ("en", "test"): 9_796}
    assert source.published("bucc2018", "")[("zh", "test.zh")] == 88_860
    assert not any(split.startswith("dev") for _, split in source.published("bucc2018", ""))
    assert source.published("udpos", "") == source.published("ccg", "") == {}


@samples.needs_samples
def test_counts_of_the_samples_are_close_and_say_zero_rightly() -> None:
    for task in TASKS.values():
        for listing in task.listings(samples.DATA):
            exact = sum(1 for _ in listing.read())
            assert listing.count() == exact + sum(listing.dropped.values()), (task.key, listing.language, listing.split)


@samples.needs_samples
def test_every_listed_file_lies_where_the_layout_says() -> None:
    lone = find(samples.DATA, "mlqa", "de", "test")
    name = TASKS["mlqa"].layout["test"].replace("LANG", "de")
    assert [path.relative_to(samples.DATA).as_posix() for path in lone.files] == [name]
    for task in TASKS.values():
        splits = {listing.split.partition(".")[0] for listing in task.listings(samples.DATA)}
        lent = {"train", "dev"} if task.dev_from else {"train"} if task.train_from else set()
        assert splits - lent <= set(task.layout), task.key
