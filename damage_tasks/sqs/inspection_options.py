"""The options of an inspection, checked and converted to the headers of its message.

A raw message has them in the object ``inspection``, and Python callers pass the same object to
`detect_damage`.  Headers keep them out of the task's arguments, so that workers of older versions
run the message too.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from damage_tasks.inspection_id import MAX_ID_BYTES
from damage_tasks.sqs.task_names import is_task_id

Json = dict[str, Any]

OPTIONS_KEY = "inspection"  # the key of a raw message's options; other keys are metadata

# --- headers
DEADLINE = "deadline"
CASE_ID = "case_id"
CASE_PHOTOS = "case_photos"
CALLBACK_URL = "callback_url"
OWN_ID = "own_id"  # whether the sender chose the id, so that there may be an earlier message
MESSAGE_ID = "message_id"  # of the first message, which a retry keeps
HAD_PHOTO = "had_photo"
FIRST_SENT = "first_sent"  # when SQS accepted the first message, in seconds since 1970
UPLOADED = "uploaded"  # whether an S3 event announced the photo
PROBLEM = "problem"  # what is wrong with a malformed message
# What a message's retry, or its replay from the dead-letter queue, keeps.
CARRIED = (
    DEADLINE,
    CASE_ID,
    CASE_PHOTOS,
    CALLBACK_URL,
    OWN_ID,
    MESSAGE_ID,
    HAD_PHOTO,
    UPLOADED,
)

_OPTIONS = ("id", CASE_ID, CASE_PHOTOS, DEADLINE, CALLBACK_URL)
_MAX_CASE_PHOTOS = 1000
_MAX_URL_CHARACTERS = 2048


def option_headers(options: Any) -> tuple[str | None, Json]:
    """The sender's own id, if there is one, and the headers for the other options.

    Options that are None count as absent.  Raises `ValueError` that names a wrong option.
    """
    if not isinstance(options, dict):
        raise ValueError(f"{OPTIONS_KEY} must be an object")
    if unknown := options.keys() - set(_OPTIONS):
        raise ValueError(
            f"{OPTIONS_KEY} has the unknown option {str(min(unknown, key=str))[:80]!r}; "
            f"known are {', '.join(_OPTIONS)}"
        )
    id = _checked_id("id", options.get("id"))
    headers = {
        CASE_ID: _checked_id(CASE_ID, options.get(CASE_ID)),
        CASE_PHOTOS: _checked_number(CASE_PHOTOS, options.get(CASE_PHOTOS), _MAX_CASE_PHOTOS),
        DEADLINE: _iso_deadline(options.get(DEADLINE)),
        CALLBACK_URL: _checked_url(options.get(CALLBACK_URL)),
        OWN_ID: True if id is not None else None,
    }
    return id, {name: value for name, value in headers.items() if value is not None}


def carried_headers(headers: Json, message_id: str) -> Json:
    """The headers of an existing message that concern its inspection, checked.

    ``message_id`` is its SQS MessageId.  An expiry time, which Celery's callers can set,
    becomes the deadline.  Raises `ValueError` for an option that is not valid.
    """
    names = {name: headers.get(name) for name in (CASE_ID, CASE_PHOTOS, CALLBACK_URL)}
    _, carried = option_headers(names)
    # Celery itself never sends an expiry that it cannot parse.
    with suppress(ValueError, OverflowError):
        deadline = _iso_deadline(headers.get(DEADLINE) or headers.get("expires"))
        carried |= {DEADLINE: deadline} if deadline else {}
    for flag in (OWN_ID, HAD_PHOTO, UPLOADED):
        if headers.get(flag) is True:
            carried[flag] = True
    if isinstance(headers.get(FIRST_SENT), float):
        carried[FIRST_SENT] = headers[FIRST_SENT]
    first = headers.get(MESSAGE_ID)
    return {**carried, MESSAGE_ID: first if is_task_id(first) else message_id}


def check_expires(value: Any) -> None:
    """Check Celery's option ``expires``; raises `ValueError`."""
    try:
        if isinstance(value, str):
            datetime.fromisoformat(value)
        elif value is not None and not isinstance(value, datetime):
            datetime.now(UTC) + timedelta(seconds=value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            "expires must be a number of seconds, a datetime or a time in ISO 8601"
        ) from None


def _checked_id(name: str, value: Any) -> str | None:
    if value is None or is_task_id(value):
        return value
    raise ValueError(
        f"{OPTIONS_KEY}.{name} must be 1 to {MAX_ID_BYTES} bytes of printable characters"
    )


def _checked_number(name: str, value: Any, most: int) -> int | None:
    if value is None or (type(value) is int and 1 <= value <= most):
        return value
    raise ValueError(f"{OPTIONS_KEY}.{name} must be a whole number from 1 to {most}")


def _iso_deadline(value: Any) -> str | None:
    """A deadline, as a `datetime` or in ISO 8601 and by default in UTC, as ISO 8601 in UTC."""
    try:
        moment = value if value is None or isinstance(value, datetime) else _parsed(value)
        if moment is None:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat()
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"{OPTIONS_KEY}.{DEADLINE} must be a time in ISO 8601, such as 2026-12-31T12:00:00Z"
        ) from None


def _parsed(text: Any) -> datetime:
    return datetime.fromisoformat(text)


def _checked_url(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and value.isprintable() and len(value) <= _MAX_URL_CHARACTERS:
        with suppress(ValueError):
            parts = urlsplit(value)
            if parts.scheme in ("https", "http") and parts.hostname:
                return value
    raise ValueError(
        f"{OPTIONS_KEY}.{CALLBACK_URL} must be a URL of at most {_MAX_URL_CHARACTERS} "
        "characters with https://, or with http:// if DAMAGE_ALLOW_HTTP is set"
    )
