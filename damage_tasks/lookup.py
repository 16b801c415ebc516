"""Looks up the result of an inspection, for callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from damage_tasks.contract import InspectionResult


def get_inspection(id: str) -> InspectionResult | None:
    """The result of the inspection with this ``id`` (the task id); None until there is a verdict.

    ``docs/reference/inspection.schema.json`` describes the dictionary.
    Needs ``pip install damage-tasks[results]`` and ``DAMAGE_DATABASE_URL``.  Raises
    `DatabaseUnavailable`, `DatabaseError` or `ExtraMissing`.
    """
    from damage_tasks.results.celery_backend import open_inspections

    inspection = open_inspections().find(id)
    return cast("InspectionResult", inspection.to_dict()) if inspection else None
