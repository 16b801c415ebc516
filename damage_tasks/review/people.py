"""Who uses the page, and what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

MAX_NAME_CHARACTERS = 256


class Role(IntEnum):
    """What a person may do; a higher role includes the lower ones."""

    VIEWER = 1  # look
    INSPECTOR = 2  # decide
    ADMIN = 3  # see how much everybody has decided


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed in; ``name`` is an e-mail address where there is one."""

    name: str
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Person:
    """A person who may use the page."""

    name: str
    role: Role

    @property
    def is_inspector(self) -> bool:
        """Whether this person may decide."""
        return self.role >= Role.INSPECTOR


def is_valid_name(name: str) -> bool:
    """Whether a decision can be stored under ``name``."""
    return 0 < len(name) <= MAX_NAME_CHARACTERS


def role_of(identity: Identity, entries: Iterable[str]) -> Role | None:
    """The highest role that ``entries`` (NAME=ROLE) give; None if there is none."""
    names = {identity.name, "*"} | identity.groups
    found = [
        Role[role.upper()]
        for name, _, role in (entry.rpartition("=") for entry in entries)
        if name in names
    ]
    return max(found, default=None)
