"""Access to S3 and CloudFront for photos and overlays."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.signers import CloudFrontSigner
from urllib3.exceptions import HTTPError

from damage_tasks.errors import (
    PhotoForbidden,
    PhotoNotFound,
    PhotoTooLarge,
    SettingsError,
    StorageError,
    StorageUnavailable,
)
from damage_tasks.storage.aws_clients import new_client

if TYPE_CHECKING:
    from damage_tasks.settings import Settings

CHUNK = 256 * 1024
READ_TIMEOUT = 10  # seconds

_MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "404", "NotFound", "NoSuchVersion",
                      "InvalidBucketName", "KeyTooLongError", "InvalidURI"})  # fmt: skip
_DENIED = frozenset({"AccessDenied", "403", "Forbidden", "InvalidObjectState", "AllAccessDisabled"})
_BUSY = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestTimeout",
                   "InternalError", "ServiceUnavailable", "RequestLimitExceeded",
                   "ExpiredToken", "ExpiredTokenException"})  # fmt: skip


@cache
def s3_client() -> Any:
    """This process's S3 client; boto3's own variables set credentials, region and endpoint."""
    return new_client(
        "s3",
        Config(
            connect_timeout=5,
            read_timeout=READ_TIMEOUT,
            # The second attempt covers kept-alive connections that have gone stale; the queue
            # retries errors that last longer.
            retries={"total_max_attempts": 2, "mode": "standard"},
        ),
    )


# Two processes must not share kept-alive connections.
os.register_at_fork(after_in_child=s3_client.cache_clear)


class Bucket:
    """A bucket for images that the worker writes."""

    def __init__(self, name: str, base_url: str | None = None) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/") if base_url else None

    def put(self, key: str, data: bytes, content_type: str) -> str:
        """Store ``data`` under ``key``; returns its ``https://`` address if known, else ``s3://``.

        Raises `StorageUnavailable` or `StorageError`.
        """
        where = f"s3://{self.name}/{key}"
        try:
            with _s3_errors(where):
                s3_client().put_object(
                    Bucket=self.name,
                    Key=key,
                    Body=data,
                    ContentType=content_type,
                    CacheControl="private, max-age=31536000, immutable",
                )
        except ClientError as error:
            raise StorageError(f"{where}: {error.response['Error']['Code']}") from error
        return f"{self.base_url}/{quote(key)}" if self.base_url else where


def read_object(bucket: str, key: str, *, limit: int, timeout: float) -> bytes:
    """The photo ``s3://bucket/key``, at most ``limit`` bytes, within ``timeout`` seconds."""
    where = f"s3://{bucket}/{key}"
    deadline = time.monotonic() + timeout
    try:
        with _s3_errors(where):
            answer = s3_client().get_object(Bucket=bucket, Key=key)
            size = answer.get("ContentLength")
            # boto3's timeouts cover a single socket read and restart with every byte received;
            # `read1` of the stream returns what has arrived, so the deadline can be checked.
            with answer["Body"] as stream:
                data = bytearray()
                while size is None or len(data) < size:
                    if max(size or 0, len(data)) > limit:
                        raise PhotoTooLarge(f"photo has more than {limit} bytes")
                    if time.monotonic() > deadline:
                        raise StorageUnavailable(f"{where}: not read within {timeout:g} s")
                    chunk = stream.read1(CHUNK)
                    if not chunk:
                        break
                    data += chunk
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _MISSING:
            raise PhotoNotFound(f"{where}: {code}") from None
        raise PhotoForbidden(f"{where}: {code}") from None
    if size is not None and len(data) < size:
        raise StorageUnavailable(f"{where}: ended after {len(data)} of {size} bytes")
    return bytes(data)


@contextmanager
def _s3_errors(where: str) -> Iterator[None]:
    """Translate S3's errors; a missing or forbidden object stays a ClientError."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _BUSY or status >= 500:
            raise StorageUnavailable(f"{where}: {code}") from error
        if code in _MISSING | _DENIED:
            raise
        raise StorageError(f"{where}: {code}: {error.response['Error'].get('Message')}") from error
    except (BotoCoreError, HTTPError, OSError) as error:
        raise StorageUnavailable(f"{where}: {error}") from error


class Signer:
    """Signs URLs of our CloudFront hosts.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-signed-urls.html
    """

    LIFETIME = timedelta(minutes=5)

    def __init__(self, settings: Settings) -> None:
        self._hosts = frozenset(host.lower() for host in settings.cloudfront_hosts)
        self._signer: CloudFrontSigner | None = None
        if self._hosts:
            assert settings.cloudfront_private_key is not None
            self._signer = CloudFrontSigner(
                settings.cloudfront_key_pair_id,
                _rsa_signer(settings.cloudfront_private_key.get_secret_value()),
            )

    def sign(self, url: str, host: str) -> str:
        """``url``, signed if ``host`` is one of ours and the URL has no signature yet."""
        if self._signer is None or host.lower() not in self._hosts or "Key-Pair-Id=" in url:
            return url
        return self._signer.generate_presigned_url(
            url, date_less_than=datetime.now(UTC) + self.LIFETIME
        )


def _rsa_signer(key: str) -> Any:
    # Importing cryptography is slow and only needed with CloudFront.
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    try:
        text = key if "-----BEGIN" in key else Path(key).read_text()
        private = serialization.load_pem_private_key(text.encode(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"DAMAGE_CLOUDFRONT_PRIVATE_KEY: not a readable PEM key ({type(error).__name__})."
        ) from None
    if not isinstance(private, rsa.RSAPrivateKey):
        raise SettingsError("DAMAGE_CLOUDFRONT_PRIVATE_KEY: must be an RSA key.")
    # CloudFront accepts only SHA-1 with PKCS#1 v1.5.
    return lambda message: private.sign(message, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
