"""Restricts libcurl to public addresses; for photos and webhooks alike."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from typing import Any

import certifi
import pycurl

from damage_tasks.photos.url_policy import is_public


class AddressGuard(ExitStack):
    """Opens sockets for libcurl, only to allowed addresses.

    libcurl reports each address before it connects, so the address that is checked is the one
    that is used.
    """

    def __init__(self, allow_private: bool) -> None:
        super().__init__()
        self.refused = False
        self._allow_private = allow_private

    def protect(self, curl: pycurl.Curl, *, allow_http: bool) -> None:
        """Let ``curl`` connect through this guard only, without redirects and proxies."""
        http = pycurl.PROTO_HTTP if allow_http else 0
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTPS | http)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.NETRC, 0)
        curl.setopt(pycurl.CAINFO, _ca_file())
        curl.setopt(pycurl.USERAGENT, "damage-tasks")
        # A proxy from the environment would connect on our behalf, without our address check.
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)

    def _open(self, _purpose: int, to: Any) -> Any:
        """A socket for the address ``to.addr``, to which libcurl connects next."""
        if self._allow_private or is_public(to.addr[0]):
            # libcurl works with a duplicate; this one is closed with the guard.
            return self.enter_context(socket.socket(to.family, to.socktype, to.protocol))
        self.refused = True
        return pycurl.SOCKET_BAD


def _ca_file() -> str:
    # The variables that boto3 and requests also read, for companies with their own CA.
    return (
        os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where()
    )
