"""Looks up the result of an inspection, for callers."""

from __future__ import annotations

from typing import Any


def get_inspection(id: str) -> dict[str, Any] | None:
    """The result of the inspection with this ``id`` (the task id); None until there is a verdict.

    ``docs/reference/inspection.schema.json`` describes the dictionary.
    Needs ``pip install damage-tasks[results]`` and ``DAMAGE_DATABASE_URL``.  Raises
    `DatabaseUnavailable`, `DatabaseError` or `ExtraMissing`.
    """
    from damage_tasks.results.celery_backend import open_inspections

    inspection = open_inspections().find(id)
    return inspection.to_dict() if inspection else None
