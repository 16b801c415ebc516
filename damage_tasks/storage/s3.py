"""Access to S3 and CloudFront for photos and overlays."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.signers import CloudFrontSigner
from urllib3.exceptions import HTTPError

from damage_tasks.errors import (
    PhotoForbidden,
    PhotoNotFound,
    PhotoRefused,
    PhotoRejected,
    PhotoTooLarge,
    SettingsError,
    StorageError,
    StorageUnavailable,
)
from damage_tasks.storage.aws_clients import new_client
from model_store.s3_faults import Fault, S3Fault, fault_of

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

    from damage_tasks.settings import Settings

CHUNK_BYTES = 256 * 1024
READ_TIMEOUT_SECONDS = 10
# Short, because browsers and CloudFront keep copies of pictures that were erased.
CACHE_CONTROL = "private, max-age=300"
MAX_OBJECT_BYTES = 1024**3  # for objects that we wrote ourselves

# While a body is read, boto3 passes on exceptions of urllib3 and the sockets below it.
_S3_ERRORS = (ClientError, BotoCoreError, HTTPError, OSError)
_REJECTIONS: dict[Fault, type[PhotoRejected]] = {
    Fault.MISSING: PhotoNotFound,
    Fault.FORBIDDEN: PhotoForbidden,
    Fault.REFUSED: PhotoRefused,
}


@cache
def s3_client() -> S3Client:
    """This process's S3 client; boto3's own variables set credentials, region and endpoint."""
    return new_client(
        "s3",
        Config(
            connect_timeout=5,
            read_timeout=READ_TIMEOUT_SECONDS,
            # The second attempt covers kept-alive connections that have gone stale; the queue
            # retries errors that last longer.
            retries={"total_max_attempts": 2, "mode": "standard"},
        ),
    )


# Two processes must not share kept-alive connections.
os.register_at_fork(after_in_child=s3_client.cache_clear)


class Bucket:
    """The bucket for overlays, masks and kept photos."""

    def __init__(self, name: str, base_url: str | None = None) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/") if base_url else None

    def get(self, key: str) -> bytes:
        """The bytes under ``key``; raises the same errors as `read_object`."""
        return read_object(self.name, key, limit=MAX_OBJECT_BYTES, timeout=READ_TIMEOUT_SECONDS)

    def has(self, address: str) -> bool:
        """Whether there is still an image at ``address``, which `put` returned earlier.

        False if that cannot be determined, because the address is in another bucket or access
        is denied.  True while S3 is unavailable, since the image is most likely still there.
        """
        place = place_of(address, self.name, self.base_url)
        if place is None:
            return False
        bucket, key = place
        try:
            s3_client().head_object(Bucket=bucket, Key=key)
        except _S3_ERRORS as error:
            return fault_of(error).fault is Fault.TEMPORARY
        return True

    def put(self, key: str, data: bytes, content_type: str) -> str:
        """Store ``data`` under ``key``; returns its `address`.

        Raises `StorageUnavailable` or `StorageError`.
        """
        with translated_errors(f"s3://{self.name}/{key}", of_caller=False):
            s3_client().put_object(
                Bucket=self.name,
                Key=key,
                Body=data,
                ContentType=content_type,
                CacheControl=CACHE_CONTROL,
            )
        return self.address(key)

    def address(self, key: str) -> str:
        """The ``https://`` address of ``key`` if it is known, else the ``s3://`` one."""
        return f"{self.base_url}/{quote(key)}" if self.base_url else f"s3://{self.name}/{key}"


def place_of(address: str, bucket: str | None, base_url: str | None) -> tuple[str, str] | None:
    """The bucket and key of an `Bucket.address`; None for any address that is not ours.

    ``base_url`` is the one under which browsers reach ``bucket``.
    """
    scheme, _, rest = address.partition("://")
    if scheme == "s3":
        named, _, key = rest.partition("/")
        return named, key
    prefix = f"{base_url.rstrip('/')}/" if base_url else None
    if bucket and prefix and address.startswith(prefix):
        return bucket, unquote(address.removeprefix(prefix))
    return None


