"""All errors of damage-tasks in one tree, each with a stable ``code``.

Codes are part of the contract (``docs/reference/errors.md``): they are stored
with the inspection and callers may act on them.  The three branches decide what
happens to a message: a `PhotoRejected` is a verdict, a `TemporaryError` is retried,
and anything else ends as ``failed`` in the dead-letter queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from damage_tasks.deployment_errors import (
    BundleMismatch,
    DatabaseError,
    EventBusMissing,
    FlowerDatabaseInUse,
    FlowerOpen,
    QueueUnsafe,
    RedactionUnavailable,
    ReviewOpen,
    SettingsError,
    StackError,
    StorageError,
)
from damage_tasks.inspection_errors import (
    DecisionInvalid,
    DeliveryNotFound,
    EvidenceInvalid,
    EvidenceTooLarge,
    ExportRefused,
    InspectionNotFound,
    LabelsInvalid,
    OriginalUnavailable,
    SearchInvalid,
)
from damage_tasks.photo_errors import (
    IdConflict,
    MessageMalformed,
    MetadataInvalid,
    NotAPhoto,
    PhotoForbidden,
    PhotoNotFound,
    PhotoRefused,
    PhotoRejected,
    PhotoTooLarge,
    PhotoTooSmall,
    PhotoUnreadable,
    PhotoUnsupported,
    TooManyPixels,
    TooManyRedirects,
    TooOld,
    UrlInvalid,
    UrlNotAllowed,
)
from model_store.errors import (
    BundleError,
    BundleNotFound,
    BundleUnavailable,
    DamageTaskError,
    EnginesDisagree,
    ExtraMissing,
    RolloutConflict,
    RolloutInvalid,
    RolloutStopped,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BundleError",
    "BundleMismatch",
    "BundleNotFound",
    "BundleUnavailable",
    "CallRefused",
    "DamageTaskError",
    "DatabaseError",
    "DatabaseUnavailable",
    "DecisionInvalid",
    "DeliveryNotFound",
    "DownloadFailed",
    "EnginesDisagree",
    "EventBusMissing",
    "EvidenceInvalid",
    "EvidenceTooLarge",
    "ExportRefused",
    "ExtraMissing",
    "FlowerDatabaseInUse",
    "FlowerOpen",
    "IdConflict",
    "InspectionNotFound",
    "LabelsInvalid",
    "MessageMalformed",
    "MetadataInvalid",
    "NetworksFailed",
    "NotAPhoto",
    "OriginalUnavailable",
    "PhotoExpired",
    "PhotoForbidden",
    "PhotoNotFound",
    "PhotoRefused",
    "PhotoRejected",
    "PhotoTooLarge",
    "PhotoTooSmall",
    "PhotoUnreadable",
    "PhotoUnsupported",
    "PhotosNotSent",
    "QueueUnavailable",
    "QueueUnsafe",
    "RedactionUnavailable",
    "RetriesExhausted",
    "ReviewOpen",
    "RolloutConflict",
    "RolloutInvalid",
    "RolloutStopped",
    "SearchInvalid",
    "SettingsError",
    "StackError",
    "StorageError",
    "StorageUnavailable",
    "TemporaryError",
    "TimeLimitReached",
    "TooManyPixels",
    "TooManyRedirects",
    "TooOld",
    "UrlInvalid",
    "UrlNotAllowed",
    "WorkerLost",
]


class CallRefused(DamageTaskError, ValueError):
    """Raised when a call asks for something that is not supported; nothing was sent."""

    code = "call_refused"
    default_text = "the call asks for something that is not supported; nothing was sent"


# --- the photo is not at fault and the cause may pass: retried with a growing delay


class TemporaryError(DamageTaskError):
    """Raised when an external service is unavailable and a later attempt may succeed."""

    code = "temporary"
    default_text = "an external service is unavailable; a later attempt may succeed"


class DownloadFailed(TemporaryError):
    """Raised when the photo's server is unreachable, is too slow or returns 5xx or 429."""

    code = "download_failed"
    default_text = "the photo's server is unreachable, is too slow or returned 5xx or 429"


class StorageUnavailable(TemporaryError):
    """Raised when S3 is unreachable, throttles the request or returns 5xx."""

    code = "storage_unavailable"
    default_text = "S3 is unreachable, throttled the request or returned 5xx"


class DatabaseUnavailable(TemporaryError):
    """Raised when the database is unreachable or drops the connection."""

    code = "database_unavailable"
    default_text = "the database is unreachable or dropped the connection"


class RetriesExhausted(DamageTaskError):
    """Raised when every attempt failed with a temporary error."""

    code = "retries_exhausted"
    default_text = "every attempt failed with a temporary error"


class PhotoExpired(DamageTaskError):
    """Raised when the photo's URL stopped working after an earlier attempt had downloaded it."""

    code = "photo_expired"
    default_text = "the photo's URL stopped working after an earlier attempt had downloaded it"


class WorkerLost(DamageTaskError):
    """Raised when every process that examined the photo was killed."""

    code = "worker_lost"
    default_text = "every process that examined the photo was killed"


class NetworksFailed(DamageTaskError):
    """Raised when a bundle that is only compared fails on a photo."""

    code = "networks_failed"
    default_text = "a bundle that is only compared failed on the photo"


class TimeLimitReached(DamageTaskError):
    """Raised when examining a photo took longer than the soft time limit."""

    code = "time_limit"
    default_text = "examining the photo took longer than the soft time limit"


# --- a call or a command fails


class QueueUnavailable(DamageTaskError):
    """Raised when the SQS queue is unreachable, does not exist or denies access."""

    code = "queue_unavailable"
    default_text = "the SQS queue is unreachable, does not exist or denies access"


class PhotosNotSent(QueueUnavailable):
    """Raised when SQS does not accept some of the photos given to `submit_many`."""

    code = "photos_not_sent"
    default_text = "SQS did not accept some of the photos given to `submit_many`"
    # By position among the photos, counted from 0.
    not_sent: Mapping[int, str]  # SQS's reasons
    sent: Mapping[int, str]  # ids of those that were sent although an earlier photo was not

    def __init__(
        self,
        text: str = "",
        not_sent: Mapping[int, str] | None = None,
        sent: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.not_sent = not_sent or {}
        self.sent = sent or {}


def error_of(code: str, text: str) -> DamageTaskError:
    """The error of class ``code``; a `DamageTaskError` if no class has that code."""
    error = _classes_by_code().get(code, DamageTaskError)(text)
    error.code = code
    return error


def _classes_by_code() -> dict[str, type[DamageTaskError]]:
    found: dict[str, type[DamageTaskError]] = {}
    level: list[type[DamageTaskError]] = [DamageTaskError]
    while level:
        found = {**{cls.code: cls for cls in level}, **found}
        level = [below for cls in level for below in cls.__subclasses__()]
    return found
