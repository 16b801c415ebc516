"""Celery's result backend: the inspections table itself.

The pipeline has stored the result before the task ends, so nothing is written a
second time; ``detect_damage.delay(url).get()`` reads the inspection.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from celery import states
from celery.backends.base import Backend, SyncBackendMixin

from damage_tasks.errors import CallRefused, DamageTaskError, ExtraMissing
from damage_tasks.inspection import Verdict
from damage_tasks.settings import get_settings

if TYPE_CHECKING:
    from damage_tasks.results.store import Inspections


@cache
def open_inspections() -> Inspections:
    """This process's view of the database of inspections."""
    try:
        from damage_tasks.results.store import Inspections
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"reading inspections needs {error.name}: pip install 'damage-tasks[results]'"
        ) from None
    return Inspections(get_settings().require("database_url"))


class InspectionBackend(SyncBackendMixin, Backend):
    """Reads results from the inspections table and writes none."""

    def _store_result(self, task_id: str, result: Any, state: str, *_: Any, **__: Any) -> Any:
        return result

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        inspection = open_inspections().find(task_id)
        if inspection is None:
            return {"task_id": task_id, "status": states.PENDING, "result": None}
        if inspection.verdict is Verdict.FAILED and inspection.reason:
            error = DamageTaskError(f"{inspection.reason.code}: {inspection.reason.text}")
            return {"task_id": task_id, "status": states.FAILURE, "result": error}
        return {"task_id": task_id, "status": states.SUCCESS, "result": inspection.to_dict()}

    def _forget(self, task_id: str) -> None:
        """Inspections are records: they are not forgotten with a Celery result."""

    def _save_group(self, group_id: str, result: Any) -> None:
        raise CallRefused(
            f"group {group_id} cannot be saved: keep the ids of its results, "
            "[result.id for result in group_result], and read each with get_inspection(id)"
        )

    def _restore_group(self, group_id: str) -> None:
        raise CallRefused(f"group {group_id} cannot be restored: groups are not saved")

    def _delete_group(self, group_id: str) -> None:
        """Groups are not saved, so there is nothing to delete."""
