"""Keys, and statements signed with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from damage_tasks.errors import SettingsError
from damage_tasks.evidence.signatures import (
    canonical_json,
    configured_key,
    is_signed,
    key_id_of,
    load_key,
    new_key,
    public_key_of,
    sign,
    trusted_keys,
)
from damage_tasks.settings import Settings

PEM = new_key().decode()
KEY = load_key(PEM)


def test_a_signature_covers_everything_in_the_statement() -> None:
    signed = sign({"parts": {"a": "1"}}, KEY)
    assert is_signed(signed)
    for changed in (
        {**signed, "parts": {"a": "2"}},
        {**signed, "more": 1},
        {**signed, "algorithm": "none"},
        {**signed, "key_id": "0" * 16},
        {**signed, "public_key": public_key_of(load_key(new_key().decode()))},
        {**signed, "public_key": 7},
        {name: signed[name] for name in signed if name != "value"},
    ):
        assert not is_signed(changed)


def test_another_key_is_another_signature() -> None:
    other = load_key(new_key().decode())
    mine, theirs = sign({"parts": {}}, KEY), sign({"parts": {}}, other)
    assert mine["key_id"] != theirs["key_id"]
    assert not is_signed({**mine, "value": theirs["value"]})


def test_equal_values_have_the_same_canonical_json() -> None:
    assert canonical_json({"b": [1, "é"], "a": None}) == '{"a":null,"b":[1,"é"]}'.encode()


def test_the_key_is_a_pem_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "evidence.pem"
    file.write_text(PEM)
    for value in (PEM, str(file)):
        key = configured_key(Settings(evidence_key=SecretStr(value) if value else None))
        assert public_key_of(key) == public_key_of(KEY)


def test_the_key_id_is_short_and_depends_on_the_key_only() -> None:
    public_key = public_key_of(KEY)
    assert key_id_of(public_key) == sign({}, KEY)["key_id"]
    assert len(public_key) == 64 and len(key_id_of(public_key)) == 16


def test_a_missing_or_wrong_key_is_named(tmp_path: Path) -> None:
    of_rsa = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for value, problem in (
        (None, "keygen"),
        (str(tmp_path / "none.pem"), "cannot be read"),
        ("-----BEGIN PRIVATE KEY-----", "not a readable PEM key"),
        (of_rsa.decode(), "must be an Ed25519 key"),
    ):
        with pytest.raises(SettingsError, match=problem):
            configured_key(Settings(evidence_key=SecretStr(value) if value else None))


def test_the_own_key_and_those_in_the_setting_are_trusted() -> None:
    other = public_key_of(load_key(new_key().decode()))
    assert trusted_keys(Settings()) == frozenset()
    assert trusted_keys(Settings(evidence_public_keys=(other,))) == {other}
    both = Settings(evidence_key=SecretStr(PEM), evidence_public_keys=(other,))
    assert trusted_keys(both) == {other, public_key_of(KEY)}


def test_a_public_key_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        Settings(evidence_public_keys=("abc",))
