"""How fast files move through a store, against the plain tool for the same job in the same run.

    python -m bench.store [--megabytes 200]

A folder against `shutil.copyfile` and then `hashlib.file_digest`, S3 against boto3's own `upload_file` and
`download_file` on a local server and then the digest: what a careful user would do by hand. xtl hashes in the same
pass and syncs to the disk, which the peers do not.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.s3server import BUCKET, S3Server
from xtl.store import Store, open_store

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    size = parser.parse_args().megabytes
    with tempfile.TemporaryDirectory() as scratch, S3Server(Path(scratch) / "server") as server:
        os.environ.update(server.env)
        path, back = Path(scratch) / "file", Path(scratch) / "back"
        path.write_bytes(os.urandom(size << 20))
        folder, bucket, plain = open_store(f"{scratch}/store"), open_store(server.url), server.client()
        _compare("folder, in", size, lambda: folder.upload(path, "f"), _then_hash(shutil.copyfile, path, back))
        _compare("folder, out", size, _out(folder, path, back), _then_hash(shutil.copyfile, path, back))
        up = _then_hash(lambda source, _: plain.upload_file(str(source), BUCKET, "p"), path, back)
        down = _then_hash(lambda _, target: plain.download_file(BUCKET, "p", str(target)), path, back)
        _compare("s3, up", size, lambda: bucket.upload(path, "f"), up)
        _compare("s3, down", size, _out(bucket, path, back), down)


def _then_hash(move: Callable[[Path, Path], object], path: Path, back: Path) -> Callable[[], object]:
    def act() -> None:
        move(path, back)
        with open(back, "rb") as file:
            hashlib.file_digest(file, "sha256")

    return act


def _out(store: Store, path: Path, back: Path) -> Callable[[], object]:
    blob = store.upload(path, "f")
    return lambda: store.download(blob, back)


def _compare(what: str, size: int, ours: Callable[[], object], peer: Callable[[], object]) -> None:
    """The best of three each, taken in turns."""
    times = [(_seconds(ours), _seconds(peer)) for _ in range(ROUNDS)]
    mine, theirs = (min(column) for column in zip(*times, strict=True))
    print(f"{what:12} xtl {size / mine:6.0f} MB/s   peer {size / theirs:6.0f} MB/s   time ratio {mine / theirs:.2f}")


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
