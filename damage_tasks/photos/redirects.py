"""Resolves redirects in the same way as libcurl."""

from __future__ import annotations

import re
from urllib.parse import urljoin

from damage_tasks.errors import UrlInvalid

# One to three slashes, as in `https:/host`.
_SLASHES = re.compile(rb"\A(https?:)/{1,3}(?!/)", re.IGNORECASE)
_LOCATION = re.compile(
    rb"(?P<origin>([a-z][a-z0-9+.-]*:)?//[^/?#]*)?(?P<path>[^?]*)(?P<query>.*)",
    re.IGNORECASE | re.DOTALL,
)


def redirect_target(url: str, location: bytes) -> str:
    """The URL that a redirect from ``url`` with the Location header ``location`` leads to.

    Escapes spaces, control characters and non-ASCII bytes in path and query, because servers
    often fail to.  Raises `UrlInvalid` if the result is not a URL.
    """
    parts = _LOCATION.fullmatch(_SLASHES.sub(rb"\1//", location, count=1))
    assert parts is not None  # it matches any bytes
    try:
        origin = (parts["origin"] or b"").decode()
        return urljoin(url, origin + _escape(parts["path"], "%20") + _escape(parts["query"], "+"))
    except ValueError:
        raise UrlInvalid("the photo's address redirects to an invalid URL") from None


def _escape(part: bytes, space: str) -> str:
    return "".join(
        chr(byte) if 0x20 < byte < 0x7F else space if byte == 0x20 else f"%{byte:02X}"
        for byte in part
    )
