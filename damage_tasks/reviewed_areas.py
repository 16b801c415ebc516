"""The damaged areas of a photo after people's decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from damage_tasks.damage import Damage, Severity
from damage_tasks.decision import Decision, missed_damages, rejected_damages
from damage_tasks.outline_shape import has_no_area

Outline = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Area:
    """One damaged area, in pixels of the full photo after EXIF rotation.

    ``type`` is None if nobody said which.  ``polygon`` is the outline as (x, y) corners, and empty
    if a person only marked the place: then there is a ``box`` (x, y, width, height) or a ``point``.
    ``severity`` is None for damage that people marked, and has no part in comparisons.
    """

    type: str | None
    polygon: Outline = ()
    box: tuple[int, int, int, int] | None = None
    point: tuple[int, int] | None = None
    severity: Severity | None = field(default=None, compare=False)

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """The bounding box (x, y, width, height); that of a point is one pixel."""
        if self.polygon:
            across, down = zip(*self.polygon, strict=True)
            return min(across), min(down), max(across) - min(across), max(down) - min(down)
        return self.box or (*(self.point or (0, 0)), 1, 1)


@dataclass(frozen=True, slots=True)
class MarkedArea:
    """An area whose place a person marked.

    ``number`` follows those of the damaged areas that the networks found. ``corrects`` is the
    number of the one whose outline this is instead, and None for missed damage.
    """

    number: int
    area: Area
    corrects: int | None = None


def reviewed_areas(damages: Sequence[Damage], counted: Sequence[Decision]) -> list[Area]:
    """The ``damages`` of a finding, corrected by the decisions ``counted``, oldest first.

    Damage that people missed follows the damage that the networks found.  There are areas if and
    only if `damage_tasks.decision.final_verdict` is ``damaged``.
    """
    return [area for _, area in _numbered_areas(damages, counted)]


def drawn_by_people(damages: Sequence[Damage], counted: Sequence[Decision]) -> list[Area]:
    """Those of the `reviewed_areas` whose place the networks did not find: the rest is theirs."""
    return [marked.area for marked in marked_areas(damages, counted)]


def marked_areas(damages: Sequence[Damage], counted: Sequence[Decision]) -> list[MarkedArea]:
    """The areas of `drawn_by_people` with their numbers, in the same order."""
    found = {found_area(damage).polygon for damage in damages}
    drawn = [
        (corrects, area)
        for corrects, area in _numbered_areas(damages, counted)
        if area.polygon not in found
    ]
    return [
        MarkedArea(number, area, corrects)
        for number, (corrects, area) in enumerate(drawn, len(damages) + 1)
    ]


def found_area(damage: Damage) -> Area:
    """The area of a ``damage`` that the networks found.

    The outline of a thin scratch may have no area; labelling tools, masks and imports need one, so
    it is then the outline of its box.
    """
    if not damage.polygon or not has_no_area(damage.polygon):
        return Area(damage.type, damage.polygon)
    x, y, width, height = damage.bbox
    right, bottom = x + width, y + height
    return Area(damage.type, ((x, y), (right, y), (right, bottom), (x, bottom)))


def marked_place(payload: Mapping[str, Any]) -> Area | None:
    """The area that the ``payload`` of a decision outlines or marks; None if there is none."""
    return _marked(payload) if payload.keys() & {"polygon", "box", "point"} else None


def _numbered_areas(
    damages: Sequence[Damage], counted: Sequence[Decision]
) -> list[tuple[int | None, Area]]:
    found = {n: replace(found_area(d), severity=d.severity) for n, d in enumerate(damages, 1)}
    for decision in counted:
        number = decision.payload.get("damage")
        if number in found:
            found[number] = _corrected(found[number], decision.payload)
    rejected = rejected_damages(counted, len(damages))
    return [
        *((number, area) for number, area in found.items() if number not in rejected),
        *((None, _marked(decision.payload)) for decision in missed_damages(counted)),
    ]


def _corrected(area: Area, payload: Mapping[str, Any]) -> Area:
    """``area`` with the type, outline and severity that a ``payload`` has."""
    return replace(
        area,
        type=payload.get("type", area.type),
        polygon=_outline(payload["polygon"]) if "polygon" in payload else area.polygon,
        severity=Severity(payload["severity"]) if "severity" in payload else area.severity,
    )


def _marked(payload: Mapping[str, Any]) -> Area:
    box, point = payload.get("box"), payload.get("point")
    return Area(
        payload.get("type"),
        _outline(payload.get("polygon", ())),
        (box[0], box[1], box[2], box[3]) if box else None,
        (point[0], point[1]) if point else None,
    )


def _outline(corners: Sequence[Sequence[int]]) -> Outline:
    return tuple((x, y) for x, y in corners)
