"""`xtl doctor`: a good store passes every check; one that cannot be relied on is told from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.s3server import S3Server
from xtl.cli.app import app
from xtl.store import DirectoryStore, Entry, Store
from xtl.store.check import check_store

CHECKS = [
    "list",
    "write and read",
    "create only if absent",
    "replace only if unchanged",
    "one winner of a race",
    "large files",
    "clock",
    "delete",
]


def test_a_good_store_passes(store: Store) -> None:
    store.put("manifests/k.json", b"{}")
    found = list(check_store(store))
    assert [finding.check for finding in found] == CHECKS
    assert {finding.state for finding in found} == {"ok"}
    assert [entry.name for entry in store.list("")] == ["manifests/k.json"]


class Careless(DirectoryStore):
    """A store as some servers are: `faults` says what it does not honour."""

    faults: frozenset[str] = frozenset()

    def put(self, name: str, data: bytes, *, create: bool = False, replace: str | None = None) -> str:
        create = create and "create" not in self.faults
        return super().put(name, data, create=create, replace=None if "replace" in self.faults else replace)

    def head(self, name: str) -> Entry | None:
        entry = super().head(name)
        if entry is None or "clock" not in self.faults:
            return entry
        return Entry(name=entry.name, size=entry.size, etag=entry.etag, modified=entry.modified + 300)

    def delete(self, name: str) -> None:
        if "delete" not in self.faults:
            super().delete(name)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("create", {"create only if absent": "wrong", "one winner of a race": "wrong"}),
        ("replace", {"replace only if unchanged": "wrong"}),
        ("clock", {"clock": "warning"}),
        ("delete", {"delete": "wrong"}),
    ],
)
def test_a_bad_store_is_found_out(tmp_path: Path, fault: str, expected: dict[str, str]) -> None:
    store = Careless(tmp_path / "store")
    store.faults = frozenset({fault})
    found = {finding.check: finding.state for finding in check_store(store) if finding.state != "ok"}
    assert found == expected


def test_a_store_that_cannot_be_reached_ends_the_checks(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    monkeypatch.setattr("xtl.cli.doctor._DEVICES", "raise ImportError('torch is slow to import')")
    done = CliRunner().invoke(app, ["doctor", "--store", s3.fresh_url(), "-o", "json"])
    found = {finding["check"]: finding for finding in json.loads(done.output)}
    assert done.exit_code == 1
    assert found["list"]["state"] == "wrong"
    assert "the secret key does not belong to the access key" in found["list"]["detail"]
    assert "write and read" not in found


def _doctor(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["doctor", *arguments])
    return done.exit_code, done.output


def test_the_command_looks_at_the_machine(tmp_path: Path) -> None:
    status, text = _doctor("--store", str(tmp_path / "store"))
    assert status == 0
    for what in ("python", "xtl[report]", "xtl[jobs]", "device", *CHECKS):
        assert what in text


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xtl.cli.doctor._JOBS", ("torch", "no-such-package"))
    monkeypatch.setattr("xtl.cli.doctor._DEVICES", "raise ImportError('libfoo')")
    status, text = _doctor("-o", "json")
    found = {finding["check"]: finding for finding in json.loads(text)}
    assert status == 0
    assert (found["xtl[jobs]"]["state"], found["device"]["state"]) == ("warning", "warning")
    assert "no-such-package not installed" in found["xtl[jobs]"]["detail"]
    assert "ImportError: libfoo" in found["device"]["detail"]
