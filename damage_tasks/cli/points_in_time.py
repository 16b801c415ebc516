"""Points in time and periods on the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload
from zoneinfo import ZoneInfo

import typer

from damage_tasks.settings import get_settings

Period = tuple[datetime | None, datetime | None]  # from and until

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_FORMS = "like 2h, 3d or 2026-11-22T12:00"


def parse_past(text: str | None, option: str) -> datetime | None:
    """The time of ``2h``, ``3d`` (ago) or ``2026-11-22T12:00``.

    A time without an offset from UTC is one in the time zone of the settings.

    Raises `typer.BadParameter`, which names ``option``, also for a time in the future.
    """
    if text is None:
        return None
    now = datetime.now(UTC)
    moment = _moment(text, option, now)
    _check_past(moment, now, text, option)
    return moment


@overload
def parse_period(since: str, until: str | None = None) -> tuple[datetime, datetime | None]: ...
@overload
def parse_period(since: str | None, until: str | None = None) -> Period: ...
def parse_period(since: str | None, until: str | None = None) -> Period:
    """The times of ``--since`` and ``--until``, in the forms that `parse_past` takes.

    ``until`` may be in the future, so that the date of tomorrow includes all of today. Raises
    `typer.BadParameter` for a period in which nothing can have happened.
    """
    now = datetime.now(UTC)  # one for both, since 2h is not before 2h
    begin = None if since is None else _moment(since, "--since", now)
    end = None if until is None else _moment(until, "--until", now)
    if begin is not None:
        _check_past(begin, now, since, "--since")
        if end is not None:
            check_order(begin, end, since, until)
    return begin, end


def check_order(begin: datetime, end: datetime, since: object, until: object) -> None:
    """Raise `typer.BadParameter` unless ``begin`` is before ``end``.

    ``since`` and ``until`` are how the two were written, for the message.
    """
    if begin >= end:
        raise typer.BadParameter(
            f"--since {since} is not before --until {until}: give an earlier --since or a later "
            "--until"
        )


def _check_past(moment: datetime, now: datetime, text: str | None, option: str) -> None:
    if moment > now:
        raise typer.BadParameter(
            f"{option} {text} is in the future: give a time that has passed, {_FORMS}"
        )


def _moment(text: str, option: str, now: datetime) -> datetime:
    try:
        if text[-1:] in _UNITS:
            ago = timedelta(**{_UNITS[text[-1]]: float(text[:-1])})
            if ago < timedelta(0):
                raise ValueError
            return now - ago
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(get_settings().time_zone))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{option} must be {_FORMS}") from None
