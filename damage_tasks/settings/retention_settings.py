"""How long photos and what was found on them are kept."""

from __future__ import annotations

from damage_tasks.settings.base import Group, setting

_APPLIED = "`damage-tasks forget --expired` applies it. 0 keeps them."


class RetentionSettings(Group):
    """How long photos and what was found on them are kept."""

    retention_days: int = setting(
        0,
        "Days after which inspections are erased with everything that belongs to them. Fewer than "
        f"15 are risky, because SQS may deliver a message again for 14 days. {_APPLIED}",
        "730",
        ge=0,
    )
    picture_retention_days: int = setting(
        0,
        "Days after its last inspection after which the overlay, the mask and the kept copy of a "
        f"photo are erased; the inspections stay. {_APPLIED}",
        "90",
        ge=0,
    )
    decision_retention_days: int = setting(
        0,
        "Days after which decisions of people, with their names, are erased; the inspections "
        f"stay. {_APPLIED}",
        "365",
        ge=0,
    )
