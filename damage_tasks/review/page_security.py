"""What every request and response of the page must fulfil: host, origin, policy of contents."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from damage_tasks.http_access import is_from_other_site, is_loopback
from damage_tasks.review.request_language import language_of
from damage_tasks.review.sign_in_audit import note_refusal

HEALTH = "/health"  # load balancers use addresses as the host
# Everything comes from the page's own server; nothing runs that is written inside a page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class PageSecurity:
    """Refuses requests for other hosts and changes by other sites; adds `HEADERS`.

    ``public_url`` is the page's URL for browsers. Without one, only ``any_host`` allows names
    other than loopback's.
    """

    def __init__(self, app: ASGIApp, public_url: str | None, any_host: bool) -> None:
        self._app = app
        self._own = urlsplit(public_url or "").hostname
        self._any_host = any_host and self._own is None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_secured(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refusal(Request(scope))
        app = PlainTextResponse(refused, 403) if refused else self._app
        await app(scope, receive, send_secured)

    def _refusal(self, request: Request) -> str | None:
        host = request.headers.get("host", "")
        path = request.scope["path"]
        if path != HEALTH and not self._is_own(urlsplit(f"//{host}").hostname or ""):
            return language_of(request).gettext("This is not the host of this page.")
        changes = request.method not in ("GET", "HEAD", "OPTIONS")
        if changes and is_from_other_site(request.headers, host):
            note_refusal(request, None, "other_site")
            return language_of(request).gettext("Requests of other sites are refused.")
        return None

    def _is_own(self, host: str) -> bool:
        return self._any_host or is_loopback(host) or host == self._own


def csrf_token(request: Request) -> str:
    """The token that every form of this session must send."""
    token: str = request.session.setdefault("csrf", secrets.token_urlsafe(32))
    return token


def has_csrf_token(request: Request, sent: object) -> bool:
    """Whether ``sent`` is the token of this session."""
    expected: str = request.session.get("csrf", "")
    return bool(expected) and hmac.compare_digest(str(sent).encode(), expected.encode())


def own_path(request: Request) -> str:
    """Path and query of ``request``."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def safe_path(wanted: str) -> str:
    """``wanted`` if it is a path on this site, else ``/``."""
    # A browser would leave this site for //evil.example and /\evil.example.
    return wanted if wanted[:1] == "/" and wanted[1:2] not in "/\\" else "/"
