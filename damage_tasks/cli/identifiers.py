"""Checks of the ids of photos, inspections and cases on the command line."""

from __future__ import annotations

import re

import typer

from damage_tasks.inspection_id import storable_id

_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    """Whether ``text`` is a SHA-256 in lower-case hexadecimal."""
    return _SHA256.fullmatch(text) is not None


def photo_or_none(text: str | None) -> str | None:
    """A photo's URL, or its SHA-256 in lower case; raises `typer.BadParameter` for other texts."""
    if text is None or "://" in text:
        return text
    if not is_digest(digest := text.lower()):
        raise typer.BadParameter("must be a SHA-256 (64 hexadecimal digits) or a URL (https://...)")
    return digest


def stored_id(text: str) -> str:
    """The id of an inspection or a case as it is stored; raises `typer.BadParameter` if empty.

    Callers may choose any other text.
    """
    if not text:
        raise typer.BadParameter(
            "is empty: give the id that `detect_damage.delay` returned, SQS's MessageId, or the id "
            "that the caller chose"
        )
    return storable_id(text)


def id_or_none(text: str | None) -> str | None:
    """`stored_id` of an optional argument."""
    return None if text is None else stored_id(text)


def ids_or_none(texts: list[str] | None) -> list[str] | None:
    """`stored_id` of each of several."""
    return texts and list(map(stored_id, texts))
