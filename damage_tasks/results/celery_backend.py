"""Celery's result backend: the inspections table itself.

The pipeline stores the result before the task ends, so nothing is written a
second time; ``detect_damage.delay(url).get()`` reads the inspection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any

from celery import exceptions, states
from celery.backends.base import Backend, SyncBackendMixin

from damage_tasks.errors import CallRefused, DamageTaskError, ExtraMissing, error_of
from damage_tasks.inspection import Inspection, Progress, State, Verdict
from damage_tasks.inspection_id import storable_id
from damage_tasks.settings import get_settings

if TYPE_CHECKING:
    from damage_tasks.results.store import Inspections


def open_store(url: str, event_targets: Sequence[str] = ()) -> Inspections:
    """The database of inspections at ``url``; raises `ExtraMissing` without SQLAlchemy.

    Every event is recorded for each of ``event_targets``.
    """
    return _import_inspections()(url, event_targets)


@cache
def open_inspections() -> Inspections:
    """The database of inspections in the settings; one connection for this process."""
    # First, because a caller without the extra cannot use the setting either.
    inspections = _import_inspections()
    return inspections(get_settings().require("database_url"))


def _import_inspections() -> type[Inspections]:
    try:
        from damage_tasks.results.store import Inspections
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"reading inspections needs {error.name}: pip install 'damage-tasks[results]'"
        ) from None
    return Inspections


def _wait(interval: float, end: float | None, on_interval: Callable[[], None] | None) -> None:
    now = time.monotonic()
    if end is not None and now >= end:
        raise exceptions.TimeoutError("not every photo has a verdict yet")
    if on_interval is not None:
        on_interval()
    time.sleep(interval if end is None else min(interval, end - now))


class InspectionBackend(SyncBackendMixin, Backend):
    """Reads results from the inspections table and writes none."""

    def _store_result(self, task_id: str, result: Any, state: str, *_: Any, **__: Any) -> Any:
        return result

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        found = open_inspections().find_outcome(storable_id(task_id))
        reason = found.reason if found else None
        error = error_of(reason.code, reason.text) if reason else None
        result: Any
        match found:
            case None:
                status, result = states.PENDING, None
            case Progress(state=State.RUNNING):
                shown = found.to_dict()
                # Celery's own name for the worker.
                started = {"hostname": shown["worker"], "since": shown["since"]}
                status, result = states.STARTED, started
            case Progress():
                shown = found.to_dict()
                retrying = {key: shown[key] for key in ("since", "reason", "next_attempt_at")}
                status, result = states.RETRY, {"hostname": shown["worker"], **retrying}
            case Inspection(verdict=Verdict.FAILED):
                status, result = states.FAILURE, error or DamageTaskError()
            case _:
                status, result = states.SUCCESS, found.to_dict()
        finished_at = found.finished_at if isinstance(found, Inspection) else None
        return {"task_id": task_id, "status": status, "result": result, "date_done": finished_at}

    def get_many(
        self,
        task_ids: Iterable[str],
        timeout: float | None = None,
        interval: float | None = None,
        on_message: Callable[[dict[str, Any]], None] | None = None,
        on_interval: Callable[[], None] | None = None,
        max_iterations: int | None = None,
        **_: Any,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each id with its result as soon as it has one, for ``join_native`` and ``iter_native``.

        Ends after ``max_iterations`` looks at the database, or raises Celery's `TimeoutError`
        after ``timeout`` seconds.
        """
        interval = 0.5 if interval is None else interval
        end = None if timeout is None else time.monotonic() + timeout
        waiting = set(task_ids)
        for look in count(1):
            for id in sorted(waiting):
                meta = self.get_task_meta(id)
                if meta["status"] in states.READY_STATES:
                    waiting.discard(id)
                    if on_message is not None:
                        on_message(meta)
                    yield id, meta
            if not waiting or look == max_iterations:
                return
            _wait(interval, end, on_interval)

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
