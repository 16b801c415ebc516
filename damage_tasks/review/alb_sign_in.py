"""Sign-in with the tokens of an AWS Application Load Balancer.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html
"""

from __future__ import annotations

import base64
import json
import re
import time
from typing import TYPE_CHECKING, Any

import httpx2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from damage_tasks.errors import SettingsError
from damage_tasks.review.sign_in import refusal
from damage_tasks.review.token_claims import identity_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from damage_tasks.review.people import Identity
    from damage_tasks.settings import Settings

_ARN = re.compile(r"arn:[\w-]+:elasticloadbalancing:(?P<region>[\w-]+):\d{12}:loadbalancer/.+")
_KEY_ID = re.compile(r"[\w-]{1,128}")
MAX_KEYS = 16
TIMEOUT_SECONDS = 5.0
_HALF_BYTES = 32  # of a signature: r, then s


class AlbSignIn:
    """Verifies ``x-amzn-oidc-data``: signature, signer, and time."""

    def __init__(self, settings: Settings) -> None:
        self._arn = settings.require("review_alb_arn")
        found = _ARN.fullmatch(self._arn)
        if found is None:
            raise SettingsError("DAMAGE_REVIEW_ALB_ARN: is not the ARN of a load balancer")
        default = f"https://public-keys.auth.elb.{found['region']}.amazonaws.com"
        self._keys_url = settings.review_alb_keys_url or default
        self._groups_claim = settings.review_groups_claim
        self._keys: dict[str, ec.EllipticCurvePublicKey] = {}

    async def identify(self, request: Request) -> Identity | None:
        """The person whom the load balancer signed in."""
        token = request.headers.get("x-amzn-oidc-data", "")
        signed, _, signature = token.rpartition(".")
        try:
            header, claims = map(_decoded, signed.split("."))
            # A token that another load balancer signed is as valid as ours.
            if (header["alg"], header["signer"]) != ("ES256", self._arn):
                return None
            if header["exp"] < time.time():
                return None
            key = await self._key(header["kid"])
            _verify(key, signed.encode(), base64.urlsafe_b64decode(signature))
        except (ValueError, KeyError, TypeError, InvalidSignature, httpx2.HTTPError):
            return None
        return identity_of(claims, self._groups_claim)

    def attempted_name(self, request: Request) -> str | None:
        """Empty: the names in a token that is not valid are not worth a line."""
        return "" if "x-amzn-oidc-data" in request.headers else None

    def challenge(self, request: Request) -> Response:
        """The load balancer has to sign people in."""
        return refusal(request)

    async def _key(self, id: str) -> ec.EllipticCurvePublicKey:
        if not _KEY_ID.fullmatch(id):
            raise ValueError(id)
        if id not in self._keys:
            async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
                answer = (await client.get(f"{self._keys_url}/{id}")).raise_for_status()
            key = load_pem_public_key(answer.content)
            if not isinstance(key, ec.EllipticCurvePublicKey):
                raise TypeError(id)
            if len(self._keys) >= MAX_KEYS:
                self._keys.clear()
            self._keys[id] = key
        return self._keys[id]


def _decoded(part: str) -> dict[str, Any]:
    # The parts are padded, unlike in RFC 7515, so libraries for JWT reject them.
    found = json.loads(base64.urlsafe_b64decode(part))
    if not isinstance(found, dict):
        raise TypeError(part)
    return found


def _verify(key: ec.EllipticCurvePublicKey, signed: bytes, signature: bytes) -> None:
    """Raise `InvalidSignature` unless ``signature`` (r and s) is that of ``signed``."""
    if len(signature) != 2 * _HALF_BYTES:
        raise InvalidSignature
    r, s = (
        int.from_bytes(half, "big") for half in (signature[:_HALF_BYTES], signature[_HALF_BYTES:])
    )
    key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
