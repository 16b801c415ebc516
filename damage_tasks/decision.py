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


def final_verdict(verdict: str, damages: int, counted: Sequence[Decision]) -> str | None:
    """The verdict after the decisions ``counted``; None if another photo was asked for.

    ``verdict`` and the number of ``damages`` are what the networks found.
    """
    rejected: set[int] = set()
    missed, none, retake = 0, False, False
    for decision in counted:
        number = decision.payload.get("damage")
        retake = decision.action is Action.RETAKE
        none = none and retake
        if decision.action is Action.MISSED:
            missed += 1
        elif decision.action is not Action.NO_DAMAGE:
            rejected.discard(number or 0)
        elif number is None:
            none, missed = True, 0
        else:
            rejected.add(number)
    if retake or not counted:
        return None if retake else verdict
    if verdict not in ("damaged", "clean") and not (missed or none):
        return verdict
    return "damaged" if missed or (not none and damages > len(rejected)) else "clean"


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


def final_types(found: Sequence[str], counted: Iterable[Decision]) -> frozenset[str]:
    """The types of damage on a photo after the decisions ``counted``.

    ``found`` are those of the damaged areas, in order. Missed damage whose type nobody named is
    left out.
    """
    types = dict(enumerate(found, 1))
    rejected: set[int] = set()
    missed: set[str] = set()
    none = False
    for decision in counted:
        number, type = decision.payload.get("damage") or 0, decision.payload.get("type")
        none = none and decision.action in (Action.RETAKE, Action.MISSED)
        if decision.action is Action.MISSED:
            missed |= {type} if type else set()
        elif decision.action is not Action.NO_DAMAGE:
            rejected.discard(number)
            if decision.action is Action.WRONG_TYPE and type:
                types[number] = type
        elif number:
            rejected.add(number)
        else:
            none, missed = True, set()
    left = set() if none else {type for number, type in types.items() if number not in rejected}
    return frozenset(left | missed)


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
