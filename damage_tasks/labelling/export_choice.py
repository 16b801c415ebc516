"""Which photos are exported, and how. Importing this module loads no library."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from damage_tasks.decision import Action, counting
from damage_tasks.inspection import Inspection

LEFT_OUT = "left-out.csv"  # the file that lists photos which were not exported
CORRECTIONS = frozenset(
    {Action.NO_DAMAGE, Action.WRONG_TYPE, Action.MISSED, Action.RESHAPE, Action.RETAKE}
)


class LabelFormat(StrEnum):
    """The format of labels."""

    SOCAR = "socar"
    COCO = "coco"
    LABEL_STUDIO = "label-studio"


@dataclass(frozen=True, slots=True)
class PhotoChoice:
    """Which photos are exported; all conditions must apply.

    ``decided``: people have decided; ``hard``: the damage score is in the review band or people
    corrected the networks; ``sample``: at most so many, drawn at random; ``since``: examined since
    then, or with ``decided``, decided since then.
    """

    decided: bool = False
    hard: bool = False
    sample: int | None = None
    since: datetime | None = None

    def is_hard(self, inspection: Inspection) -> bool:
        """Whether the networks were unsure or wrong."""
        counted = counting(inspection.decisions)
        if counted:
            return any(decision.action in CORRECTIONS for decision in counted)
        return inspection.is_in_review_band
