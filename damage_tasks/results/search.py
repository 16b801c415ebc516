"""The criteria by which inspections are found: metadata, photo, time and result."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from damage_tasks.damage import Severity
from damage_tasks.errors import SearchInvalid
from damage_tasks.inspection import Verdict
from damage_tasks.results.rows import storable_json
from damage_tasks.results.storable_text import storable
from damage_tasks.results.tables import damages, inspections
from damage_tasks.settings.connection_settings import METADATA_KEY

if TYPE_CHECKING:
    from damage_tasks.contract import InspectionCriteria

# A B-tree entry has at most 2700 bytes, and metadata may contain longer texts.
INDEXED_CHARACTERS = 64

Condition = sa.ColumnElement[bool]

_INDEXABLE = re.compile(METADATA_KEY)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def indexed_text(key: str) -> sa.ColumnElement[str]:
    """The beginning of a metadata value as text, which `search_indices` indexes.

    Unlike ``->>`` alone, it is a text on SQLite too if the value is a number.
    """
    return sa.func.substr(
        _text(key), sa.literal_column("1"), sa.literal_column(str(INDEXED_CHARACTERS))
    )


def has_ended() -> Condition:
    """Excludes failures that were stored before the last attempt, while it may be running."""
    return sa.or_(
        inspections.c.verdict != Verdict.FAILED,
        inspections.c.final_after.is_(None),
        inspections.c.final_after <= datetime.now(UTC),
    )


def conditions_of(criteria: InspectionCriteria, dialect: str) -> Iterator[Condition]:
    """The SQL conditions of ``criteria``.

    Raises `SearchInvalid`, or `TypeError` for an unknown criterion.
    """
    conditions: dict[str, Callable[[Any], Condition]] = {
        **_CONDITIONS,
        "metadata": partial(_metadata_contains, dialect == "postgresql"),
    }
    for name, value in criteria.items():
        if name not in conditions and name not in _AREA_CONDITIONS:
            known = ", ".join([*conditions, *_AREA_CONDITIONS])
            raise TypeError(f"{name} is not a criterion; there are {known}")
        if value is not None and name in conditions:
            yield conditions[name](value)
    _check_ranges(criteria)
    areas = [
        condition(criteria[name])  # type: ignore[literal-required]
        for name, condition in _AREA_CONDITIONS.items()
        if criteria.get(name) is not None
    ]
    if areas:
        is_of_photo = damages.c.finding_id == inspections.c.finding_id
        yield sa.select(sa.literal(1)).where(is_of_photo, *areas).exists()


def _check_ranges(criteria: InspectionCriteria) -> None:
    since, until = criteria.get("since"), criteria.get("until")
    # Both the same is a period without photos, as of a program that asks for what is new.
    if since is not None and until is not None and since > until:
        raise SearchInvalid(
            f"since: {since.isoformat()} is after until {until.isoformat()}; give an earlier since "
            "or a later until"
        )


def _text(key: str) -> sa.ColumnElement[str]:
    # As a literal, because an index is only used for the expression that it was created with.
    name = sa.bindparam(None, key, sa.Text(), literal_execute=True)
    return inspections.c.metadata.op("->>", return_type=sa.Text())(name)


def _text_is(key: str, value: object) -> Condition:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise SearchInvalid(f"{key}: must be a text or a whole number")
    text = storable(str(value)) or ""
    begins = indexed_text(key) == text[:INDEXED_CHARACTERS]
    if len(text) < INDEXED_CHARACTERS:
        return begins
    return sa.and_(begins, _text(key) == text)


def _metadata_contains(is_postgresql: bool, value: object) -> Condition:
    if not isinstance(value, Mapping):
        raise SearchInvalid("metadata: must be an object of keys and values")
    _check_values(value)
    wanted = storable_json(value)
    # If one of these keys has an index, it is used.
    texts = [
        _text_is(key, item)
        for key, item in wanted.items()
        if _INDEXABLE.fullmatch(key) and isinstance(item, str | int) and not isinstance(item, bool)
    ]
    if is_postgresql:
        return sa.and_(sa.type_coerce(inspections.c.metadata, JSONB).contains(wanted), *texts)
    return sa.and_(sa.true(), *_sqlite_contains(inspections.c.metadata, wanted), *texts)


def _check_values(wanted: Mapping[str, Any]) -> None:
    for key, value in wanted.items():
        if isinstance(value, Mapping):
            _check_values(value)
        elif not isinstance(value, str | int | float | None):
            raise SearchInvalid(
                f"metadata: the value of {key} must be a text, number, boolean, None or an object "
                "of these"
            )
        elif isinstance(value, float) and not math.isfinite(value):
            raise SearchInvalid(f"metadata: the value of {key} is not a number of JSON")


def _sqlite_contains(document: Any, wanted: Mapping[str, Any]) -> Iterator[Condition]:
    """PostgreSQL's ``@>`` for objects and simple values."""
    for key, value in wanted.items():
        entry = sa.func.json_each(document).table_valued("key", "value", "type")
        matches = [entry.c.key == key, entry.c.type.in_(_json_types(value))]
        if isinstance(value, Mapping):
            matches += _sqlite_contains(entry.c.value, value)
        elif value is not None and not isinstance(value, bool):
            matches.append(entry.c.value == value)
        yield sa.select(sa.literal(1)).select_from(entry).where(*matches).exists()


