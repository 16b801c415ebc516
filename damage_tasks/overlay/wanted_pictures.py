"""Which pictures of an examined photo are stored."""

from __future__ import annotations

from dataclasses import dataclass

from damage_tasks.inspection import Verdict


@dataclass(frozen=True, slots=True)
class WantedPictures:
    """Whether the overlay and the mask of a photo are stored."""

    overlay: bool
    mask: bool


def wanted_pictures(policy: str, verdict: Verdict) -> WantedPictures:
    """The pictures that DAMAGE_CLEAN_PICTURES = ``policy`` stores of a photo with ``verdict``.

    Both for every damaged photo; the policy is about photos on which no damage was found.
    """
    is_damaged = verdict is Verdict.DAMAGED
    return WantedPictures(
        overlay=is_damaged or policy != "none", mask=is_damaged or policy == "all"
    )