def read_object(bucket: str, key: str, *, limit: int, timeout: float) -> bytes:
    """The caller's photo ``s3://bucket/key``, at most ``limit`` bytes, in ``timeout`` seconds.

    Raises a `PhotoRejected` that names S3's own code when S3 will never give us the photo,
    `StorageUnavailable` when it may later, and `StorageError` when our credentials are rejected.
    """
    where = f"s3://{bucket}/{key}"
    deadline = time.monotonic() + timeout
    with translated_errors(where, of_caller=True):
        answer = s3_client().get_object(Bucket=bucket, Key=key)
        size = answer.get("ContentLength")
        # boto3's timeouts cover a single socket read and restart with every byte received;
        # `read1` of the stream returns what has arrived, so the deadline can be checked.
        stream: Any  # the types of boto3 do not know `read1`
        with answer["Body"] as stream:
            data = bytearray()
            while size is None or len(data) < size:
                if max(size or 0, len(data)) > limit:
                    raise PhotoTooLarge(f"photo has more than {limit} bytes")
                if time.monotonic() > deadline:
                    raise StorageUnavailable(f"{where}: not read within {timeout:g} s")
                chunk = stream.read1(CHUNK_BYTES)
                if not chunk:
                    break
                data += chunk
    if size is not None and len(data) < size:
        raise StorageUnavailable(f"{where}: ended after {len(data)} of {size} bytes")
    return bytes(data)


def read_metadata(bucket: str, key: str) -> dict[str, str]:
    """The caller's own metadata of ``s3://bucket/key``; raises the same errors as `read_object`."""
    with translated_errors(f"s3://{bucket}/{key}", of_caller=True):
        found = s3_client().head_object(Bucket=bucket, Key=key)["Metadata"]
    return {name: _without_mime_words(value) for name, value in found.items()}


def _without_mime_words(text: str) -> str:
    """``text`` with RFC 2047's encoded words decoded, as which S3 returns non-ASCII characters."""
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, UnicodeError):
        return text


@contextmanager
def translated_errors(where: str, *, of_caller: bool) -> Iterator[None]:
    """Translate S3's errors about the object ``where``.

    Operators have to fix any permanent error about an object of ours; of a caller's object, only
    bad credentials.
    """
    try:
        yield
    except _S3_ERRORS as error:
        fault = fault_of(error)
        if fault.fault is Fault.TEMPORARY:
            raise StorageUnavailable(f"{where}: {fault}") from error
        if of_caller and fault.fault is not Fault.CREDENTIALS:
            raise _rejection(where, fault) from None
        raise StorageError(f"{where}: {fault}") from error


def _rejection(where: str, fault: S3Fault) -> PhotoRejected:
    # If access is denied, S3's message names our role.
    text = fault.code if fault.fault is Fault.FORBIDDEN else str(fault)
    rejection = _REJECTIONS[fault.fault](f"{where}: {text}")
    rejection.s3_code = fault.code
    return rejection


class Signer:
    """Signs URLs of our CloudFront hosts.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-signed-urls.html
    """

    LIFETIME = timedelta(minutes=5)

    def __init__(self, settings: Settings) -> None:
        self._hosts = frozenset(host.lower() for host in settings.cloudfront_hosts)
        self._signer: CloudFrontSigner | None = None
        if self._hosts:
            self._signer = cloudfront_signer(settings)

    def sign(self, url: str, host: str) -> str:
        """``url``, signed if ``host`` is one of ours and the URL has no signature yet."""
        if self._signer is None or host.lower() not in self._hosts or "Key-Pair-Id=" in url:
            return url
        return self._signer.generate_presigned_url(
            url, date_less_than=datetime.now(UTC) + self.LIFETIME
        )


def cloudfront_signer(settings: Settings) -> CloudFrontSigner:
    """Signs with the key pair of ``settings``, which must be set."""
    assert settings.cloudfront_key_pair_id is not None
    assert settings.cloudfront_private_key is not None
    return CloudFrontSigner(
        settings.cloudfront_key_pair_id,
        _rsa_signer(settings.cloudfront_private_key.get_secret_value()),
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
