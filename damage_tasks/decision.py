"""What people decide about an inspection, and which verdict counts after that.

No third-party imports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """What a person decided."""

    CONFIRM = "confirm"  # what the networks found is right
    NO_DAMAGE = "no_damage"  # the photo, or one damaged area, shows no damage
    WRONG_TYPE = "wrong_type"
    SEVERITY = "severity"
    MISSED = "missed"  # damage that the networks did not find
    RESHAPE = "reshape"  # a corrected outline
    RETAKE = "retake"  # another photo is needed
    NOTE = "note"  # text only: changes no verdict


_ABOUT_NO_FOUND_DAMAGE = frozenset({Action.MISSED, Action.RETAKE})


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of one person about one inspection; it is never changed, only undone.

    ``payload`` depends on ``action`` (see `damage_tasks.review.decision_details`); ``seconds`` is
    how long the person looked at the photo, and ``bundle_digest`` names the bundle whose finding
    was shown.
    ``id`` is None until the decision is stored.
    """

    inspection_id: str
    person: str
    action: Action
    made_at: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    bundle_digest: str | None = None
    undone_at: datetime | None = None
    id: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The decision as in the result contract, with JSON types only."""
        return {
            "action": str(self.action),
            "person": self.person,
            "made_at": self.made_at.isoformat(),
            "payload": dict(self.payload),
            "seconds": self.seconds,
            "bundle_digest": self.bundle_digest,
        }


def counting(decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions that count: those of the person who was the last to decide, oldest first.

    Notes and undone decisions do not count.
    """
    valid = _valid(decisions)
    return decisions_of(valid, valid[-1].person) if valid else []


def decisions_of(decisions: Iterable[Decision], person: str) -> list[Decision]:
    """The decisions of ``person``, oldest first, without notes and undone ones."""
    return [decision for decision in _valid(decisions) if decision.person == person]


def _valid(decisions: Iterable[Decision]) -> list[Decision]:
    valid = [d for d in decisions if d.undone_at is None and d.action is not Action.NOTE]
    return sorted(valid, key=lambda decision: decision.made_at)


def rejected_damages(counted: Iterable[Decision], damages: int) -> frozenset[int]:
    """The numbers of those of the found ``damages`` that the decisions ``counted`` reject.

    "No damage" about the photo rejects all of them; an area that is affirmed after that is right,
    and the others stay rejected.
    """
    rejected: set[int] = set()  # one by one
    rejected_with_photo: set[int] = set()
    for decision in counted:
        number = decision.payload.get("damage")
        if decision.action in _ABOUT_NO_FOUND_DAMAGE:
            continue
        if decision.action is Action.NO_DAMAGE:
            if number is None:
                rejected_with_photo = set(range(1, damages + 1))
            else:
                rejected.add(number)
        elif number is None:
            rejected_with_photo.clear()
        else:
            rejected.discard(number)
            rejected_with_photo.discard(number)
    return frozenset(rejected | rejected_with_photo)


def missed_damages(counted: Iterable[Decision]) -> list[Decision]:
    """The decisions of ``counted`` about missed damage, without those taken back.

    "No damage" about the photo takes all earlier ones back.
    """
    missed: list[Decision] = []
    for decision in counted:
        if decision.action is Action.MISSED:
            missed.append(decision)
        elif _is_no_damage_at_all(decision):
            missed.clear()
    return missed


def _is_no_damage_at_all(decision: Decision) -> bool:
    return decision.action is Action.NO_DAMAGE and decision.payload.get("damage") is None


def final_verdict(verdict: str, damages: int, counted: Sequence[Decision]) -> str | None:
    """The verdict after the decisions ``counted``; None if another photo was asked for.

    ``verdict`` and the number of ``damages`` are what the networks found.
    """
    if not counted or counted[-1].action is Action.RETAKE:
        return None if counted else verdict
    missed = bool(missed_damages(counted))
    about_finding = [d for d in counted if d.action not in _ABOUT_NO_FOUND_DAMAGE]
    is_clean = bool(about_finding) and _is_no_damage_at_all(about_finding[-1])
    if verdict not in ("damaged", "clean") and not (missed or is_clean):
        return verdict
    left = damages - len(rejected_damages(counted, damages))
    return "damaged" if missed or left else "clean"


def affirms_damage(counted: Iterable[Decision]) -> bool:
    """Whether the decisions ``counted`` say of damage that it is there, and do not take it back.

    Damage that the networks found is not affirmed by the rejection of other damage.
    """
    affirmed: set[int | None] = set()  # numbers of areas; None is the photo, or missed damage
    for decision in counted:
        number = decision.payload.get("damage")
        if decision.action is not Action.NO_DAMAGE:
            affirmed |= set() if decision.action is Action.RETAKE else {number}
        elif number is None:
            affirmed.clear()
        else:
            affirmed.discard(number)
    return bool(affirmed)


def first_and_last_verdicts(
    verdict: str, damages: int, decisions: Iterable[Decision]
) -> tuple[str, str] | None:
    """The final verdicts of two people: the last to decide, and the first of the others.

    People who asked for another photo are left out; None if fewer than two are left. Like
    `final_verdict`, it needs what the networks found.
    """
    valid = _valid(decisions)
    if not valid:
        return None
    last = valid[-1].person
    people = [*dict.fromkeys(d.person for d in valid if d.person != last), last]
    finals = [final_verdict(verdict, damages, decisions_of(valid, person)) for person in people]
    known = [final for final in finals if final is not None]
    return (known[0], known[-1]) if len(known) > 1 else None


def final_types(found: Sequence[str], counted: Sequence[Decision]) -> frozenset[str]:
    """The types of damage on a photo after the decisions ``counted``.

    ``found`` are those of the damaged areas, in order. Missed damage whose type nobody named is
    left out.
    """
    types = dict(enumerate(found, 1))
    for decision in counted:
        if decision.action is Action.WRONG_TYPE:
            types[decision.payload["damage"]] = decision.payload["type"]
    rejected = rejected_damages(counted, len(found))
    missed = {decision.payload.get("type") for decision in missed_damages(counted)}
    left = {type for number, type in types.items() if number not in rejected}
    return frozenset(left | {type for type in missed if type})


def review_fields(decisions: Sequence[Decision], verdict: str, damages: int) -> dict[str, Any]:
    """The fields of the result contract about people's ``decisions``, with JSON types only.

    ``verdict`` and the number of ``damages`` are what the networks found.
    """
    counted = counting(decisions)
    final = final_verdict(verdict, damages, counted)
    return {
        "decisions": [d.to_dict() for d in decisions if d.undone_at is None],
        "final_verdict": final,
        "reviewed_by": counted[-1].person if counted else None,
        # Nobody is charged for damage that only networks have seen.
        "billable": final == "damaged" and affirms_damage(counted),
    }
