"""A bucket that speaks S3 as a store: Amazon's, or any other by `AWS_ENDPOINT_URL_S3` (then path-style addresses).

Credentials, region and endpoint come from the environment and ~/.aws, as for every AWS tool; never from the URL. Files
go up in parts and come down in ranges of 8 MiB, eight at a time for the whole store, hashed as they pass: memory stays
near 100 MB however many and large they are. What may pass is tried again with growing pauses, a quarter of a minute on
average and half a minute at most, then given up. No checksum headers are sent unless S3 demands them, since
third-party stores refuse some; the manifest's sha256 stands in. boto3 is used through its two layers, botocore and
s3transfer, since its own upload call cannot hash as it reads; why its downloads are not used is said in ranges.py."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from xtl.errors import Conflict, Corrupt, NotFound, StoreError, StoreRefused, UserError
from xtl.store import files
from xtl.store.base import Blob, Entry
from xtl.store.layout import check_name, check_prefix
from xtl.store.ranges import Ranges
from xtl.store.s3errors import Busy, explained, redact

PART_BYTES = 8 << 20
RANGE_BYTES = 8 << 20
_AT_ONCE = 8
#: So that a browser shows what people open from a bucket; everything else is bytes.
_TYPES = {".html": "text/html; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json",
          ".txt": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8",
          ".csv": "text/csv; charset=utf-8"}  # fmt: skip
_AMAZON = re.compile(r"\.amazonaws\.com(\.cn)?(:\d+)?/?$")
_URL = re.compile(r"^s3://([^/?#@]+)(?:/([^?#]*))?$")


class S3Store:
    """`attempts`: of one request, the first included; `connect_seconds`, `read_seconds`: of silence within one."""

    def __init__(self, url: str, *, attempts: int = 6, connect_seconds: float = 10, read_seconds: float = 60) -> None:
        match = _URL.match(url)
        if match is None:
            raise UserError(f"{redact(url)!r} is no store: s3://bucket/prefix is (credentials: AWS_ACCESS_KEY_ID, ...)")
        prefix = (match[2] or "").strip("/")
        self._bucket, self._prefix = match[1], f"{check_name(prefix)}/" if prefix else ""
        self.url = f"s3://{self._bucket}/{prefix}".rstrip("/")
        self._attempts = attempts
        self._client = _client(attempts, connect_seconds, read_seconds, self.url)
        self._where = f"{self.url} at {redact(self._client.meta.endpoint_url)}"
        #: Where this machine was told to find a store that is not Amazon's; "" for Amazon's.
        self.endpoint = "" if _AMAZON.search(self._client.meta.endpoint_url) else self._client.meta.endpoint_url
        self._transfers = _transfers(self._client)
        self._ranges = Ranges(_AT_ONCE, RANGE_BYTES)

    def get(self, name: str) -> tuple[bytes, str]:
        return self._read(name)

    def head(self, name: str) -> Entry | None:
        try:
            with explained(self._where, name):
                answer = self._client.head_object(**self._at(name))
        except NotFound:
            return None
        return _entry(name, answer["ContentLength"], answer)

    def put(self, name: str, data: bytes, *, create: bool = False, replace: str | None = None) -> str:
        condition = {"IfNoneMatch": "*"} if create else {"IfMatch": f'"{replace}"'} if replace is not None else {}
        for attempt in range(self._attempts):
            try:
                with explained(self._where, name):
                    sent = self._client.put_object(**self._at(name), Body=data, **_type(name), **condition)
                    return _bare(sent["ETag"])
            except NotFound:
                raise Conflict(f"{self._where}: {name} is gone") from None
            except Busy:
                _pause(attempt)
        raise StoreError(f"{self._where}: others kept writing {name}: run it again")

    def list(self, prefix: str) -> Iterator[Entry]:
        pages = self._client.get_paginator("list_objects_v2")
        found = []
        with explained(self._where, prefix):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + check_prefix(prefix)):
                for item in page.get("Contents", []):
                    if not item["Key"].endswith("/"):  # what consoles leave where someone made a folder
                        found.append(_entry(item["Key"][len(self._prefix) :], item["Size"], item))
        yield from sorted(found, key=lambda entry: entry.name.encode())  # not every store lists in S3's order

    def delete(self, name: str) -> None:
        with explained(self._where, name):
            self._client.delete_object(**self._at(name))

    def upload(self, path: Path, name: str) -> Blob:
        with files.explained("read", path):
            source = open(path, "rb")  # noqa: SIM115 - closed below
        with source, files.explained("read", path), explained(self._where, name):
            reader = _Reader(source)
            size = os.fstat(source.fileno()).st_size
            at = self._at(name)
            self._transfers.upload(reader, at["Bucket"], at["Key"], _type(name), [_known(size)]).result()
        return reader.seen.blob(name)

    def download(self, blob: Blob, path: Path) -> None:
        self._fetch(blob.name, path, blob)

    def fetch(self, name: str, path: Path) -> Blob:
        return self._fetch(name, path, None)

    def check(self, blob: Blob) -> None:
        self._stream(blob.name, blob, lambda data, at: None)

    def leftovers(self) -> Iterator[Entry]:
        pages = self._client.get_paginator("list_multipart_uploads")
        with explained(self._where, "unfinished uploads"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for item in page.get("Uploads", []):
                    name, begun = item["Key"][len(self._prefix) :], item["Initiated"].timestamp()
                    yield Entry(name=name, size=0, etag=item["UploadId"], modified=begun)

    def drop(self, leftover: Entry) -> None:
        with explained(self._where, leftover.name), suppress(self._client.exceptions.NoSuchUpload):
            self._client.abort_multipart_upload(**self._at(leftover.name), UploadId=leftover.etag)

    def _fetch(self, name: str, path: Path, promised: Blob | None) -> Blob:
        with files.explained("write", path), files.temporary(path) as (file, temp):
            blob = self._stream(name, promised, partial(_write, file.fileno()))
            files.place(file, temp, path, durable=promised is None)
        return blob

    def _stream(self, name: str, promised: Blob | None, write: Callable[[bytes, int], None]) -> Blob:
        """The object's bytes to `write`, with where they begin, as they come and from several threads; meanwhile they
        are hashed in order, and compared with what was promised of them."""
        entry = self.head(name)
        if entry is None:
            raise NotFound(f"{self._where} holds no {name}")
        if promised is not None and entry.size != promised.size:
            raise Corrupt(f"{name} holds {entry.size} bytes, not {promised.size}: truncated or replaced")

        def get(start: int, stop: int) -> bytes:
            data, _ = self._read(name, Range=f"bytes={start}-{stop - 1}", IfMatch=f'"{entry.etag}"')
            if len(data) != stop - start:
                raise Corrupt(f"{name} is cut short: {len(data)} bytes came where {stop - start} were asked for")
            write(data, start)
            return data

        seen = files.Tally()
        try:
            for data in self._ranges.read(get, entry.size):
                seen.add(data)
        except Conflict:
            raise Corrupt(f"{name} was replaced while it was read") from None
        if promised is not None:
            seen.compare(promised)
        return seen.blob(name)

    def _read(self, name: str, **condition: str) -> tuple[bytes, str]:
        """An object, or a range of one. botocore tries again until an answer begins; here, until it has come whole."""
        from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

        for attempt in range(self._attempts):
            with explained(self._where, name):
                answer = self._client.get_object(**self._at(name), **condition)
                try:
                    return answer["Body"].read(), _bare(answer["ETag"])
                except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
                    _pause(attempt)
        raise StoreError(f"{self._where}: the connection broke each time {name} was read: check the network")

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + check_name(name)}


def _write(file: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(file, view, at)
        view, at = view[done:], at + done


class _Reader:
    """A file that s3transfer reads once, front to back (it has no `seek`), hashed as it goes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.seen = file, files.Tally()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.seen.add(data)
        return data


