"""Downloads over HTTP with libcurl, which enforces all limits.

libcurl's timeouts also stop slow, dripping downloads.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pycurl

from damage_tasks.errors import (
    DamageTaskError,
    DownloadFailed,
    PhotoNotFound,
    PhotoRefused,
    TooManyRedirects,
    UrlInvalid,
    UrlNotAllowed,
)
from damage_tasks.photos.address_guard import AddressGuard
from damage_tasks.photos.http_response import HttpResponse, body_of, too_large
from damage_tasks.photos.redirects import redirect_target
from damage_tasks.photos.url_policy import HttpUrl, parse_url

if TYPE_CHECKING:
    from damage_tasks.settings import Settings
    from damage_tasks.storage.s3 import Signer

MIN_BYTES_PER_SECOND = 1024  # bytes per second
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})


# Response errors: HTTP/0.9 or no HTTP at all, contradicting lengths, unknown transfer encodings,
# and more headers than libcurl accepts (100, for which pycurl has no name).
NOT_HTTP_ERRORS = frozenset({
    pycurl.E_UNSUPPORTED_PROTOCOL,
    pycurl.E_FTP_WEIRD_SERVER_REPLY,
    pycurl.E_BAD_CONTENT_ENCODING,
    100,
})  # fmt: skip


class HttpDownload:
    """Keeps one libcurl handle per thread, so that connections are reused."""

    def __init__(self, settings: Settings, signer: Signer) -> None:
        self._settings = settings
        self._signer = signer
        self._kept = threading.local()

    def get(self, url: HttpUrl) -> bytes:
        """The body at ``url``; follows redirects one at a time and checks each like the first URL.

        Raises a `PhotoRejected` or `DownloadFailed`.
        """
        deadline = time.monotonic() + self._settings.download_timeout
        seen = set()
        for _ in range(self._settings.max_redirects + 1):
            if url.text in seen:
                raise TooManyRedirects("the photo's address redirects to itself")
            seen.add(url.text)
            signed = self._signer.sign(url.text, url.host)
            answer = self._request(url, signed, deadline)
            if answer.status not in REDIRECT_STATUSES or not answer.location:
                return body_of(answer, signed_by_us=signed != url.text)
            url = self._target(url, answer.location)
        raise TooManyRedirects(f"more than {self._settings.max_redirects} redirects")

    def _target(self, url: HttpUrl, location: bytes) -> HttpUrl:
        target = parse_url(redirect_target(url.text, location), self._settings)
        if not isinstance(target, HttpUrl):
            raise UrlNotAllowed("the photo's address redirects to a scheme other than http(s)")
        return target

    def _request(self, url: HttpUrl, signed: str, deadline: float) -> HttpResponse:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise DownloadFailed(f"not finished after {self._settings.download_timeout:g} s")
        answer = HttpResponse(self._settings.max_photo_bytes)
        guard = AddressGuard(self._settings.allow_private_addresses)
        curl = self._handle()
        self._set_limits(curl)
        curl.setopt(pycurl.URL, signed)
        curl.setopt(pycurl.TIMEOUT_MS, max(1, int(remaining * 1000)))
        curl.setopt(pycurl.WRITEFUNCTION, answer.taking(answer.write))
        curl.setopt(pycurl.HEADERFUNCTION, answer.taking(answer.header))
        guard.protect(curl, allow_http=self._settings.allow_http)
        try:
            with guard:
                curl.perform()
        except pycurl.error as error:
            if answer.interrupted is not None:
                raise answer.interrupted from None
            # The status of an error or a redirect is valid even if the body is incomplete.
            if answer.status < 300 or not answer.has_head:
                raise self._as_ours(error, url, answer, guard) from None
        finally:
            curl.reset()  # releases the response but keeps the connections
        if not answer.has_head:
            raise DownloadFailed("the response ends within its headers")
        return answer

    def _handle(self) -> pycurl.Curl:
        kept = self._kept
        if getattr(kept, "process", None) != os.getpid():
            # After a fork the connections belong to the parent: they must not be used, nor
            # closed, which would end the parent's TLS sessions.
            kept.parents = getattr(kept, "curl", None)
            kept.curl, kept.process = pycurl.Curl(), os.getpid()
        return kept.curl

    def _set_limits(self, curl: pycurl.Curl) -> None:
        settings = self._settings
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, int(settings.connect_timeout * 1000)))
        curl.setopt(pycurl.LOW_SPEED_LIMIT, MIN_BYTES_PER_SECOND)
        curl.setopt(pycurl.LOW_SPEED_TIME, max(1, round(settings.stall_timeout)))
        curl.setopt(pycurl.MAXFILESIZE_LARGE, settings.max_photo_bytes)

    def _as_ours(
        self, error: pycurl.error, url: HttpUrl, answer: HttpResponse, guard: AddressGuard
    ) -> DamageTaskError:
        number, text = error.args[0], error.args[1] if len(error.args) > 1 else ""
        if answer.problem:
            return answer.problem
        if number == pycurl.E_FILESIZE_EXCEEDED:
            return too_large(self._settings.max_photo_bytes)
        if number in NOT_HTTP_ERRORS:
            return PhotoRefused(f"the photo's server does not speak HTTP: {text}")
        if number == pycurl.E_URL_MALFORMAT:
            return UrlInvalid("libcurl cannot parse the URL")
        if number == pycurl.E_COULDNT_CONNECT and guard.refused:
            # Do not name the address: it would tell a caller about our network.
            return UrlNotAllowed(
                f"{url.host} has no public address (DAMAGE_ALLOW_PRIVATE_ADDRESSES)"
            )
        if number == pycurl.E_COULDNT_RESOLVE_HOST and _does_not_exist(url.host):
            return PhotoNotFound(f"host {url.host} does not exist")
        return DownloadFailed(f"{text or 'download failed'} (curl {number})")


def _does_not_exist(host: str) -> bool:
    # libcurl does not distinguish a name that does not exist from an unavailable DNS server.
    try:
        socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))
    except UnicodeError:
        return True
    return False
