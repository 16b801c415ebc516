"""Looks up the result of an inspection, for callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from damage_tasks.contract import InspectionResult, ProgressResult


def get_inspection(id: str) -> InspectionResult | ProgressResult | None:
    """The result of the inspection ``id`` (the task id), or its progress until there is one.

    ``state`` is ``done`` once there is a verdict, and the dictionary then follows
    ``docs/reference/inspection.schema.json``.  With ``running`` and ``retrying`` (with ``reason``
    and ``next_attempt_at``), ``verdict`` is None and the dictionary follows
    ``docs/reference/progress.schema.json``.  None if nothing is known: the photo is waiting in the
    queue, was received only seconds ago, or was never sent.

    Needs ``pip install damage-tasks[results]`` and ``DAMAGE_DATABASE_URL``.  Raises
    `DatabaseUnavailable`, `DatabaseError` or `ExtraMissing`.
    """
    from damage_tasks.inspection import storable_id
    from damage_tasks.results.celery_backend import open_inspections

    found = open_inspections().find_outcome(storable_id(id))
    return cast("InspectionResult | ProgressResult", found.to_dict()) if found else None
