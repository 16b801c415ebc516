"""Stores photos that failed, for a last attempt also in advance; never raises."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from damage_tasks.errors import DamageTaskError
from damage_tasks.storage_retries import retry_until

if TYPE_CHECKING:
    from damage_tasks.attempt_state import Attempt
    from damage_tasks.inspection import Inspection
    from damage_tasks.ports import Records
    from model_store.identity import BundleIdentity

logger = logging.getLogger(__name__)


class FailureRecords:
    """Stores failures with ``save``, which is retried for ``retry_seconds`` of an attempt."""

    def __init__(
        self,
        inspections: Records,
        save: Callable[[Inspection, Attempt], Inspection],
        retry_seconds: float,
    ) -> None:
        self._inspections = inspections
        self._save = save
        self._retry_seconds = retry_seconds

    def record(self, failure: Inspection, attempt: Attempt) -> Inspection:
        """Store ``failure`` if the database can be reached; returns what is stored then.

        What is stored in advance remains if the attempt ends its process.
        """
        in_advance = failure.final_after is not None
        if in_advance:
            attempt.failure_in_advance = failure
        # Storing it in advance must leave time for the attempt itself.
        patience = self._retry_seconds / 2 if in_advance else self._retry_seconds
        try:
            stored = retry_until(attempt.began + patience, lambda: self._save(failure, attempt))
        except DamageTaskError as problem:
            logger.error("could not record the failure of %s: %s", attempt.id, problem)
            return failure
        logger.info(
            "failure recorded in advance" if in_advance else "failure recorded",
            extra={
                "task_id": attempt.id,
                "reason": failure.reason.code if failure.reason else None,
                "attempts": attempt.number,
                "bundle": failure.bundle.version if failure.bundle else None,
            },
        )
        return stored

    def complete(self, attempt: Attempt, bundle: BundleIdentity) -> None:
        """Name the photo and its ``bundle`` in a failure that was recorded in advance.

        If the bundle ends the process, the failure counts against it during a roll-out.
        """
        if (failure := attempt.failure_in_advance) is not None:
            self.record(replace(failure, photo=attempt.photo, bundle=bundle), attempt)

    def withdraw(self, attempt: Attempt) -> None:
        """Remove a failure that was recorded in advance, if the database can be reached."""
        try:
            self._inspections.withdraw_failure(attempt.id)
        except DamageTaskError as problem:
            logger.warning("%s is shown as failed until its retry: %s", attempt.id, problem)
