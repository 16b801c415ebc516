"""How workers follow a roll-out, and when it is stopped."""

from __future__ import annotations

from damage_tasks.settings.base import Group, setting


class RolloutSettings(Group):
    """How workers follow a roll-out, and when `damage-tasks guard-rollout` stops it."""

    rollout_interval: float = setting(
        30,
        "Seconds between two checks of the pointer, if `DAMAGE_BUNDLE` is one; each time varies by "
        "up to half of it.",
        "30",
        ge=1,
        le=40,
    )
    rollout_failure_limit: float = setting(
        0.02,
        "By how much the share of failed photos (0 to 1) may increase with the new bundle.",
        "0.02",
        gt=0,
        le=1,
    )
    rollout_damaged_limit: float = setting(
        0.1,
        "By how much the share of damaged photos (0 to 1) may differ with the new bundle.",
        "0.1",
        gt=0,
        le=1,
    )
    rollout_disagreement_limit: float = setting(
        0.1,
        "By how much the share of decided photos (0 to 1) whose verdict inspectors changed may "
        "increase with the new bundle.",
        "0.1",
        gt=0,
        le=1,
    )
    rollout_slowdown_limit: float = setting(
        2.0,
        "How many times as long as with the old bundle a photo may take (median from decoding to "
        "the overlay).",
        "2",
        gt=1,
        le=100,
    )
