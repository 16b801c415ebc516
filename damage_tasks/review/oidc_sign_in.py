"""Sign-in with OpenID Connect: authorization code flow with PKCE."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx2
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from damage_tasks.review.form_check import takes_form
from damage_tasks.review.page_security import own_path, safe_path
from damage_tasks.review.people import Identity
from damage_tasks.review.sign_in import refusal
from damage_tasks.review.sign_in_audit import (
    note_refused_sign_in,
    note_sign_in,
    person_of_session,
)
from damage_tasks.review.token_claims import identity_of
from damage_tasks.telemetry.audit_log import audit_log

if TYPE_CHECKING:
    from damage_tasks.settings import Settings

SESSION_SECONDS = 8 * 3600
CALLBACK = "/sign-in/callback"


class OidcSignIn:
    """Keeps who signed in, and until when, in the signed session cookie."""

    def __init__(self, settings: Settings) -> None:
        self._redirect = settings.require("review_url") + CALLBACK
        self._groups_claim = settings.review_groups_claim
        secret = settings.review_oidc_client_secret
        self._client = OAuth().register(
            "review",
            client_id=settings.require("review_oidc_client_id"),
            client_secret=secret.get_secret_value() if secret else None,
            server_metadata_url=settings.require("review_oidc_issuer")
            + "/.well-known/openid-configuration",
            client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256"},
        )

    @property
    def routes(self) -> list[Route]:
        """The pages of the sign-in."""
        return [
            Route("/sign-in", self._begin),
            Route(CALLBACK, self._end),
            Route("/sign-out", takes_form(self._sign_out), methods=["POST"]),
        ]

    async def identify(self, request: Request) -> Identity | None:
        """The person in the session."""
        found = request.session.get("person")
        if not found or found["until"] < time.time():
            return None
        return Identity(found["name"], frozenset(found["groups"]))

    def attempted_name(self, _: Request) -> str | None:
        """None: people sign in at another address, which notes what it refuses."""
        return None

    def challenge(self, request: Request) -> Response:
        """Send browsers to the sign-in; their other requests are refused."""
        if request.method != "GET" or "text/html" not in request.headers.get("Accept", ""):
            return refusal(request)
        return RedirectResponse(f"/sign-in?next={quote(own_path(request))}", 303)

    async def _begin(self, request: Request) -> Response:
        request.session["next"] = safe_path(request.query_params.get("next", "/"))
        try:
            answer: Response = await self._client.authorize_redirect(request, self._redirect)
        except (httpx2.HTTPError, OAuthError):
            return refusal(request)
        return answer

    async def _end(self, request: Request) -> Response:
        try:
            token = await self._client.authorize_access_token(request)
            identity = identity_of(token.get("userinfo") or {}, self._groups_claim)
        except (httpx2.HTTPError, JoseError, OAuthError):
            identity = None
        if identity is None:
            note_refused_sign_in(request)
            return refusal(request)
        wanted = request.session.get("next", "/")
        request.session.clear()  # a new session, which nobody else can know
        request.session["person"] = {
            "name": identity.name,
            "groups": sorted(identity.groups),
            "until": time.time() + SESSION_SECONDS,
        }
        note_sign_in(request, identity.name)
        return RedirectResponse(wanted, 303)

    async def _sign_out(self, request: Request) -> Response:
        if (name := person_of_session(request)) is not None:
            audit_log.info("signed out", extra={"person": name})
        request.session.clear()
        return RedirectResponse("/", 303)
