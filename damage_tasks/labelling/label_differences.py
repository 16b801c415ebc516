"""The decisions that turn what the networks found into what a labelling tool says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import cv2
import numpy as np

from damage_tasks.decision import Action, Decision, counting
from damage_tasks.inspection import Inspection, Verdict
from damage_tasks.reviewed_areas import Area, Outline, found_area, reviewed_areas

# Intersection over union of two outlines of the same damage, and of two that are equal except for
# rounding.
SAME_DAMAGE_IOU = 0.2
SAME_OUTLINE_IOU = 0.95

Made = tuple[str, dict[str, Any]]  # an action and its payload


def is_as_exported(inspection: Inspection, areas: Sequence[Area]) -> bool:
    """Whether `damage-tasks export` writes or has written ``areas`` for the photo.

    It writes the damage that the networks found, corrected by the decisions that count then.
    """
    damages = inspection.finding.damages if inspection.finding else ()
    decisions = inspection.decisions
    changed_at = {moment for d in decisions for moment in (d.made_at, d.undone_at) if moment}
    exports = [(), *(counting(_as_of(moment, decisions)) for moment in changed_at)]
    return any(are_same(reviewed_areas(damages, counted), areas) for counted in exports)


def _as_of(moment: datetime, decisions: Sequence[Decision]) -> Iterator[Decision]:
    for decision in decisions:
        if decision.made_at <= moment:
            is_undone = decision.undone_at is not None and decision.undone_at <= moment
            yield decision if is_undone else replace(decision, undone_at=None)


def decisions_for(
    inspection: Inspection, areas: Sequence[Area], *, confirms: bool = True
) -> list[Made]:
    """Decisions after which the damage of ``inspection`` is ``areas``.

    Outlines that overlap are the same damage.  With ``confirms``, labels that are as the networks
    found them are confirmed.
    """
    damages = inspection.finding.damages if inspection.finding else ()
    if not areas and (damages or inspection.verdict is not Verdict.CLEAN):
        return [(Action.NO_DAMAGE, {})]
    found = [found_area(damage) for damage in damages]
    matches = _matches(found, areas)
    made = [*_about_found(found, areas, matches), *_about_missed(areas, set(matches.values()))]
    if confirms and all(action is Action.NO_DAMAGE for action, _ in made):
        # The other labels are as the networks found them, and a rejection affirms none of them.
        made.append((Action.CONFIRM, {}))
    return made


def are_same(first: Sequence[Area], second: Sequence[Area]) -> bool:
    """Whether ``second`` describes the same damage as ``first``, except for rounding.

    In ``second``, an outline without a type may have any.
    """
    matches = _matches(first, second)
    rest = [area for n, area in enumerate(first) if n not in matches]
    others = [area for n, area in enumerate(second) if n not in matches.values()]
    return sorted(map(_place, rest)) == sorted(map(_place, others)) and all(
        second[m].type in (None, first[n].type)
        and _is_same_outline(first[n].polygon, second[m].polygon)
        for n, m in matches.items()
    )


def _place(area: Area) -> tuple[str, Outline, tuple[int, ...]]:
    # Not the area itself: a point and a box of the same pixel are the same.
    return area.type or "", area.polygon, area.bbox


def _about_found(
    found: Sequence[Area], areas: Sequence[Area], matches: dict[int, int]
) -> Iterator[Made]:
    for index, before in enumerate(found):
        damage = {"damage": index + 1}
        if index not in matches:
            yield Action.NO_DAMAGE, damage
            continue
        after = areas[matches[index]]
        if after.type not in (None, before.type):
            yield Action.WRONG_TYPE, {**damage, "type": after.type}
        if not _is_same_outline(before.polygon, after.polygon):
            yield Action.RESHAPE, {**damage, "polygon": after.polygon}


def _about_missed(areas: Sequence[Area], matched: set[int]) -> Iterator[Made]:
    for index, area in enumerate(areas):
        if index not in matched:
            place = {"polygon": area.polygon or None, "box": area.box, "point": area.point}
            yield Action.MISSED, {"type": area.type, **place}


def _matches(first: Sequence[Area], second: Sequence[Area]) -> dict[int, int]:
    """Which outline of ``first`` is which of ``second``, by index; the most similar come first."""
    pairs = [
        (_iou(one.polygon, other.polygon), n, m)
        for n, one in enumerate(first)
        for m, other in enumerate(second)
        if one.polygon and other.polygon
    ]
    matches: dict[int, int] = {}
    for iou, n, m in sorted(pairs, key=lambda pair: (-pair[0], pair[1:])):
        if iou >= SAME_DAMAGE_IOU and n not in matches and m not in matches.values():
            matches[n] = m
    return matches


def _is_same_outline(first: Outline, second: Outline) -> bool:
    return _iou(first, second) >= SAME_OUTLINE_IOU


def _iou(first: Outline, second: Outline) -> float:
    """Intersection over union of the pixels inside two outlines, 0 to 1."""
    if first == second:
        return 1.0
    one, other = np.array(first, np.int32), np.array(second, np.int32)
    corner = np.minimum(one.min(axis=0), other.min(axis=0))
    width, height = np.maximum(one.max(axis=0), other.max(axis=0)) - corner + 1
    masks = [np.zeros((height, width), np.uint8) for _ in range(2)]
    for mask, outline in zip(masks, (one, other), strict=True):
        cv2.fillPoly(mask, [outline - corner], 1)
    common, either = np.logical_and(*masks), np.logical_or(*masks)
    return float(common.sum() / either.sum())
