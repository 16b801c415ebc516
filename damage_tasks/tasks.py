"""The Celery tasks: they turn an inspection's outcome into an ack, a retry or a dead letter."""

from __future__ import annotations

import logging
import random
from typing import Any

from celery import Task
from celery.exceptions import SoftTimeLimitExceeded

from damage_tasks.app import app
from damage_tasks.errors import (
    DamageTaskError,
    MessageMalformed,
    RetriesExhausted,
    TemporaryError,
    TimeLimitReached,
    WorkerLost,
)
from damage_tasks.sqs.message import receives_of
from damage_tasks.sqs.task_names import DETECT_DAMAGE, RECORD_MALFORMED
from damage_tasks.worker.lifecycle import (
    get_pipeline,
    is_last_receive,
    photo_examined,
    photo_failed,
)

logger = logging.getLogger(__name__)

REQUEST = "damage_tasks.worker.request:Request"
MAX_DELAY = 900  # seconds; the largest DelaySeconds that SQS accepts


@app.task(bind=True, name=DETECT_DAMAGE, max_retries=None, Request=REQUEST)
def detect_damage(self: Task, url: str, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """Inspect the photo at ``url`` and return the inspection.

    ``docs/reference/inspection.schema.json`` describes the result. ``metadata`` is the caller's own
    JSON object; it is stored and returned unchanged. A photo that cannot be downloaded or decoded
    also gives a result, with the verdict ``rejected``.
    """
    received = receives_of(self.request.properties or {})
    attempts = self.request.retries + received
    pipeline = get_pipeline()
    if is_last_receive(received):
        # If this attempt also kills the process, only this record will remain.
        lost = WorkerLost(f"delivered {received} times and never finished")
        pipeline.record_failure(self.request.id, url, metadata, lost, attempts=attempts)
    try:
        # The photo was finished before; only the deletion of its message failed.
        if attempts > 1 and (known := pipeline.verdict_of(self.request.id)) is not None:
            return known.to_dict()
        inspection = pipeline.inspect(self.request.id, url, metadata, attempts=attempts)
        if inspection.finding is not None and not inspection.reused:
            photo_examined()
        return inspection.to_dict()
    except TemporaryError as error:
        try_again(self, error)
        failure: DamageTaskError = RetriesExhausted(f"{error.code}: {error}")
        cause: BaseException = error
    except SoftTimeLimitExceeded as error:
        failure = TimeLimitReached(f"not finished after {app.conf.task_soft_time_limit} s")
        cause = error
    except DamageTaskError as error:
        failure = cause = error
    except Exception as error:
        failure = DamageTaskError(f"{type(error).__name__}: {error}")
        cause = error
    pipeline.record_failure(self.request.id, url, metadata, failure, attempts=attempts)
    # While S3 or the database is unavailable, other workers would fail too.
    if not isinstance(cause, TemporaryError):
        photo_failed(self.request.id)
    # Not acknowledged: SQS delivers the message again and finally makes it a dead letter.
    raise failure from cause


@app.task(bind=True, name=RECORD_MALFORMED, max_retries=None, Request=REQUEST)
def record_malformed(self: Task, body: str) -> dict[str, Any]:
    """Record a message that is not a request as ``rejected``, with its body."""
    error = MessageMalformed(
        'expected {"image_url": "https://...", ...} or a message sent by detect_damage.delay'
    )
    pipeline = get_pipeline()
    attempts = self.request.retries + receives_of(self.request.properties or {})
    try:
        inspection = pipeline.reject(
            self.request.id, None, {"body": body}, error, attempts=attempts
        )
    except TemporaryError as away:
        try_again(self, away)
        raise
    return inspection.to_dict()


def try_again(task: Task, error: TemporaryError) -> None:
    """Send the message again with a delay; return if there were enough retries already."""
    from damage_tasks.settings import get_settings

    settings, retries = get_settings(), task.request.retries
    if retries >= settings.max_retries:
        return
    # A countdown would become an ETA: the worker would hold the message beyond its visibility
    # timeout, and SQS would deliver it again.
    delay = retry_delay(retries, settings.retry_base)
    logger.warning(
        "photo will be retried",
        extra={"task_id": task.request.id, "reason": error.code, "why": str(error),
               "retry": retries + 1, "seconds": delay},
    )  # fmt: skip
    raise task.retry(exc=error, countdown=0, DelaySeconds=delay) from None


def retry_delay(retries: int, base: float) -> int:
    """Whole seconds to wait before retry ``retries`` + 1: exponential, half of it jitter."""
    ceiling = min(MAX_DELAY, base * 2**retries)
    return round(random.uniform(ceiling / 2, ceiling))
