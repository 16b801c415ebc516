"""Audit lines about sign-ins, each person once a session, and about everything refused."""

from __future__ import annotations

from starlette.requests import Request

from damage_tasks.review.people import MAX_NAME_CHARACTERS
from damage_tasks.telemetry.audit_log import audit_log

_SIGNED_IN = "signed_in"


def note_sign_in(request: Request, name: str) -> None:
    """Write a line if ``name`` is new in this session; a client without cookies has none."""
    if request.session.get(_SIGNED_IN) != name:
        request.session[_SIGNED_IN] = name
        audit_log.info("signed in", extra={"person": name, "address": address_of(request)})


def note_refused_sign_in(request: Request, name: str | None = None) -> None:
    """Write a line about an attempt in the name of ``name``, if it gave one."""
    audit_log.warning(
        "sign-in refused",
        extra={
            "person": name[:MAX_NAME_CHARACTERS] if name else None,
            "path": request.url.path,
            "address": address_of(request),
        },
    )


def note_refusal(request: Request, name: str | None, reason: str) -> None:
    """Write a line about a refused request of ``name``; ``reason`` is a code for programs."""
    audit_log.warning(
        "refused",
        extra={
            "person": name,
            "path": request.url.path,
            "reason": reason,
            "address": address_of(request),
        },
    )


def person_of_session(request: Request) -> str | None:
    """Who signed in last in this session."""
    name: str | None = request.session.get(_SIGNED_IN)
    return name


def address_of(request: Request) -> str | None:
    """Where the connection comes from: the browser, or the proxy before this page."""
    return request.client.host if request.client else None
