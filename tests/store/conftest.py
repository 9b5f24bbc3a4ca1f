"""The two stores under one name: a test that takes `store` runs on a folder and on a bucket of the real S3 server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.s3server import S3Server
from xtl.store import Store, open_store


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store."""
    if request.param == "folder":
        return open_store(str(tmp_path / "store"))
    server: S3Server = request.getfixturevalue("s3")
    return open_store(server.fresh_url())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stage's files: an empty one, one in a sub-folder, one with a name that needs quoting, a larger one."""
    root = tmp_path / "stage"
    (root / "languages").mkdir(parents=True)
    (root / "empty.txt").write_bytes(b"")
    (root / "languages" / "größe +%20 中.tsv").write_bytes("a\tß\n".encode())
    (root / "model.bin").write_bytes(bytes(range(256)) * 400)
    return root
