"""Reads what the quality in production is estimated from: examined photos and decided ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from damage_tasks.decision import (
    Decision,
    counting,
    final_types,
    final_verdict,
    first_and_last_verdicts,
)
from damage_tasks.inspection import REVIEW_BAND, Verdict
from damage_tasks.results.decisions import decisions_of
from damage_tasks.results.examined_photos import has_verdict
from damage_tasks.results.quality_sample import PhotoSample
from damage_tasks.results.tables import damages, findings, inspections
from damage_tasks.results.time_sample import Interval
from damage_tasks.results.work_lists import audit_bound

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

SCORE_STEPS = 20
# Mean luma, as in the evaluation of bundles; the rest is "bright".
LIGHT_LIMITS = {"dark": 75 / 255, "even": 165 / 255}

OTHER_CAMERA = "other"
UNKNOWN_CAMERA = "unknown"


class PhotoKind(NamedTuple):
    """What photos have in common on which people decide for the same reason.

    ``found``: whether the verdict is damaged; ``is_unsure``: whether the score is in the review
    band; ``step``: the score in steps of 1 / `SCORE_STEPS`; ``camera``: its make, `OTHER_CAMERA`
    or `UNKNOWN_CAMERA`.
    """

    found: bool
    is_unsure: bool
    is_poor: bool
    step: int
    light: str
    bundle: str
    camera: str


@dataclass(frozen=True, slots=True)
class DecidedPhoto:
    """A photo about which people have decided.

    ``is_audited``: whether the random audit draws it; ``damaged``: the final verdict, None if
    another photo was asked for; ``found_types`` and ``true_types``: types of damage before and
    after the decisions; ``seconds``: how long the person looked; ``verdicts``: those of the first
    and of the last person, None unless two people gave one.
    """

    kind: PhotoKind
    is_audited: bool
    damaged: bool | None
    found_types: frozenset[str]
    true_types: frozenset[str]
    seconds: float | None
    verdicts: tuple[str, str] | None


class PhotoCounts(NamedTuple):
    """Numbers of photos by kind, and of those that have damage of a type, by type and kind."""

    photos: Mapping[PhotoKind, int]
    types: Mapping[str, Mapping[PhotoKind, int]]


def count_photos(connection: Connection, sample: PhotoSample, makes: Sequence[str]) -> PhotoCounts:
    """How many photos there are, estimated from ``sample``.

    Here and below, ``makes`` are the makes of cameras to distinguish.
    """
    kind = list(_kind_columns(makes))
    photos: Counter[PhotoKind] = Counter()
    types: dict[str, Counter[PhotoKind]] = {}
    for interval in sample.intervals:
        query = _examined(sa.func.count().label("photos"), *kind).where(*has_verdict(interval))
        for row in connection.execute(query.group_by(*kind)):
            photos[_kind_of(row)] += row.photos
        number = sa.func.count(inspections.c.id.distinct()).label("photos")
        query = (
            _examined(number, damages.c.type, *kind)
            .join(damages, damages.c.finding_id == findings.c.id)
            .where(*has_verdict(interval))
            .group_by(damages.c.type, *kind)
        )
        for row in connection.execute(query):
            types.setdefault(row.type, Counter())[_kind_of(row)] += row.photos
    factor = max(1.0, sample.total / (photos.total() or 1))
    return PhotoCounts(
        _multiplied(photos, factor), {type: _multiplied(n, factor) for type, n in types.items()}
    )


def _multiplied(numbers: Counter[PhotoKind], factor: float) -> dict[PhotoKind, int]:
    return {kind: round(number * factor) for kind, number in numbers.items()}


def find_decided(
    connection: Connection, since: datetime, audit_share: float, makes: Sequence[str] = ()
) -> Iterator[DecidedPhoto]:
    """The photos examined since ``since`` that people have decided about.

    ``audit_share`` is the share of all photos that the random audit draws.
    """
    c, now = inspections.c, datetime.now(UTC)
    conditions = (c.decided_at.is_not(None), *has_verdict(Interval(since, now)))
    columns = (c.id, c.photo_sha256, c.finding_id, *_kind_columns(makes))
    query = _examined(*columns).where(*conditions)
    decided = sa.select(c.id, c.finding_id).where(*conditions).subquery()
    types = _types_by_finding(connection, sa.select(decided.c.finding_id))
    made = decisions_of(connection, sa.select(decided.c.id))
    bound = audit_bound(audit_share)
    for row in connection.execute(query):
        found = types.get(row.finding_id, [])
        is_audited = (row.photo_sha256 or "g") < bound
        yield _decided(_kind_of(row), is_audited, found, made.get(row.id, ()))


def _decided(
    kind: PhotoKind, is_audited: bool, found: Sequence[str], made: Sequence[Decision]
) -> DecidedPhoto:
    counted = counting(made)
    verdict = Verdict.DAMAGED if kind.found else Verdict.CLEAN
    final = final_verdict(verdict, len(found), counted)
    return DecidedPhoto(
        kind=kind,
        is_audited=is_audited,
        damaged=None if final is None or not counted else final == Verdict.DAMAGED,
        found_types=frozenset(found) if kind.found else frozenset(),
        true_types=final_types(found, counted),
        seconds=sum(decision.seconds or 0 for decision in counted) or None,
        verdicts=first_and_last_verdicts(verdict, len(found), made),
    )


def _types_by_finding(connection: Connection, ids: sa.Select[Any]) -> Mapping[int, list[str]]:
    query = (
        sa.select(damages.c.finding_id, damages.c.type)
        .where(damages.c.finding_id.in_(ids))
        .order_by(damages.c.finding_id, damages.c.number)
    )
    found: dict[int, list[str]] = {}
    for id, type in connection.execute(query):
        found.setdefault(id, []).append(type)
    return found


def _examined(*columns: Any) -> sa.Select[Any]:
    return sa.select(*columns).select_from(
        inspections.join(findings, findings.c.id == inspections.c.finding_id)
    )


def _kind_columns(makes: Sequence[str]) -> Iterator[sa.Label[Any]]:
    c = inspections.c
    quality = findings.c.quality
    yield (c.verdict == Verdict.DAMAGED).label("found")
    band = c.damage_score.between(*REVIEW_BAND)
    yield sa.func.coalesce(c.is_unsure, band).label("is_unsure")
    is_poor = quality["verdict"].as_string() == "poor"
    yield sa.func.coalesce(is_poor, sa.false()).label("is_poor")
    # As numbers in the statement: PostgreSQL compares the expressions of SELECT and GROUP BY.
    steps: list[tuple[Any, Any]] = [
        (
            c.damage_score < sa.literal_column(f"{step / SCORE_STEPS}"),
            sa.literal_column(f"{step - 1}"),
        )
        for step in range(1, SCORE_STEPS)
    ]
    yield sa.case(*steps, else_=sa.literal_column(f"{SCORE_STEPS - 1}")).label("step")
    light: list[tuple[Any, Any]] = [
        (quality["brightness"].as_float() < limit, sa.literal_column(f"'{name}'"))
        for name, limit in LIGHT_LIMITS.items()
    ]
    yield sa.case(*light, else_=sa.literal_column("'bright'")).label("light")
    yield sa.func.coalesce(c.bundle_version, "").label("bundle")
    cameras: list[tuple[Any, Any]] = [(c.camera.is_(None), _literal(UNKNOWN_CAMERA))]
    for make in makes:
        begins = c.camera.startswith(f"{make} ", autoescape=True)
        cameras.append((sa.or_(c.camera == make, begins), _literal(make)))
    yield sa.case(*cameras, else_=_literal(OTHER_CAMERA)).label("camera")


def _literal(text: str) -> sa.BindParameter[str]:
    return sa.bindparam(None, text, sa.Text(), literal_execute=True)


def _kind_of(row: Row[Any]) -> PhotoKind:
    return PhotoKind(
        bool(row.found), bool(row.is_unsure), bool(row.is_poor), row.step, row.light, row.bundle,
        row.camera,
    )  # fmt: skip
