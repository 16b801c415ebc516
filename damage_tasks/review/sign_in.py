"""Sign-in with names and passwords, with headers of a proxy, or none on loopback."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from typing import Protocol

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from damage_tasks.errors import SettingsError
from damage_tasks.review.people import Identity, is_valid_name
from damage_tasks.review.request_language import language_of


class SignIn(Protocol):
    """One way to sign in."""

    async def identify(self, request: Request) -> Identity | None:
        """Who sent ``request``; None if nobody has signed in."""

    def attempted_name(self, request: Request) -> str | None:
        """The name that a refused ``request`` gave, not verified; None if it tried no sign-in."""

    def challenge(self, request: Request) -> Response:
        """What somebody who has not signed in gets."""


class LocalSignIn:
    """No sign-in: everybody on this machine is the person ``local``."""

    async def identify(self, _: Request) -> Identity | None:
        """The person ``local``."""
        return Identity("local")

    def attempted_name(self, _: Request) -> str | None:
        """None."""
        return None

    def challenge(self, request: Request) -> Response:
        """Never needed."""
        return refusal(request)


class BasicSignIn:
    """Names and passwords, which browsers ask for."""

    def __init__(self, passwords: str | None) -> None:
        pairs = [entry.strip().partition(":") for entry in (passwords or "").split(",")]
        if not all(name and password for name, _, password in pairs):
            raise SettingsError(
                "DAMAGE_REVIEW_PASSWORDS: must be NAME:PASSWORD, comma-separated; neither may be "
                "empty"
            )
        self._passwords = {name: password.encode() for name, _, password in pairs}

    async def identify(self, request: Request) -> Identity | None:
        """The person whose name and password the browser sent."""
        scheme, name, password = _credentials(request)
        expected = self._passwords.get(name)
        # Compared even for unknown names, so that the time does not tell which names exist.
        is_right = hmac.compare_digest(password.encode(), expected or b"\0")
        is_known = scheme.lower() == "basic" and expected is not None
        return Identity(name) if is_known and is_right else None

    def attempted_name(self, request: Request) -> str | None:
        """The name that the browser sent."""
        return _credentials(request)[1] if "Authorization" in request.headers else None

    def challenge(self, request: Request) -> Response:
        """Let the browser ask for name and password."""
        return refusal(request, {"WWW-Authenticate": 'Basic realm="damage-tasks", charset="UTF-8"'})


class ProxySignIn:
    """Headers of oauth2-proxy, only from the proxies' own addresses.

    https://oauth2-proxy.github.io/oauth2-proxy/configuration/overview/
    """

    def __init__(self, proxies: tuple[str, ...]) -> None:
        if not proxies:
            raise SettingsError("DAMAGE_REVIEW_PROXIES: is needed for the sign-in proxy")
        self._proxies = [ipaddress.ip_network(proxy) for proxy in proxies]

    async def identify(self, request: Request) -> Identity | None:
        """The person whom the proxy names."""
        peer = request.client.host if request.client else ""
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return None
        if not any(address in proxy for proxy in self._proxies):
            return None
        name = _forwarded_name(request) or ""
        groups = request.headers.get("X-Auth-Request-Groups", "").split(",")
        found = frozenset(group.strip() for group in groups if group.strip())
        return Identity(name, found) if is_valid_name(name) else None

    def attempted_name(self, request: Request) -> str | None:
        """The name in the headers, which somebody else than the proxies has sent."""
        return _forwarded_name(request)

    def challenge(self, request: Request) -> Response:
        """The proxy has to sign people in."""
        return refusal(request)


def _credentials(request: Request) -> tuple[str, str, str]:
    """Scheme, name and password of ``Authorization``; name and password may be empty."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        text = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    name, _, password = text.partition(":")
    return scheme, name, password


def _forwarded_name(request: Request) -> str | None:
    headers = request.headers
    return headers.get("X-Auth-Request-Email") or headers.get("X-Auth-Request-User")


def refusal(request: Request, headers: dict[str, str] | None = None) -> Response:
    """The response to somebody who has not signed in."""
    return PlainTextResponse(language_of(request).gettext("Sign in first."), 401, headers)
