"""Points in time on the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse_moment(text: str | None, option: str) -> datetime | None:
    """The time of ``2h``, ``3d`` (ago) or ``2026-11-22T12:00`` (local unless it has a time zone).

    Raises `typer.BadParameter`, which names ``option``.
    """
    if text is None:
        return None
    try:
        if text[-1:] in _UNITS:
            ago = timedelta(**{_UNITS[text[-1]]: float(text[:-1])})
            if ago < timedelta(0):
                raise ValueError
            return datetime.now(UTC) - ago
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{option} must be like 2h, 3d or 2026-11-22T12:00") from None
