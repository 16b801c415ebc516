"""What the verification of an evidence file found."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from damage_tasks.evidence.signatures import key_id_of


@dataclass(frozen=True, slots=True)
class Verification:
    """``public_key`` is that of the signature; ``problems`` is empty for valid evidence."""

    public_key: str | None
    problems: tuple[str, ...] = ()

    def by_one_of(self, trusted: Collection[str]) -> Verification:
        """The same, with a problem unless the public key is in ``trusted``."""
        if self.problems or self.public_key in trusted:
            return self
        name = key_id_of(self.public_key or "")
        if trusted:
            text = f"signed with the unknown key {name}: {self.public_key}"
        else:
            text = (
                f"intact, but nothing says whose key {name} is: give the expected public key with "
                "--public-key or DAMAGE_EVIDENCE_PUBLIC_KEYS"
            )
        return replace(self, problems=(text,))
