"""Drift of the photos in production."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from damage_tasks.settings.base import Group, setting


def _days(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        since, until = (
            datetime.fromisoformat(day.strip()).replace(tzinfo=UTC) for day in value.split(",")
        )
    except ValueError:
        raise ValueError("is not DAY,DAY (2026-11-01,2026-11-08)") from None
    if since >= until:
        raise ValueError("must name an earlier day first")
    return since, until


Days = Annotated[tuple[datetime, datetime] | None, NoDecode, BeforeValidator(_days)]


class DriftSettings(Group):
    """Drift of the photos in production."""

    drift_psi: float = setting(
        0.2,
        "Population stability index of a figure (brightness, blur, size, score, verdict, camera, "
        "hour of the day) from which its drift is reported.",
        "0.25",
        gt=0,
    )
    drift_ks: float = setting(
        0.1,
        "Kolmogorov-Smirnov distance of a figure, from 0 to 1, from which its drift is reported.",
        "0.15",
        gt=0,
        lt=1,
    )
    drift_photos: int = setting(
        500,
        "Photos of a day below which drift is not computed: chance would differ as much.",
        "1000",
        ge=50,
        le=10_000,
    )
    drift_reference: Days = setting(
        None,
        "First day, and the day after the last one, whose photos are the reference for drift. By "
        "default it is the reference in the bundle's manifest (`python -m model_training "
        "reference`), or else the first days on which the bundle was used.",
        "2026-11-01,2026-11-08",
    )
    drift_reference_days: int = setting(
        7,
        "How many of the bundle's first days are the reference for drift, if neither its manifest "
        "nor `DAMAGE_DRIFT_REFERENCE` has one.",
        "14",
        ge=1,
        le=90,
    )
