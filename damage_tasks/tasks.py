"""The Celery tasks: they turn an inspection's outcome into an ack, a retry or a dead letter."""

from __future__ import annotations

import logging
import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import Task, uuid
from celery.exceptions import Retry, SoftTimeLimitExceeded

from damage_tasks.app import app
from damage_tasks.attempt_state import Attempt, AttemptReport, attach_report
from damage_tasks.errors import (
    DamageTaskError,
    MessageMalformed,
    PhotoExpired,
    RetriesExhausted,
    TemporaryError,
    TimeLimitReached,
    WorkerLost,
)
from damage_tasks.sqs.inspection_options import (
    CALLBACK_URL,
    CARRIED,
    CASE_ID,
    CASE_PHOTOS,
    DEADLINE,
    FIRST_SENT,
    HAD_PHOTO,
    MESSAGE_ID,
    OWN_ID,
    PROBLEM,
    UPLOADED,
)
from damage_tasks.sqs.inspection_task import InspectionTask
from damage_tasks.sqs.message_attributes import (
    MAX_DELAY_SECONDS,
    VISIBILITY_MARGIN_SECONDS,
    group_of,
    lane_of,
    receives_of,
    sent_at,
)
from damage_tasks.sqs.task_names import DETECT_DAMAGE, FORWARD_UPLOADS, RECORD_MALFORMED
from damage_tasks.sqs.trace_headers import trace_of
from damage_tasks.worker.runtime import WorkerRuntime, runtime_of
from damage_tasks.worker.signals import connect_signals

logger = logging.getLogger(__name__)

REQUEST = "damage_tasks.worker.request:Request"

app.runtime = WorkerRuntime()
connect_signals(app)


