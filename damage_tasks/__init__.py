"""Finds damage on car photos: a Celery application on AWS SQS.

Callers need only this::

    from damage_tasks import detect_damage

    detect_damage.delay("https://photos.example/car.jpg", {"car_id": 7})

Importing it loads neither torch nor OpenCV nor SQLAlchemy.
"""

from damage_tasks.app import app
from damage_tasks.contract import (
    CaseResult,
    DetectDamage,
    InspectionCriteria,
    InspectionOptions,
    InspectionPage,
    InspectionResult,
    PendingInspection,
    PhotoRequest,
    ProgressResult,
)
from damage_tasks.inspection_lookup import (
    find_inspections,
    get_case,
    get_inspection,
    iter_inspections,
)
from damage_tasks.submission import submit_many
from damage_tasks.tasks import detect_damage as _detect_damage

__all__ = [
    "CaseResult",
    "InspectionCriteria",
    "InspectionOptions",
    "InspectionPage",
    "InspectionResult",
    "PendingInspection",
    "PhotoRequest",
    "ProgressResult",
    "app",
    "detect_damage",
    "find_inspections",
    "get_case",
    "get_inspection",
    "iter_inspections",
    "submit_many",
]

detect_damage: DetectDamage = _detect_damage
