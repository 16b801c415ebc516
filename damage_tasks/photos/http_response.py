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
)

MAX_HEADERS = 64 * 1024
# Read this much of a redirect's or error's body, to keep the connection for the next photo.
MAX_OTHER_BODY = 64 * 1024
AGAIN = frozenset({408, 425, 429})
_STATUS = re.compile(rb"HTTP/\S+ +(\d{3})")


class Answer:
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
        if self.body.tell() + len(data) > (self._limit if self.status < 300 else MAX_OTHER_BODY):
            self.problem = too_large(self._limit)
            return -1
        self.body.write(data)
        return None

    def header(self, line: bytes) -> int | None:
        """Take a header line; with several header blocks (100, 103), the last one counts."""
        self._header_bytes += len(line)
        if self._header_bytes > MAX_HEADERS:
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


def body_of(answer: Answer) -> bytes:
    """The photo; raises a `PhotoRejected` or `DownloadFailed` for an error status."""
    status = answer.status
    if 200 <= status < 300:
        return answer.body.getvalue()
    text = f"the photo's server returned {status}"
    if status in (404, 410):
        raise PhotoNotFound(text)
    if status in (401, 403, 407):
        raise PhotoForbidden(text)
    if status in AGAIN or status >= 500:
        raise DownloadFailed(text)
    raise PhotoRefused(text)


def too_large(limit: int) -> PhotoTooLarge:
    """The error for a photo of more than ``limit`` bytes."""
    return PhotoTooLarge(f"photo has more than {limit} bytes")
