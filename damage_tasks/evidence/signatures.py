"""Ed25519 keys, and statements signed with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from damage_tasks.errors import SettingsError

if TYPE_CHECKING:
    from damage_tasks.settings import Settings

ALGORITHM = "Ed25519"


def new_key() -> bytes:
    """A new private key in PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def load_key(pem: str) -> Ed25519PrivateKey:
    """The private key in ``pem``; raises `SettingsError` if that is not an Ed25519 key in PEM."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"DAMAGE_EVIDENCE_KEY: not a readable PEM key ({type(error).__name__})."
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError("DAMAGE_EVIDENCE_KEY: must be an Ed25519 key.")
    return key


def configured_key(settings: Settings) -> Ed25519PrivateKey:
    """The private key in ``settings``; raises `SettingsError` if there is none."""
    if not settings.evidence_key:
        raise SettingsError(
            "DAMAGE_EVIDENCE_KEY: is not set, and evidence must be signed. "
            "`damage-tasks evidence keygen FILE` makes a key."
        )
    value = settings.evidence_key.get_secret_value()
    try:
        pem = value if "-----BEGIN" in value else Path(value).read_text()
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"DAMAGE_EVIDENCE_KEY: the file cannot be read ({type(error).__name__})."
        ) from None
    return load_key(pem)


def public_key_of(key: Ed25519PrivateKey) -> str:
    """The public key as 64 hexadecimal digits."""
    return key.public_key().public_bytes_raw().hex()


def key_id_of(public_key: str) -> str:
    """A short name of a public key: the first 16 digits of its SHA-256."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:16]


def trusted_keys(settings: Settings) -> frozenset[str]:
    """The public keys whose evidence ``settings`` accept."""
    own = {public_key_of(configured_key(settings))} if settings.evidence_key else set()
    return frozenset(own | set(settings.evidence_public_keys))


def canonical_json(value: Any) -> bytes:
    """``value`` as JSON that is the same for equal values: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # A changed file may contain surrogates.
    return text.encode(errors="surrogatepass")


def sign(statement: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """``statement``, which has JSON types only, with the key and the signature."""
    public_key = public_key_of(key)
    signed = {
        **statement,
        "algorithm": ALGORITHM,
        "key_id": key_id_of(public_key),
        "public_key": public_key,
    }
    return {**signed, "value": key.sign(canonical_json(signed)).hex()}


def is_signed(statement: Mapping[str, Any]) -> bool:
    """Whether the signature in ``statement`` fits everything else in it."""
    try:
        value = bytes.fromhex(statement["value"])
        public_key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(statement["public_key"]))
        public_key.verify(
            value,
            canonical_json({name: statement[name] for name in statement if name != "value"}),
        )
    except (InvalidSignature, KeyError, TypeError, ValueError):
        return False
    # Hexadecimal digits could be written in capitals.
    is_as_written = value.hex() == statement["value"]
    return is_as_written and statement.get("key_id") == key_id_of(statement["public_key"])
