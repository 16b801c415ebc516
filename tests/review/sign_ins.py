"""People who sign in to the inspectors' page: by password, proxy, load balancer, OpenID Connect."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.review.conftest import Open, ReviewSite, served
from tools.loopback_web_server import Site

ROLES = ("ann=inspector", "ann=viewer", "vic=viewer", "chiefs=admin")
ALB = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/review/0123abcd"
SESSION_KEY = "k" * 32
MODES = ("basic", "proxy", "alb", "oidc")

# Gives requests of a client the name and the groups of a person.
SignIn = Callable[..., None]


def alb_token(key: ECKey, claims: dict[str, Any] | None = None, **header: Any) -> str:
    """A token as the load balancer makes it: its parts are padded, unlike in RFC 7515."""
    head = {"alg": "ES256", "kid": "key-1", "signer": ALB, "exp": int(time.time()) + 60, **header}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode()
        for part in (head, claims or {"sub": "u-1", "email": "ann"})
    ]
    signed = ".".join(parts)
    signature = key.get_op_key("sign").sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
    r, s = utils.decode_dss_signature(signature)
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return f"{signed}.{base64.urlsafe_b64encode(raw).decode()}"


def issuer(key: RSAKey, state: dict[str, Any]) -> Starlette:
    """A small OpenID provider that signs in ``state["claims"]`` without asking."""

    def metadata(request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        return JSONResponse({
            "issuer": base, "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token", "jwks_uri": f"{base}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        })  # fmt: skip

    def authorize(request: Request) -> Response:
        state["asked"] = dict(request.query_params)
        target = f"{request.query_params['redirect_uri']}?code=c-1"
        return RedirectResponse(f"{target}&state={request.query_params['state']}")

    async def token(request: Request) -> Response:
        state["form"] = dict(await request.form())
        now = int(time.time())
        issuer = str(request.base_url).rstrip("/")
        nonce = state["asked"].get("nonce")
        claims = {"iss": issuer, "aud": "review", "iat": now, "exp": now + 60, "nonce": nonce}
        claims |= state["claims"]
        signing = state.get("signing_key", key)
        id_token = jwt.encode({"alg": "RS256", "kid": key.kid}, claims, signing)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": id_token})

    def keys(_: Request) -> Response:
        return JSONResponse({"keys": [key.as_dict(private=False)]})

    return Starlette(routes=[
        Route("/.well-known/openid-configuration", metadata), Route("/authorize", authorize),
        Route("/token", token, methods=["POST"]), Route("/keys", keys),
    ])  # fmt: skip


def csrf_of(page: httpx2.Response) -> str:
    """The token in the forms of a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found
    return found[1]


def session_of(client: httpx2.Client) -> dict[str, Any]:
    """What the page's cookie holds."""
    data, _, _ = client.cookies["damage_review"].partition(".")
    found: dict[str, Any] = json.loads(base64.b64decode(data))
    return found


@contextmanager
def page_of(mode: str, review_site: Open, keys: Site) -> Iterator[tuple[ReviewSite, SignIn]]:
    """The page with the sign-in ``mode``, and what signs people in; ``keys`` serves public keys."""
    modes = {"basic": _basic, "proxy": _proxy, "alb": _alb, "oidc": _oidc}
    with modes[mode](review_site, keys) as opened:
        yield opened


@contextmanager
def _basic(review_site: Open, _: Site) -> Iterator[tuple[ReviewSite, SignIn]]:
    passwords = ",".join(f"{name}:{name}-secret" for name in ("ann", "vic", "dora", "eve"))
    with review_site(
        # Passwords name people only, not their groups.
        review_sign_in="basic", review_roles=(*ROLES, "dora=admin"), review_passwords=passwords
    ) as page:  # fmt: skip

        def sign_in(client: httpx2.Client, name: str, *_: str) -> None:
            client.auth = (name, f"{name}-secret")

        yield page, sign_in


@contextmanager
def _proxy(review_site: Open, _: Site) -> Iterator[tuple[ReviewSite, SignIn]]:
    with review_site(
        review_sign_in="proxy", review_roles=ROLES, review_proxies=("127.0.0.0/8",)
    ) as page:

        def sign_in(client: httpx2.Client, name: str, *groups: str) -> None:
            named = {"X-Auth-Request-Email": name, "X-Auth-Request-Groups": ",".join(groups)}
            client.headers.update(named)

        yield page, sign_in


@contextmanager
def _alb(review_site: Open, keys: Site) -> Iterator[tuple[ReviewSite, SignIn]]:
    key = ECKey.generate_key("P-256")
    keys.serve("/key-1", key.as_pem(private=False))
    with review_site(
        review_sign_in="alb", review_roles=ROLES, review_alb_arn=ALB, review_alb_keys_url=keys.url
    ) as page:

        def sign_in(client: httpx2.Client, name: str, *groups: str) -> None:
            token = alb_token(key, {"sub": name, "email": name, "groups": groups})
            client.headers["x-amzn-oidc-data"] = token

        yield page, sign_in


@contextmanager
def _oidc(review_site: Open, _: Site) -> Iterator[tuple[ReviewSite, SignIn]]:
    with oidc_page(review_site) as (page, state):

        def sign_in(client: httpx2.Client, name: str, *groups: str) -> None:
            state["claims"] = {"sub": name, "email": name, "groups": groups}
            assert end_of_sign_in(client).status_code == 303

        yield page, sign_in


@contextmanager
def oidc_page(review_site: Open) -> Iterator[tuple[ReviewSite, dict[str, Any]]]:
    """The page with OpenID Connect, and the state of the provider that `issuer` makes."""
    key = RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)
    state: dict[str, Any] = {}
    with (
        served(issuer(key, state)) as provider,
        review_site(
            review_sign_in="oidc", review_roles=ROLES, review_url="http://127.0.0.1",
            review_oidc_issuer=provider, review_oidc_client_id="review",
            review_oidc_client_secret="secret", review_session_key=SESSION_KEY,
        ) as page,
    ):  # fmt: skip
        yield page, state


def end_of_sign_in(client: httpx2.Client) -> httpx2.Response:
    """What the page answers when the provider has sent ``client`` back to it."""
    asked = client.get("/sign-in").headers["Location"]
    back = httpx2.get(asked, timeout=60).headers["Location"]
    return client.get(back.removeprefix("http://127.0.0.1"))
