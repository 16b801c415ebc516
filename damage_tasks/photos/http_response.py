"""What a photo's server answers, taken from libcurl piece by piece."""

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
# Bodies of redirects and errors are read up to here, to keep the connection for the next photo.
MAX_OTHER_BODY = 64 * 1024
AGAIN = frozenset({408, 425, 429})
_STATUS = re.compile(rb"HTTP/\S+ +(\d{3})")


class Answer:
    """What the server says, as long as it is not too much."""

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
        """``take`` for libcurl, which only prints what is raised in it: a time limit, say."""

        def guarded(data: bytes) -> int | None:
            try:
                return take(data)
            except BaseException as error:
                self.interrupted = error
                return -1

        return guarded

    def write(self, data: bytes) -> int | None:
        """A piece of the body; -1 makes libcurl end the transfer."""
        # Before 8.4 libcurl itself looks only at the size that is announced.
        if self.body.tell() + len(data) > (self._limit if self.status < 300 else MAX_OTHER_BODY):
            self.problem = too_large(self._limit)
            return -1
        self.body.write(data)
        return None

    def header(self, line: bytes) -> int | None:
        """A line of the head; there may be several heads (100, 103), the last one counts."""
        self._header_bytes += len(line)
        if self._header_bytes > MAX_HEADERS:
            self.problem = PhotoRefused("the photo's server sends endless headers")
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
    """The photo; raises a `PhotoRejected` or `DownloadFailed` where the status is an error."""
    status = answer.status
    if 200 <= status < 300:
        return answer.body.getvalue()
    text = f"the photo's server answers {status}"
    if status in (404, 410):
        raise PhotoNotFound(text)
    if status in (401, 403, 407):
        raise PhotoForbidden(text)
    if status in AGAIN or status >= 500:
        raise DownloadFailed(text)
    raise PhotoRefused(text)


def too_large(limit: int) -> PhotoTooLarge:
    """The error of a photo of more than ``limit`` bytes."""
    return PhotoTooLarge(f"photo has more than {limit} bytes")
