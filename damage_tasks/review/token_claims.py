"""Reads a person from the claims of a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from damage_tasks.review.people import Identity, is_valid_name


def identity_of(claims: Mapping[str, Any], groups_claim: str) -> Identity | None:
    """The person in ``claims``: the e-mail address unless it is unverified, else ``sub``."""
    name = claims.get("email") if claims.get("email_verified", True) in (True, "true") else None
    name = name or claims.get("sub")
    if not isinstance(name, str) or not is_valid_name(name):
        return None
    groups = claims.get(groups_claim) or ()
    if isinstance(groups, str):
        groups = groups.split(",")
    if not isinstance(groups, list | tuple):
        groups = ()
    return Identity(name, frozenset(str(group).strip() for group in groups))