def _client(attempts: int, connect_seconds: float, read_seconds: float, url: str) -> Any:
    import botocore.session
    from botocore.config import Config

    session = botocore.session.Session()
    config = Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        # not "standard": its budget of retries is one for all threads, and gone within a second of eight failing parts
        retries={"mode": "legacy", "total_max_attempts": attempts},
        max_pool_connections=4 * _AT_ONCE,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="xtl",
    )
    with _valid_settings(url), explained(url, url):
        region = session.get_config_variable("region") or "us-east-1"
        client = session.create_client("s3", region_name=region, config=config)
        styled = (session.get_scoped_config().get("s3") or {}).get("addressing_style")
        if styled or _AMAZON.search(client.meta.endpoint_url):
            return client
        path_style = config.merge(Config(s3={"addressing_style": "path"}))
        return session.create_client("s3", region_name=region, config=path_style)


@contextmanager
def _valid_settings(url: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # botocore's answer to an endpoint that is no URL
        raise StoreRefused(f"{url}: {redact(str(error))}: correct AWS_ENDPOINT_URL_S3 or ~/.aws/config") from None


def _transfers(client: Any) -> Any:
    from s3transfer.manager import TransferConfig, TransferManager

    config = TransferConfig(
        multipart_threshold=PART_BYTES,
        multipart_chunksize=PART_BYTES,
        max_request_concurrency=_AT_ONCE,
        max_submission_concurrency=2,  # each holds a part, too
        max_in_memory_upload_chunks=_AT_ONCE - 2,
    )
    return TransferManager(client, config)


def _type(name: str) -> dict[str, str]:
    kind = _TYPES.get(os.path.splitext(name)[1])
    return {"ContentType": kind} if kind else {}


def _known(size: int) -> Any:
    """Tells s3transfer a file's size, so that it makes the parts of a huge one larger (S3 takes 10,000)."""
    from s3transfer.subscribers import BaseSubscriber

    class Known(BaseSubscriber):
        def on_queued(self, future: Any, **_: Any) -> None:
            future.meta.provide_transfer_size(size)

    return Known()


def _entry(name: str, size: int, answer: dict[str, Any]) -> Entry:
    return Entry(name=name, size=size, etag=_bare(answer["ETag"]), modified=answer["LastModified"].timestamp())


def _bare(etag: str) -> str:
    """Without the quotes that some stores leave out in listings."""
    return etag.strip('"')


def _pause(attempt: int) -> None:
    time.sleep(random.random() * min(0.1 * 2**attempt, 5.0))
