"""Where bundles are kept: a folder, or a prefix of a bucket."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from model_store.errors import BundleError, BundleNotFound, BundleUnavailable
from model_store.sources import ClientFactory, boto3_client, folder_of, s3_client

PUBLISHED_BY = "published-by"  # metadata of a manifest's object in S3


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file with the time when it was stored, and who stored it ("" if unknown)."""

    data: bytes
    stored: datetime
    stored_by: str = ""


class Store(Protocol):
    """A place for the files of bundles, which are named relative to its address."""

    def exists(self, name: str) -> bool:
        """Whether there is a file ``name``."""

    def put(self, name: str, data: Path | bytes) -> None:
        """Store a file.  Raises `BundleUnavailable`."""

    def put_new(self, name: str, data: bytes, stored_by: str) -> None:
        """Store a file that must not exist.  Raises `BundleError` or `BundleUnavailable`."""

    def read(self, name: str) -> StoredFile:
        """A stored file.  Raises `BundleNotFound` or `BundleUnavailable`."""

    def names(self) -> list[str]:
        """All files.  Raises `BundleUnavailable`."""


def store_at(uri: str, new_client: ClientFactory = boto3_client) -> Store:
    """The store at ``uri``, a folder or ``s3://bucket/prefix``.  Raises `BundleError`."""
    folder = folder_of(uri)
    if folder is not None:
        return FolderStore(folder)
    if urlsplit(uri).scheme != "s3":
        raise BundleError(f"{uri}: a store must be a folder or s3://bucket/prefix")
    return S3Store(uri, new_client)


class FolderStore:
    """A folder, perhaps on a disk that all workers mount."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def exists(self, name: str) -> bool:
        """See `Store`."""
        return (self._folder / name).exists()

    def put(self, name: str, data: Path | bytes) -> None:
        """See `Store`."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, Path):
            shutil.copyfile(data, path)
        else:
            path.write_bytes(data)

    def put_new(self, name: str, data: bytes, stored_by: str) -> None:
        """See `Store`; ``stored_by`` is the owner of the file, whatever is given."""
        if self.exists(name):
            raise BundleError(f"{self._folder} already exists; versions cannot be overwritten")
        self.put(name, data)

    def read(self, name: str) -> StoredFile:
        """See `Store`."""
        path = self._folder / name
        try:
            stored = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            return StoredFile(path.read_bytes(), stored, _owner(path))
        except OSError as error:
            raise BundleNotFound(f"{path}: {error.strerror}") from None

    def names(self) -> list[str]:
        """See `Store`."""
        if not self._folder.is_dir():
            raise BundleNotFound(f"there is no folder {self._folder}")
        paths = sorted(path for path in self._folder.rglob("*") if path.is_file())
        return [path.relative_to(self._folder).as_posix() for path in paths]


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, NotImplementedError):  # no name: in containers, on Windows
        return ""


class S3Store:
    """A prefix of a bucket."""

    def __init__(self, uri: str, new_client: ClientFactory = boto3_client) -> None:
        parts = urlsplit(uri)
        self._uri = uri
        self._bucket, prefix = parts.netloc, parts.path.strip("/")
        self._start = f"{prefix}/" if prefix else ""
        self._client = s3_client(new_client)

    def exists(self, name: str) -> bool:
        """See `Store`."""
        with _errors(self._uri):
            found = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=self._start + name, MaxKeys=1
            )
        return bool(found.get("KeyCount"))

    def put(self, name: str, data: Path | bytes) -> None:
        """See `Store`."""
        with _errors(self._uri):
            if isinstance(data, Path):
                with data.open("rb") as file:
                    self._client.put_object(Bucket=self._bucket, Key=self._start + name, Body=file)
            else:
                self._client.put_object(Bucket=self._bucket, Key=self._start + name, Body=data)

    def put_new(self, name: str, data: bytes, stored_by: str) -> None:
        """See `Store`."""
        # If another publisher was faster, S3 refuses the second manifest.
        with _errors(self._uri):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._start + name,
                Body=data,
                IfNoneMatch="*",
                ContentType="application/json",
                Metadata={PUBLISHED_BY: stored_by} if stored_by else {},
            )

    def read(self, name: str) -> StoredFile:
        """See `Store`."""
        with _errors(self._uri):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._start + name)
            with answer["Body"] as body:
                data = body.read()
        by = answer.get("Metadata", {}).get(PUBLISHED_BY, "")
        return StoredFile(data, answer["LastModified"], by)

    def names(self) -> list[str]:
        """See `Store`."""
        with _errors(self._uri):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._start
            )
            return [
                entry["Key"].removeprefix(self._start)
                for page in pages
                for entry in page.get("Contents", [])
            ]


@contextmanager
def _errors(uri: str) -> Iterator[Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    from model_store.s3_faults import Fault, fault_of

    try:
        yield
    except (ClientError, BotoCoreError, OSError) as error:
        fault = fault_of(error)
        if fault.code in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise BundleError(f"{uri} already exists; versions cannot be overwritten") from None
        if fault.fault is Fault.MISSING:
            raise BundleNotFound(f"{uri}: {fault}") from None
        raise BundleUnavailable(f"{uri}: {fault}") from None
