"""The base class of `detect_damage`: calls with the options of an inspection."""

from __future__ import annotations

from typing import Any

from celery import Task

from damage_tasks.errors import CallRefused
from damage_tasks.sqs.inspection_options import (
    OPTIONS_KEY,
    OWN_ID,
    check_expires,
    option_headers,
)
from damage_tasks.sqs.trace_headers import TRACEPARENT, kept_headers
from damage_tasks.telemetry.traces import current_trace


class InspectionTask(Task):
    """A task whose calls accept ``inspection``, see `damage_tasks.InspectionOptions`."""

    def delay(self, *args: Any, inspection: Any = None, **kwargs: Any) -> Any:
        """Send a photo; raises `CallRefused` as `apply_async` does."""
        return self.apply_async(args, kwargs, inspection=inspection)

    def apply_async(
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        *others: Any,
        inspection: Any = None,
        **options: Any,
    ) -> Any:
        """Send a photo; raises `CallRefused` if ``expires`` or an option is not valid."""
        try:
            check_expires(options.get("expires"))
            id, headers = option_headers(inspection or {})
        except ValueError as error:
            raise CallRefused(str(error)) from None
        if id is not None and task_id not in (None, id):
            raise CallRefused(f"{OPTIONS_KEY}.id and task_id differ: give one of them")
        # Celery itself passes an id for members of a group and for retries.
        if task_id is not None and not options.get("group_id") and not options.get("retries"):
            headers[OWN_ID] = True
        given = options.get("headers") or {}
        # A retry stays in the trace of the photo's sender.
        trace = {} if TRACEPARENT in given else kept_headers(current_trace())
        if trace or headers:
            options["headers"] = {**trace, **given, **headers}
        return super().apply_async(args, kwargs, id or task_id, *others, **options)
