"""The response of a photo's server, received from libcurl in pieces."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

from damage_tasks.errors import (
    DamageTaskError,
    DownloadFailed,
    PhotoForbidden,
    PhotoNotFound,
    PhotoRefused,
    PhotoTooLarge,
    StorageError,
)
from model_store.s3_faults import Fault, classify

MAX_HEADER_BYTES = 64 * 1024
# Read this much of a redirect's or error's body, to keep the connection for the next photo.
MAX_OTHER_BODY_BYTES = 64 * 1024
# S3 and CloudFront describe errors in XML.
_S3_ERROR = re.compile(rb"<Error>.{0,200}?<Code>([A-Za-z0-9.]{1,64})</Code>", re.DOTALL)
_S3_MESSAGE = re.compile(rb"<Message>([^<>]{1,200})</Message>")
# The signature is part of the caller's URL, so it cannot be renewed.
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_BAD_SIGNATURE = frozenset({"InvalidKey", "MalformedSignature", "MissingKey"})  # of CloudFront
_STATUS = re.compile(rb"HTTP/\S+ +(\d{3})")


class HttpResponse:
    """The server's response, up to a size limit."""

    def __init__(self, limit: int) -> None:
        self.status = 0
        self.has_head = False
        self.location: bytes | None = None
        self.body = io.BytesIO()
        self.problem: DamageTaskError | None = None
        self.interrupted: BaseException | None = None
        self._limit = limit
        self._header_bytes = 0

    def taking(self, take: Callable[[bytes], int | None]) -> Callable[[bytes], int | None]:
        """``take`` as a callback for libcurl, which only prints exceptions such as a time limit."""

        def guarded(data: bytes) -> int | None:
            try:
                return take(data)
            except BaseException as error:
                self.interrupted = error
                return -1

        return guarded

    def write(self, data: bytes) -> int | None:
        """Take a piece of the body; returning -1 makes libcurl end the transfer."""
        # Before 8.4, libcurl itself only checks the announced size.
        if self.body.tell() + len(data) > (
            self._limit if self.status < 300 else MAX_OTHER_BODY_BYTES
        ):
            self.problem = too_large(self._limit)
            return -1
        self.body.write(data)
        return None

    def header(self, line: bytes) -> int | None:
        """Take a header line; with several header blocks (100, 103), the last one counts."""
        self._header_bytes += len(line)
        if self._header_bytes > MAX_HEADER_BYTES:
            self.problem = PhotoRefused("the photo's server sends too many headers")
            return -1
        name, _, value = line.partition(b":")
        if status := _STATUS.match(line):
            self.status, self.location, self.has_head = int(status[1]), None, False
        elif not line.strip():
            self.has_head = True
        elif name.strip().lower() == b"location":
            self.location = value.strip()
        return None


def body_of(answer: HttpResponse, *, signed_by_us: bool = False) -> bytes:
    """The photo; raises a `PhotoRejected` or `DownloadFailed` for an error status.

    Raises `StorageError` when CloudFront rejects a signature of ours.
    """
    status = answer.status
    if 200 <= status < 300:
        return answer.body.getvalue()
    code, message = _s3_error(answer.body.getvalue())
    text = " ".join(filter(None, [f"the photo's server returned {status}", code]))
    if message:
        text = f"{text}: {message}"
    if signed_by_us and code in _BAD_SIGNATURE:
        raise StorageError(f"CloudFront rejects our key (DAMAGE_CLOUDFRONT_KEY_PAIR_ID): {text}")
    fault = Fault.CREDENTIALS if code in _EXPIRED else classify(status, code)
    match fault:
        case Fault.TEMPORARY:
            raise DownloadFailed(text)
        case Fault.MISSING:
            raise PhotoNotFound(text)
        case Fault.FORBIDDEN | Fault.CREDENTIALS:
            raise PhotoForbidden(text)
    raise PhotoRefused(text)


def _s3_error(body: bytes) -> tuple[str, str]:
    """The code and the message of an error in S3's XML; both empty for any other body."""
    code = _S3_ERROR.search(body)
    if code is None:
        return "", ""
    message = _S3_MESSAGE.search(body, code.end())
    text = message[1].decode("utf-8", "replace") if message else ""
    return code[1].decode(), text if text.isprintable() else ""


def too_large(limit: int) -> PhotoTooLarge:
    """The error for a photo of more than ``limit`` bytes."""
    return PhotoTooLarge(f"photo has more than {limit} bytes")
