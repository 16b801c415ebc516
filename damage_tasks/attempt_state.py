"""One attempt at one photo: the request, and what is known so far."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from damage_tasks.errors import DamageTaskError
from damage_tasks.inspection import (
    Finding,
    Inspection,
    PhotoFacts,
    Reason,
    Verdict,
)
from damage_tasks.lanes import BULK
from damage_tasks.results.storable_text import storable
from damage_tasks.telemetry import redact, sentry, traces
from model_store.identity import BundleIdentity


class Stopwatch:
    """Milliseconds of wall time by stage, in the order in which the stages ended."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to stage ``name``."""
        start = time.perf_counter()
        try:
            with sentry.traced_stage(name), traces.traced_stage(name):
                yield
        finally:
            spent = (time.perf_counter() - start) * 1000
            self.milliseconds[name] = self.milliseconds.get(name, 0.0) + spent


@dataclass
class Attempt:
    """An attempt to examine the photo at ``url`` for the inspection ``id``.

    ``number`` counts the attempts from 1.  ``had_photo`` says whether this attempt or an
    earlier one has had the photo's bytes.  No attempt begins after ``deadline``.  If the sender
    chose the id (``has_own_id``), it may have been used before; ``message_id`` is the
    SQS MessageId of the first message.
    ``case_id`` is the occasion that the photo belongs to, with ``case_photos`` photos.
    ``is_upload`` says that an S3 event announced the photo.
    SQS accepted the first message at ``sent_at``, in seconds since 1970; its queue is the ``lane``.
    ``callback_url`` is where the caller wants the inspection's event sent, unchecked.
    ``metadata`` is the caller's, unchecked; `checked_metadata` contains it once it is known to be
    valid.  ``bundle`` is the one that examines the photo, once that is decided.
    ``failure_in_advance`` is what remains if a last attempt ends its process.
    """

    id: str
    url: Any
    metadata: Any = None
    number: int = 1
    had_photo: bool = False
    sent_at: float | None = None
    lane: str = BULK
    deadline: datetime | None = None
    callback_url: Any = None
    case_id: str | None = None
    case_photos: int | None = None
    is_upload: bool = False
    has_own_id: bool = False
    message_id: str | None = None
    checked_metadata: Mapping[str, Any] = field(default_factory=dict)
    photo: PhotoFacts = field(default_factory=PhotoFacts)
    bundle: BundleIdentity | None = None
    failure_in_advance: Inspection | None = None
    watch: Stopwatch = field(default_factory=Stopwatch)
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds_since_sent(self) -> float | None:
        """Seconds since SQS accepted the first message; None if it did not come from SQS."""
        return None if self.sent_at is None else max(0.0, time.time() - self.sent_at)

    @property
    def may_be_known(self) -> bool:
        """Whether there may be a verdict of an earlier attempt or of a message with the same id."""
        return self.number > 1 or self.has_own_id

    @property
    def photo_url(self) -> str | None:
        """The URL as it is stored; None if it is not text: callers may send anything."""
        return storable(self.url) if isinstance(self.url, str) else None

    def examined(
        self, finding: Finding, bundle: BundleIdentity, *, reused: bool, is_unsure: bool
    ) -> Inspection:
        """The inspection that ends with ``finding``."""
        return self._inspection(
            finding.verdict,
            bundle,
            finding=finding,
            reason=finding.reason,
            reused=reused,
            is_unsure=is_unsure,
        )

    def ended_by(
        self,
        error: DamageTaskError,
        verdict: Verdict,
        bundle: BundleIdentity,
        final_after: datetime | None = None,
    ) -> Inspection:
        """The inspection that ends as ``rejected`` or ``failed`` because of ``error``."""
        reason = Reason(error.code, redact(str(error)))
        return self._inspection(verdict, bundle, reason=reason, final_after=final_after)

    def _inspection(self, verdict: Verdict, bundle: BundleIdentity, **fields: Any) -> Inspection:
        return Inspection(
            id=self.id,
            photo_url=self.photo_url,
            photo=self.photo,
            verdict=verdict,
            bundle=bundle,
            timings_ms=dict(self.watch.milliseconds),
            attempts=self.number,
            metadata=self.checked_metadata,
            case_id=self.case_id,
            case_photos=self.case_photos,
            finished_at=datetime.now(UTC),
            **fields,
        )


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """A worker process's report to its parent about a failed attempt."""

    had_photo: bool
    next_attempt_at: datetime | None = None


def attach_report(error: DamageTaskError, report: AttemptReport) -> None:
    """Send ``report`` to the parent with ``error``: exceptions are pickled with attributes."""
    error.attempt_report = report  # type: ignore[attr-defined]


def report_of(error: BaseException) -> AttemptReport | None:
    """The report attached to ``error``; None from a process that was killed."""
    report = getattr(error, "attempt_report", None)
    return report if isinstance(report, AttemptReport) else None
