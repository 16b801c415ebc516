"""Evidence about inspections: how it is signed and verified."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from damage_tasks.settings.base import CommaSeparated, Group, setting


def _public_key(entry: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", entry):
        raise ValueError(f'"{entry}" is not a public key (64 hexadecimal digits)')
    return entry


PublicKeys = CommaSeparated[Annotated[str, AfterValidator(_public_key)]]


class EvidenceSettings(Group):
    """Evidence about inspections: how it is signed and verified."""

    evidence_key: SecretStr | None = setting(
        None,
        "Private key that signs evidence: Ed25519 in PEM, or the path of such a file. "
        "`damage-tasks evidence keygen` makes one; without it, no evidence can be made.",
        "/run/secrets/evidence.pem",
    )
    evidence_public_keys: PublicKeys = setting(
        (),
        "Public keys whose evidence `damage-tasks evidence verify` accepts, besides that of "
        "`DAMAGE_EVIDENCE_KEY`, comma-separated: earlier keys, and those of other deployments.",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    )
