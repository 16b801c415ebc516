"""The damaged areas of a photo after people's decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from damage_tasks.damage import Damage
from damage_tasks.decision import Action, Decision

Outline = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Area:
    """One damaged area, in pixels of the full photo after EXIF rotation.

    ``type`` is None if nobody said which.  ``polygon`` is the outline as (x, y) corners, and empty
    if a person only marked the place: then there is a ``box`` (x, y, width, height) or a ``point``.
    """

    type: str | None
    polygon: Outline = ()
    box: tuple[int, int, int, int] | None = None
    point: tuple[int, int] | None = None


def reviewed_areas(damages: Sequence[Damage], counted: Sequence[Decision]) -> list[Area]:
    """The ``damages`` of a finding, corrected by the decisions ``counted``, oldest first.

    Damage that people missed follows the damage that the networks found.  There are areas if and
    only if `damage_tasks.decision.final_verdict` is ``damaged``.
    """
    review = _Review(damages)
    for decision in counted:
        review.apply(decision.action, decision.payload)
    return review.areas()


def drawn_by_people(damages: Sequence[Damage], counted: Sequence[Decision]) -> list[Area]:
    """Those of the `reviewed_areas` whose place the networks did not find: the rest is theirs."""
    found = {damage.polygon for damage in damages}
    return [area for area in reviewed_areas(damages, counted) if area.polygon not in found]


class _Review:
    """What a person has said so far about the ``damages`` of a finding."""

    def __init__(self, damages: Sequence[Damage]) -> None:
        self._found = {n: Area(d.type, d.polygon) for n, d in enumerate(damages, 1)}
        self._rejected: set[int] = set()
        self._missed: list[Area] = []
        self._has_no_damage = False

    def apply(self, action: Action, payload: Mapping[str, Any]) -> None:
        number = payload.get("damage")
        if action is Action.MISSED:
            self._missed.append(_missed(payload))
            return
        if action is Action.RETAKE:
            return
        self._has_no_damage = action is Action.NO_DAMAGE and number is None
        if self._has_no_damage:
            self._missed.clear()
        elif number not in self._found:
            return
        elif action is Action.NO_DAMAGE:
            self._rejected.add(number)
        else:
            self._rejected.discard(number)
            self._correct(number, payload)

    def areas(self) -> list[Area]:
        kept = {} if self._has_no_damage else self._found
        return [
            *(area for number, area in kept.items() if number not in self._rejected),
            *self._missed,
        ]

    def _correct(self, number: int, payload: Mapping[str, Any]) -> None:
        area = self._found[number]
        polygon = _outline(payload["polygon"]) if "polygon" in payload else area.polygon
        self._found[number] = Area(payload.get("type", area.type), polygon)


def _missed(payload: Mapping[str, Any]) -> Area:
    box, point = payload.get("box"), payload.get("point")
    return Area(
        payload.get("type"),
        _outline(payload.get("polygon", ())),
        (box[0], box[1], box[2], box[3]) if box else None,
        (point[0], point[1]) if point else None,
    )


def _outline(corners: Sequence[Sequence[int]]) -> Outline:
    return tuple((x, y) for x, y in corners)