# Not shared: Celery would register it in every application of a caller's process.
@app.task(
    base=InspectionTask,
    bind=True,
    name=DETECT_DAMAGE,
    max_retries=None,
    Request=REQUEST,
    shared=False,
)
def detect_damage(self: Task, url: str, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """Inspect the photo at ``url`` and return the inspection.

    ``docs/reference/inspection.schema.json`` describes the result. ``metadata`` is the caller's own
    JSON object; it is stored and returned unchanged. A photo that cannot be downloaded or decoded
    also gives a result, with the verdict ``rejected``.
    """
    properties = self.request.properties or {}
    attempt = _attempt(self, url, metadata)
    runtime = runtime_of(self.app)
    pipeline = runtime.get_pipeline()
    is_last = runtime.is_last_receive(properties)
    if is_last:
        # If this attempt also kills the process, only this record will remain.
        lost = WorkerLost(f"delivered {receives_of(properties)} times and never finished")
        pipeline.record_failure(attempt, lost, final_after=_end_of_attempt())
    try:
        # Finished before: its message was not deleted, or the sender sent it twice.
        if attempt.may_be_known and (known := pipeline.verdict_of(attempt)) is not None:
            return known.to_dict()
        inspection = pipeline.inspect(attempt)
        if inspection.finding is not None and not inspection.reused:
            runtime.breaker.examined()
        return inspection.to_dict()
    except Exception as error:
        if isinstance(error, TemporaryError) and _may_retry(self):
            retry = try_again(self, error, attempt)
            if is_last:
                pipeline.failures.withdraw(attempt)
            raise retry from None
        failure = _failure_of(error)
        attach_report(failure, AttemptReport(attempt.had_photo))
        if not runtime.will_be_received_again(properties):
            pipeline.record_failure(attempt, failure)
        # While S3 or the database is unavailable, or once the photo's URL has expired, other
        # workers would fail too.
        if not isinstance(error, TemporaryError | PhotoExpired):
            runtime.breaker.failed(attempt.id)
        # Not acknowledged: SQS delivers the message again and finally makes it a dead letter.
        raise failure from error


def _failure_of(error: Exception) -> DamageTaskError:
    """The error with which an attempt finally fails because of ``error``."""
    if isinstance(error, TemporaryError):
        return RetriesExhausted(f"{error.code}: {error}")
    if isinstance(error, SoftTimeLimitExceeded):
        return TimeLimitReached(f"not finished after {app.conf.task_soft_time_limit} s")
    if isinstance(error, DamageTaskError):
        return error
    return DamageTaskError(f"{type(error).__name__}: {error}")


@app.task(bind=True, name=RECORD_MALFORMED, max_retries=None, Request=REQUEST, shared=False)
def record_malformed(self: Task, body: str) -> dict[str, Any]:
    """Record a message that is not a request as ``rejected``, with its body."""
    error = MessageMalformed(
        _header(self, PROBLEM)
        or 'expected {"image_url": "https://...", ...} or a Celery message in JSON that calls '
        "detect_damage(url, metadata)"
    )
    attempt = _attempt(self, None, {"body": body})
    attempt.checked_metadata = attempt.metadata
    try:
        return runtime_of(self.app).get_pipeline().reject(attempt, error).to_dict()
    except TemporaryError as outage:
        if _may_retry(self):
            raise try_again(self, outage, attempt) from None
        raise


@app.task(bind=True, name=FORWARD_UPLOADS, max_retries=None, Request=REQUEST, shared=False)
def forward_uploads(self: Task, uploads: list[dict[str, str]]) -> int:
    """Send a message for each photo of an S3 event that announced several; returns their number.

    If SQS does not accept all of them, it delivers the event again, and those that were accepted
    are recognised by their ids.
    """
    # SQS clients take 0.4 s to import, and an import of the package alone needs none.
    from damage_tasks.sqs.queues import sqs_client
    from damage_tasks.sqs.upload_forwarding import forward

    event = self.request.properties["delivery_info"]
    url, queue = event["sqs_queue"], event["routing_key"]
    return forward(sqs_client(), url, queue, self.request.id, uploads, trace_of(self.request))


def try_again(task: Task, error: TemporaryError, attempt: Attempt) -> Retry:
    """Send the message again with a delay; returns the exception to raise."""
    retries = task.request.retries
    # A countdown would become an ETA: the worker would hold the message beyond its visibility
    # timeout, and SQS would deliver it again.
    delay = retry_delay(retries, runtime_of(task.app).settings.retry_base)
    now = datetime.now(UTC)
    carried = {name: _header(task, name) for name in (*CARRIED, PROBLEM)}
    headers = {
        **(task.request.headers or {}),
        **trace_of(task.request),
        **{name: value for name, value in carried.items() if value},
    }
    if attempt.deadline is not None:
        # Ends at the deadline, so that the caller gets a verdict then.
        left = (attempt.deadline - now).total_seconds()
        delay = min(delay, max(0, math.ceil(left)))
    if attempt.had_photo:
        headers[HAD_PHOTO] = True
    if attempt.sent_at is not None:
        headers[FIRST_SENT] = attempt.sent_at
    attach_report(error, AttemptReport(attempt.had_photo, now + timedelta(seconds=delay)))
    logger.warning(
        "photo will be retried",
        extra={"task_id": task.request.id, "reason": error.code, "why": str(error),
               "retry": retries + 1, "seconds": delay},
    )  # fmt: skip
    group = group_of(task.request.properties or {})
    options = {"MessageGroupId": group} if group else {}
    retry: Retry = task.retry(
        exc=error, countdown=0, DelaySeconds=delay, headers=headers, throw=False, **options
    )
    return retry


def _may_retry(task: Task) -> bool:
    return bool(task.request.retries < runtime_of(task.app).settings.max_retries)


def _attempt(task: Task, url: Any, metadata: Any) -> Attempt:
    request = task.request
    deadline = _header(task, DEADLINE)
    return Attempt(
        # A direct call, detect_damage(url), has none.
        request.id or uuid(),
        url,
        metadata,
        number=request.retries + receives_of(request.properties or {}),
        had_photo=bool(_header(task, HAD_PHOTO)),
        sent_at=_header(task, FIRST_SENT) or sent_at(request.properties or {}),
        lane=lane_of(request.properties or {}),
        deadline=datetime.fromisoformat(deadline) if deadline else None,
        callback_url=_header(task, CALLBACK_URL),
        case_id=_header(task, CASE_ID),
        case_photos=_header(task, CASE_PHOTOS),
        is_upload=bool(_header(task, UPLOADED)),
        has_own_id=bool(_header(task, OWN_ID)),
        message_id=_header(task, MESSAGE_ID),
    )


def _header(task: Task, name: str) -> Any:
    """A header of the message; in a caller's own process there is no message around the headers."""
    request = task.request
    return getattr(request, name, None) or (request.headers or {}).get(name)


def _end_of_attempt() -> datetime:
    """The time by which an attempt that begins now has certainly ended."""
    return datetime.now(UTC) + timedelta(
        seconds=app.conf.task_time_limit + VISIBILITY_MARGIN_SECONDS
    )


def retry_delay(retries: int, base: float) -> int:
    """Whole seconds to wait before retry ``retries`` + 1: exponential, half of it jitter."""
    ceiling = min(MAX_DELAY_SECONDS, base * 2**retries)
    return round(random.uniform(ceiling / 2, ceiling))
