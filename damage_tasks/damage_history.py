"""Whether damage is new: what earlier photos of the same car say about a damaged area.

No third-party imports.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Novelty(StrEnum):
    """Whether damage was there before."""

    NEW = "new"
    SEEN_BEFORE = "seen_before"
    UNKNOWN = "unknown"


class Evidence(StrEnum):
    """What one earlier photo shows at the place of a damaged area, or why it shows nothing.

    Those after `ABSENT` are in the order in which they are given as reasons: the photo that came
    closest to an answer counts.
    """

    MARKED = "marked"  # the networks found damage there, too
    SAME_LOOK = "same_look"  # the networks found nothing, but the place looks as it does now
    ABSENT = "absent"  # the place is clearly visible, and without the damage
    LOOKS_DIFFERENT = "looks_different"  # the surroundings differ: light, reflections, dirt
    TOO_COARSE = "too_coarse"  # the earlier photo is too coarse, blurred, dark or bright there
    NOT_IN_PHOTO = "not_in_photo"  # the same part of the car, but not this place
    OTHER_VIEW = "other_view"  # no part of the car is clearly the same
    NOT_KEPT = "not_kept"  # the earlier photo cannot be read any more
    NOT_COMPARED = "not_compared"  # there was no time yet


# Reasons that concern no single earlier photo.
NO_CAR = "no_car"  # the inspection has no `car_id`
NO_EARLIER_PHOTO = "no_earlier_photo"
PHOTO_NOT_KEPT = "photo_not_kept"  # the photo itself cannot be read any more

_SEEN = (Evidence.MARKED, Evidence.SAME_LOOK)
_REASONS = list(Evidence)


@dataclass(frozen=True, slots=True)
class EarlierPhoto:
    """An earlier inspection of the same car, and when it ended."""

    inspection_id: str
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class DamageHistory:
    """Whether damaged area ``number`` (from 1) is new.

    ``reason`` is a value of `Evidence`, `NO_CAR`, `NO_EARLIER_PHOTO` or `PHOTO_NOT_KEPT`.
    ``earlier`` is the photo that shows it: the latest one without the damage if it is new, the
    earliest one with it if it was seen before.
    """

    number: int
    novelty: Novelty
    reason: str
    earlier: EarlierPhoto | None = None


@dataclass(frozen=True, slots=True)
class InspectionHistory:
    """Which damaged areas of an inspection are new.

    ``earlier_photos`` counts the car's earlier photos, of which ``compared`` were compared.
    """

    damages: tuple[DamageHistory, ...] = ()
    earlier_photos: int = 0
    compared: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether all earlier photos were compared."""
        return self.compared == self.earlier_photos

    def to_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            "earlier_photos": self.earlier_photos,
            "compared": self.compared,
            "damages": [_damage_dict(damage) for damage in self.damages],
        }


def unknown_history(damages: int, reason: str, earlier_photos: int = 0) -> InspectionHistory:
    """The history of an inspection with ``damages`` areas of which nothing can be said."""
    return InspectionHistory(
        tuple(DamageHistory(n, Novelty.UNKNOWN, reason) for n in range(1, damages + 1)),
        earlier_photos,
    )


def combine(number: int, found: Iterable[tuple[EarlierPhoto, Evidence]]) -> DamageHistory:
    """What several earlier photos say about damaged area ``number``.

    One photo that shows the damage outweighs all that do not.
    """
    by_time = sorted(found, key=lambda each: (each[0].finished_at, each[0].inspection_id))
    for photo, evidence in by_time:
        if evidence in _SEEN:
            return DamageHistory(number, Novelty.SEEN_BEFORE, str(evidence), photo)
    if not by_time:
        return DamageHistory(number, Novelty.UNKNOWN, NO_EARLIER_PHOTO)
    latest, best = min(reversed(by_time), key=lambda each: _REASONS.index(each[1]))
    if best is not Evidence.ABSENT:
        return DamageHistory(number, Novelty.UNKNOWN, str(best))
    if any(evidence is Evidence.NOT_COMPARED for _, evidence in by_time):
        return DamageHistory(number, Novelty.UNKNOWN, str(Evidence.NOT_COMPARED))
    return DamageHistory(number, Novelty.NEW, str(best), latest)


def combine_all(
    damages: int, found: Sequence[tuple[EarlierPhoto, Sequence[Evidence] | None]]
) -> InspectionHistory:
    """The history of an inspection with ``damages`` areas.

    ``found`` contains, for each earlier photo, the evidence about each area in order, or None if
    the photo was not compared yet.
    """
    histories = (
        combine(
            number + 1,
            (
                (photo, Evidence.NOT_COMPARED if evidence is None else evidence[number])
                for photo, evidence in found
            ),
        )
        for number in range(damages)
    )
    compared = sum(evidence is not None for _, evidence in found)
    return InspectionHistory(tuple(histories), len(found), compared)


def _damage_dict(damage: DamageHistory) -> dict[str, Any]:
    earlier = damage.earlier
    return {
        **asdict(damage),
        "novelty": str(damage.novelty),
        "earlier": earlier
        and {
            "inspection_id": earlier.inspection_id,
            "finished_at": earlier.finished_at.isoformat(),
        },
    }
