"""Where a roll-out is stored: a file named `POINTER_FILE` next to the versions of a bundle.

``s3://models/damage/CURRENT`` describes the roll-out of ``s3://models/damage/<version>``.
Writers replace the version that they have read, or nothing, so no change is lost.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from model_store.errors import (
    BundleError,
    BundleNotFound,
    BundleUnavailable,
    RolloutConflict,
    RolloutInvalid,
)
from model_store.rollout.rollout_document import MAX_DOCUMENT_BYTES, Rollout, parse_rollout
from model_store.sources import ClientFactory, boto3_client, folder_of, s3_client

if TYPE_CHECKING:
    from model_store.s3_faults import S3Fault

POINTER_FILE = "CURRENT"


@dataclass(frozen=True, slots=True)
class StoredRollout:
    """A roll-out as it was read; ``etag`` identifies its bytes."""

    rollout: Rollout
    etag: str


class Pointer(Protocol):
    """A place that stores one roll-out."""

    uri: str

    def read(self, known: str | None = None) -> StoredRollout | None:
        """The stored roll-out, or None if its etag is still ``known``.

        Raises `BundleNotFound` if there is none, `BundleUnavailable` if the place cannot be
        reached, and `RolloutInvalid`.
        """

    def etag(self) -> str | None:
        """Identifies the stored bytes, also damaged ones; None if there are none.

        Raises `BundleUnavailable` if the place cannot be reached.
        """

    def write(self, rollout: Rollout, replaces: str | None) -> None:
        """Store ``rollout`` in place of the one whose etag is ``replaces``; None if there is none.

        Raises `RolloutConflict` if another one is stored there, `BundleUnavailable` if the place
        cannot be reached, and `BundleError` if it refuses to store a roll-out.
        """


def is_pointer(uri: str) -> bool:
    """Whether ``uri`` is the address of a pointer rather than of a bundle."""
    return uri.rpartition("/")[2] == POINTER_FILE


def pointer_at(uri: str, new_client: ClientFactory = boto3_client) -> Pointer:
    """The pointer at ``uri``, a file or ``s3://bucket/name/CURRENT``."""
    if is_pointer(uri):
        file = folder_of(uri)
        if file is not None:
            return FilePointer(uri, file)
        if urlsplit(uri).scheme == "s3":
            return S3Pointer(uri, new_client)
    raise RolloutInvalid(
        f"{uri}: a roll-out is stored in a file or at s3://bucket/name/{POINTER_FILE}, "
        f"always named {POINTER_FILE}"
    )


def bundle_uri(pointer_uri: str, version: str) -> str:
    """The address of a version of the bundle whose roll-out is stored at ``pointer_uri``."""
    return f"{pointer_uri.removesuffix(POINTER_FILE)}{version}"


class FilePointer:
    """A pointer in a folder, which all workers mount."""

    def __init__(self, uri: str, path: Path) -> None:
        self.uri = uri
        self._path = path

    def read(self, known: str | None = None) -> StoredRollout | None:
        """See `Pointer`."""
        text = self._first_bytes()
        etag = _file_etag(text)
        return None if etag == known else StoredRollout(parse_rollout(text, self.uri), etag)

    def etag(self) -> str | None:
        """See `Pointer`."""
        try:
            return _file_etag(self._first_bytes())
        except BundleNotFound:
            return None

    def write(self, rollout: Rollout, replaces: str | None) -> None:
        """See `Pointer`."""
        with self._locked():
            if self.etag() != replaces:
                raise RolloutConflict(_changed(self.uri))
            unfinished = self._path.with_suffix(f".{os.getpid()}")
            unfinished.write_bytes(rollout.to_json())
            unfinished.replace(self._path)

    def _first_bytes(self) -> bytes:
        """As much as a roll-out may have, and one byte; see `Pointer.read` for errors."""
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_DOCUMENT_BYTES + 1)
        except FileNotFoundError:
            raise BundleNotFound(f"no roll-out in {self._path}") from None
        except OSError as error:
            raise BundleUnavailable(f"{self._path}: {error.strerror}") from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _changed(uri: str) -> str:
    return f"{uri} has been changed by someone else: see `rollout status`, and repeat the command"


def _file_etag(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


class S3Pointer:
    """A pointer in a bucket."""

    def __init__(self, uri: str, new_client: ClientFactory = boto3_client) -> None:
        parts = urlsplit(uri)
        self.uri = uri
        self._place: Any = {"Bucket": parts.netloc, "Key": parts.path.lstrip("/")}
        self._client = s3_client(new_client)

    def read(self, known: str | None = None) -> StoredRollout | None:
        """See `Pointer`."""
        found = self._read_bytes(known)
        return StoredRollout(parse_rollout(found[0], self.uri), found[1]) if found else None

    def etag(self) -> str | None:
        """See `Pointer`."""
        try:
            found = self._read_bytes()
        except BundleNotFound:
            return None
        return found[1] if found else None

    def _read_bytes(self, known: str | None = None) -> tuple[bytes, str] | None:
        """The stored bytes and their etag; see `Pointer.read`."""
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        from model_store.s3_faults import Fault, fault_of

        condition: Any = {"IfNoneMatch": known} if known else {}
        try:
            answer = self._client.get_object(**self._place, **condition)
            with answer["Body"] as body:
                return body.read(MAX_DOCUMENT_BYTES + 1), answer["ETag"]
        except (ClientError, BotoCoreError, HTTPError, OSError) as error:
            fault = fault_of(error)
            if fault.code in ("304", "NotModified"):
                return None
            if fault.fault is Fault.TEMPORARY:
                raise BundleUnavailable(f"{self.uri}: {fault}") from None
            raise BundleNotFound(f"{self.uri}: {fault}") from None

    def write(self, rollout: Rollout, replaces: str | None) -> None:
        """See `Pointer`."""
        from botocore.exceptions import BotoCoreError, ClientError

        from model_store.s3_faults import fault_of

        condition: Any = {"IfMatch": replaces} if replaces else {"IfNoneMatch": "*"}
        text = rollout.to_json()
        try:
            self._client.put_object(
                **self._place, **condition, Body=text, ContentType="application/json"
            )
        except (ClientError, BotoCoreError, OSError) as error:
            fault = fault_of(error)
            # boto3 repeats a request whose answer was lost, although it may have succeeded.
            if fault.code == "PreconditionFailed" and self._holds(text):
                return
            raise self._write_error(fault) from None

    def _holds(self, text: bytes) -> bool:
        """Whether exactly ``text`` is stored; raises `BundleUnavailable`."""
        try:
            found = self._read_bytes()
        except BundleNotFound:
            return False
        return found is not None and found[0] == text

    def _write_error(self, fault: S3Fault) -> BundleError:
        from model_store.s3_faults import Fault

        if fault.code in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"):
            return RolloutConflict(_changed(self.uri))
        if fault.fault is Fault.TEMPORARY:
            return BundleUnavailable(f"{self.uri}: {fault}")
        if fault.fault is Fault.FORBIDDEN:
            return BundleError(
                f"{self.uri}: {fault}; writing a roll-out needs s3:PutObject and s3:GetObject on "
                "it, and kms:GenerateDataKey and kms:Decrypt if a KMS key encrypts the bucket"
            )
        return BundleError(f"{self.uri}: {fault}")
