"""The parent's record of one photo in progress; a revoked photo becomes a dead letter."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import Terminated, WorkerLostError
from celery.exceptions import Ignore, Reject, Retry
from celery.worker import state
from celery.worker.request import Request as CeleryRequest
from kombu.log import get_logger

from damage_tasks.attempt_state import report_of
from damage_tasks.errors import DamageTaskError, TimeLimitReached, WorkerLost
from damage_tasks.inspection import Progress, Reason, State
from damage_tasks.sqs.message_attributes import lane_of, queue_of, receives_of, sent_at
from damage_tasks.telemetry import redact, sentry
from damage_tasks.telemetry.metrics import get_metrics
from damage_tasks.worker.runtime import runtime_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from damage_tasks.worker.outcome_alerts import WorkerMonitor
    from damage_tasks.worker.runtime import WorkerRuntime

logger = get_logger(__name__)


class Request(CeleryRequest):
    """Counts photos that ended their process, and returns a revoked photo's message to the queue.

    Every worker that received the command rejects the message, so SQS soon moves it to
    the dead-letter queue, from where it can be replayed.
    """

    acknowledged: bool
    _revoked_by_operator = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Celery creates a subclass for each task, whose `on_success` does not call ours."""
        super().__init_subclass__(**kwargs)
        celerys = cls.on_success

        def on_success(self: Request, failed__retval__runtime: Any, **kwargs: Any) -> None:
            celerys(self, failed__retval__runtime, **kwargs)
            failed, _, _ = failed__retval__runtime
            if not failed:
                self._succeeded()

        cls.on_success = on_success

    def _succeeded(self) -> None:
        self._monitor.succeeded()
        self._record(self._monitor.progress.ended)

    def revoked(self) -> bool:
        if self.id in state.revoked and self._is_newer_than_its_revocation():
            state.revoked.discard(self.id)
        return bool(super().revoked())

    def _is_newer_than_its_revocation(self) -> bool:
        """Whether an operator has replayed the dead letter since; a retry is the same run."""
        sent = sent_at(self._properties)
        if sent is None or self._message.headers.get("retries"):
            return False
        revoked_for = time.monotonic() - state.revoked.as_dict()[self.id]
        return time.time() - sent < float(revoked_for)

    def _announce_revoked(self, *args: Any) -> None:
        self._revoked_by_operator = True
        super()._announce_revoked(*args)

    def acknowledge(self) -> None:
        if not self._revoked_by_operator:
            super().acknowledge()
        elif not self.acknowledged:
            logger.warning("photo %s is revoked: its message becomes a dead letter", self.id)
            self._message.delivery_info["revoked"] = True
            # Not `reject`, which would report a state other than REVOKED to Flower.
            self._on_reject(logger, self._connection_errors, True)
            self.acknowledged = True
            self._record(self._monitor.progress.ended)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        sent = sent_at(self._properties)
        if sent is not None:
            queue = queue_of(self._properties) or ""
            self._monitor.last_waits[queue] = max(0.0, time.time() - sent)
        super().on_accepted(pid, time_accepted)
        self._record(self._monitor.progress.accepted)

    def _success_was_stored(self) -> bool:
        """Always false: Celery would query the database in the loop that polls and beats.

        The worker that next receives the message finds the verdict.
        """
        return False

    def on_retry(self, exc_info: Any) -> None:
        retry = _unwrapped(exc_info.exception)
        failed = self._failed_attempt(retry.exc)
        self._record(self._monitor.progress.failed, failed)
        # Shown in Flower.
        retry.exc = DamageTaskError(_shown(failed))
        super().on_retry(exc_info)

    def on_failure(
        self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        error = _unwrapped(exc_info.exception)
        is_failure = not isinstance(error, Terminated | Retry | Ignore | Reject)
        comes_again = is_failure and self._runtime.will_be_received_again(self._properties)
        with sentry.about_photo(photo=self.id, bundle=self._runtime.bundle_version):
            super().on_failure(exc_info, send_failed_event and not comes_again, return_ok)
            # A child names the errors that it has reported itself.
            if getattr(error, "sentry_event", None) is None:
                error.sentry_event = sentry.last_event()
        if isinstance(error, WorkerLostError):
            logger.warning(
                "photo lost its process", extra={"task_id": self.id, "status": str(error)}
            )
            self._runtime.breaker.lost(self.id)
        if is_failure:
            self._failed(error)
            self._record_failure(error)
        elif isinstance(error, Terminated):
            self._record(self._monitor.progress.ended)

    def _failed(self, error: BaseException) -> None:
        self._monitor.failed(self.id, error)
        if metrics := get_metrics():
            # An error without a code means that the child was lost, which was already
            # recorded when the photo was delivered for the last time.
            code = getattr(error, "code", WorkerLost.code)
            is_last = self._runtime.is_last_receive(self._properties)
            metrics.failed(code, lane_of(self._properties), for_good=is_last)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        with sentry.about_photo(photo=self.id, bundle=self._runtime.bundle_version):
            super().on_timeout(soft, timeout)
        if not soft:
            self._runtime.breaker.lost(self.id)
            self._record_failure(TimeLimitReached(f"killed after {timeout:g} s"))

    def _record_failure(self, error: BaseException) -> None:
        """Record a failed attempt, after which the photo may be retried; shown in Flower."""
        if not self._runtime.will_be_received_again(self._properties):
            self._record(self._monitor.progress.ended)
            if isinstance(error, WorkerLostError):  # which Celery does not report
                self.send_event("task-failed", exception=repr(error), traceback="")
            return
        failed = self._failed_attempt(error)
        self._record(self._monitor.progress.failed, failed)
        self.send_event("task-retried", exception=_shown(failed), traceback="")

    def _failed_attempt(self, error: BaseException) -> Progress | None:
        now = self._progress()
        if now is None:
            return None
        visible_at = self._message.delivery_info.get("visible_at")
        at = datetime.fromtimestamp(visible_at, UTC) if visible_at else None
        code = getattr(error, "code", WorkerLost.code)
        report = report_of(error)
        return replace(
            now,
            state=State.RETRYING,
            reason=Reason(code, redact(str(error))),
            next_attempt_at=(report and report.next_attempt_at) or at,
            # A killed process reports nothing; it had most likely downloaded the photo, since
            # downloads have a shorter time limit.
            had_photo=report is None or report.had_photo,
        )

    def _record(self, write: Callable[[Progress], None], progress: Progress | None = None) -> None:
        progress = progress or self._progress()
        if progress is not None:
            write(progress)

    def _progress(self) -> Progress | None:
        """The progress while a process has the photo; None if it did not come from SQS."""
        sent = sent_at(self._properties)
        if sent is None:
            return None
        now = datetime.now(UTC)
        return Progress(
            self.id,
            State.RUNNING,
            attempts=(self._message.headers.get("retries") or 0) + self._receives,
            message_sent_at=datetime.fromtimestamp(sent, UTC),
            receives=self._receives,
            updated_at=now,
            worker=self.hostname,
            since=now,
        )

    @property
    def _runtime(self) -> WorkerRuntime:
        return runtime_of(self.app)

    @property
    def _monitor(self) -> WorkerMonitor:
        return self._runtime.monitor

    @property
    def _receives(self) -> int:
        return receives_of(self._properties)

    @property
    def _properties(self) -> dict[str, Any]:
        return {"delivery_info": self._message.delivery_info}


def _unwrapped(error: Any) -> Any:
    return error.exc if isinstance(error, ExceptionWithTraceback) else error


def _shown(failed: Progress | None) -> str:
    if failed is None or failed.reason is None:
        return ""
    at = failed.next_attempt_at
    when = f"; next attempt about {at:%H:%M:%S} UTC" if at else ""
    return f"{failed.reason.code}: {failed.reason.text}{when}"
