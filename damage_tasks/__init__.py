"""Finds damage on car photos: a Celery application on AWS SQS.

Callers need only this::

    from damage_tasks import detect_damage

    detect_damage.delay("https://photos.example/car.jpg", {"car_id": 7})

Importing it loads neither torch nor OpenCV nor SQLAlchemy.
"""

from typing import Any

from damage_tasks.app import app
from damage_tasks.tasks import detect_damage

__all__ = ["app", "detect_damage", "get_inspection"]


def get_inspection(id: str) -> dict[str, Any] | None:
    """The result of the inspection with this ``id`` (the task id); None until there is a verdict.

    ``docs/reference/inspection.schema.json`` describes the dictionary.
    Needs ``pip install damage-tasks[results]`` and ``DAMAGE_DATABASE_URL``.  Raises
    `DatabaseUnavailable`, `DatabaseError` or `ExtraMissing`.
    """
    from damage_tasks.results.celery_backend import open_inspections

    inspection = open_inspections().find(id)
    return inspection.to_dict() if inspection else None
