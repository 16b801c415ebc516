"""Places that bundles are fetched from: an S3 bucket or a web server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

from model_store.errors import BundleError, BundleNotFound, BundleUnavailable

if TYPE_CHECKING:
    from botocore.config import Config
    from types_boto3_s3.client import S3Client

CHUNK_BYTES = 1024 * 1024
CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 20  # without a byte

ClientFactory = Callable[[Literal["s3"], "Config"], "S3Client"]


def boto3_client(service: Literal["s3"], config: Config) -> S3Client:
    """A boto3 client with its own session."""
    from boto3.session import Session

    return Session().client(service, config=config)


class Source(Protocol):
    """A place that stores one bundle's files."""

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """The bytes of file ``name`` starting at ``offset``.

        Raises `BundleNotFound` when the file does not exist, `BundleUnavailable` when the
        place cannot be reached.
        """


def source_of(uri: str, new_client: ClientFactory = boto3_client) -> Source:
    """The source at ``uri``: ``s3://bucket/prefix`` or ``https://host/path``."""
    scheme = urlsplit(uri).scheme
    if scheme == "s3":
        return S3Source(uri, new_client)
    if scheme == "https":
        return WebSource(uri)
    raise BundleError(f"{uri}: a bundle must be `default`, a folder, s3://... or https://...")


class S3Source:
    """A bundle under a prefix of a bucket."""

    def __init__(self, uri: str, new_client: ClientFactory = boto3_client) -> None:
        parts = urlsplit(uri)
        self._new_client = new_client
        self.uri = uri.rstrip("/")
        self.bucket = parts.netloc
        self.prefix = parts.path.strip("/")

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        from model_store.s3_faults import Fault, fault_of

        key = f"{self.prefix}/{name}"
        try:
            client = s3_client(self._new_client)
            more: Any = {"Range": f"bytes={offset}-"} if offset else {}
            answer = client.get_object(Bucket=self.bucket, Key=key, **more)
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(CHUNK_BYTES)
        except (ClientError, BotoCoreError, HTTPError, OSError) as error:
            fault = fault_of(error)
            if fault.fault is Fault.TEMPORARY:
                raise BundleUnavailable(f"{self.uri}/{name}: {fault}") from None
            raise BundleNotFound(f"{self.uri}/{name}: {fault}") from None


class WebSource:
    """A bundle on a web server."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        import urllib3

        headers = {"Range": f"bytes={offset}-"} if offset else {}
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=READ_TIMEOUT_SECONDS)
        pool = urllib3.PoolManager(timeout=timeout)
        try:
            answer = pool.request(
                "GET", f"{self.uri}/{name}", headers=headers, preload_content=False, redirect=False
            )
            with answer:
                if answer.status >= 500 or answer.status in (408, 429):
                    raise BundleUnavailable(f"{self.uri}/{name}: {answer.status}")
                if answer.status not in (200, 206):
                    raise BundleNotFound(f"{self.uri}/{name}: {answer.status}")
                # A server without range support sends the whole file again.
                skip = offset if answer.status == 200 else 0
                for chunk in answer.stream(CHUNK_BYTES):
                    yield chunk[skip:]
                    skip = max(0, skip - len(chunk))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise BundleUnavailable(f"{self.uri}/{name}: {error}") from None


def s3_client(new_client: ClientFactory) -> S3Client:
    """An S3 client with a timeout on every operation."""
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"total_max_attempts": 3},
    )
    return new_client("s3", config)


def folder_of(uri: str) -> Path | None:
    """The local folder that ``uri`` refers to, if it is one."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(parts.path)
    return Path(uri).expanduser() if not parts.scheme else None
