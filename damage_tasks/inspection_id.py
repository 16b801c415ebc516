"""Ids of inspections in the form in which they are stored."""

from __future__ import annotations

from hashlib import sha256

MAX_ID_BYTES = 1024  # of an inspection's id in UTF-8; databases index at most 2700


def storable_id(id: str) -> str:
    """The id under which an inspection is stored for a task whose id is ``id``.

    It is ``id`` itself, or a digest of an id that is too long or not printable, so that the
    sender of such a message finds its rejection.
    """
    # Unprintable characters include lone surrogates, which cannot be encoded in UTF-8.
    encoded = id.encode("utf-8", "surrogatepass")
    if id.isprintable() and len(encoded) <= MAX_ID_BYTES:
        return id
    return f"sha256-{sha256(encoded).hexdigest()}"