def _json_types(value: object) -> tuple[str, ...]:
    match value:
        case bool():
            return (str(value).lower(),)
        case None:
            return ("null",)
        case str():
            return ("text",)
        case int() | float():
            return ("integer", "real")
        case _:
            return ("object",)


def _photo_is(photo: object) -> Condition:
    text = str(photo)
    if _SHA256.fullmatch(digest := text.lower()):
        return inspections.c.photo_sha256 == digest
    return inspections.c.photo_url == storable(text)


def _finished(name: str, moment: object) -> Condition:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise SearchInvalid(f"{name}: must be a datetime with a time zone")
    try:
        in_utc = moment.astimezone(UTC)
    except OverflowError:
        raise SearchInvalid(f"{name}: must be in the years 1 to 9999 in UTC") from None
    return (
        inspections.c.finished_at >= in_utc
        if name == "since"
        else inspections.c.finished_at < in_utc
    )


def _verdict_in(wanted: object) -> Condition:
    several = wanted if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted]
    verdicts = list(several)
    known = [str(verdict) for verdict in Verdict]
    if not verdicts or any(verdict not in known for verdict in verdicts):
        raise SearchInvalid(f"verdict: must be one or several of {', '.join(known)}")
    return inspections.c.verdict.in_([str(verdict) for verdict in verdicts])


def _severity_is(severity: object) -> Condition:
    if severity not in list(Severity):
        raise SearchInvalid(f"severity: must be one of {', '.join(Severity)}")
    return damages.c.severity == str(severity)


def _score_is_at_least(score: object) -> Condition:
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise SearchInvalid("min_score: must be a number from 0 to 1")
    return inspections.c.damage_score >= score


def _camera_is(camera: object) -> Condition:
    wanted = " ".join((storable(str(camera)) or "").lower().split())
    known = sa.func.lower(inspections.c.camera)
    return sa.or_(known == wanted, known.startswith(f"{wanted} ", autoescape=True))


_CONDITIONS: dict[str, Callable[[Any], Condition]] = {
    "car_id": partial(_text_is, "car_id"),
    "rental_id": partial(_text_is, "rental_id"),
    "case_id": lambda case_id: inspections.c.case_id == storable(str(case_id)),
    "photo": _photo_is,
    "since": partial(_finished, "since"),
    "until": partial(_finished, "until"),
    "verdict": _verdict_in,
    "min_score": _score_is_at_least,
    "camera": _camera_is,
}
# They must be true of the same damaged area.
_AREA_CONDITIONS: dict[str, Callable[[Any], Condition]] = {
    "type": lambda name: damages.c.type == storable(str(name)),
    "severity": _severity_is,
}
