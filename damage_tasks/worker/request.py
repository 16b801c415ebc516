"""The parent's view of one photo in hand; what an operator stops is not lost."""

from __future__ import annotations

import time
from typing import Any

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import Terminated, WorkerLostError
from celery.exceptions import Ignore, Reject, Retry
from celery.worker import state
from celery.worker.request import Request as CeleryRequest
from kombu.log import get_logger

from damage_tasks.errors import WorkerLost
from damage_tasks.sqs.message import receives_of, sent_at
from damage_tasks.telemetry import sentry
from damage_tasks.telemetry.metrics import get_metrics
from damage_tasks.worker.lifecycle import bundle_version, is_last_receive, photo_lost
from damage_tasks.worker.monitor import MONITOR

logger = get_logger(__name__)


class Request(CeleryRequest):
    """Counts photos that ended their process, and hands back the message of a revoked one.

    Every worker that heard the command refuses it at once, so SQS soon moves it to
    the dead-letter queue, from where it can be replayed.
    """

    acknowledged: bool
    _revoked_by_operator = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Celery makes a class for each task, whose `on_success` asks for nobody else's."""
        super().__init_subclass__(**kwargs)
        celerys = cls.on_success

        def on_success(self: Request, failed__retval__runtime: Any, **kwargs: Any) -> None:
            celerys(self, failed__retval__runtime, **kwargs)
            if not failed__retval__runtime[0]:
                MONITOR.succeeded()

        cls.on_success = on_success

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
            logger.warning("photo %s is revoked: its message goes to the dead letters", self.id)
            self._message.delivery_info["revoked"] = True
            # Not `reject`, which would tell Flower of another state than REVOKED.
            self._on_reject(logger, self._connection_errors, True)
            self.acknowledged = True

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        sent = sent_at(self._properties)
        if sent is not None:
            MONITOR.last_wait = max(0.0, time.time() - sent)
        super().on_accepted(pid, time_accepted)

    def _success_was_stored(self) -> bool:
        """No: Celery would ask the database, from the loop that polls and keeps the heartbeat.

        Whoever is given the message again finds the verdict.
        """
        return False

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> None:
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        with sentry.about_photo(photo=self.id, bundle=bundle_version()):
            super().on_failure(exc_info, *args, **kwargs)
            # What a child has reported itself it names.
            if getattr(error, "sentry_event", None) is None:
                error.sentry_event = sentry.last_event()
        if isinstance(error, WorkerLostError):
            logger.warning(
                "photo lost its process", extra={"task_id": self.id, "status": str(error)}
            )
            photo_lost(self.id)
        if not isinstance(error, Terminated | Retry | Ignore | Reject):
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        MONITOR.failed(self.id, error)
        if metrics := get_metrics():
            # Of an error without a code no child has lived to tell: that it was lost was
            # written down when the photo was delivered for the last time.
            code = getattr(error, "code", WorkerLost.code)
            metrics.failed(code, for_good=is_last_receive(receives_of(self._properties)))

    def on_timeout(self, soft: bool, timeout: float) -> None:
        with sentry.about_photo(photo=self.id, bundle=bundle_version()):
            super().on_timeout(soft, timeout)
        if not soft:
            photo_lost(self.id)

    @property
    def _properties(self) -> dict[str, Any]:
        return {"delivery_info": self._message.delivery_info}
