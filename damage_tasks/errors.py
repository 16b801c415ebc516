"""All errors of damage-tasks in one tree, each with a stable ``code``.

Codes are part of the contract (``docs/reference/errors.md``): they are stored
with the inspection and callers may act on them.  The three branches decide what
happens to a message: a `PhotoRejected` is a verdict, a `TemporaryError` is retried,
and anything else ends as ``failed`` in the dead-letter queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_store.errors import (
    BundleError,
    BundleNotFound,
    BundleUnavailable,
    DamageTaskError,
    EnginesDisagree,
    ExtraMissing,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BundleError",
    "BundleNotFound",
    "BundleUnavailable",
    "CallRefused",
    "DamageTaskError",
    "DatabaseError",
    "DatabaseUnavailable",
    "DecisionInvalid",
    "DownloadFailed",
    "EnginesDisagree",
    "EventBusMissing",
    "ExtraMissing",
    "FlowerDatabaseInUse",
    "FlowerOpen",
    "IdConflict",
    "InspectionNotFound",
    "MessageMalformed",
    "MetadataInvalid",
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
    "RetriesExhausted",
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


class SettingsError(DamageTaskError):
    """Raised when a setting is missing or invalid; the message names the variable."""

    code = "settings_invalid"


class CallRefused(DamageTaskError, ValueError):
    """Raised when a call asks for something that is not supported; nothing was sent."""

    code = "call_refused"


# --- the photo is at fault: verdict `rejected`, message deleted, never retried


class PhotoRejected(DamageTaskError):
    """Raised when a photo can never be examined, so that a retry would be useless."""

    code = "photo_rejected"
    s3_code: str | None = None  # S3's own error code, if S3 denied our role the photo


class UrlInvalid(PhotoRejected):
    """Raised when the photo's address is not a valid URL."""

    code = "url_invalid"


class UrlNotAllowed(PhotoRejected):
    """Raised when the settings do not allow the photo's scheme, host, bucket or address."""

    code = "url_not_allowed"


class PhotoNotFound(PhotoRejected):
    """Raised when there is nothing at the photo's address (404, 410, NoSuchKey)."""

    code = "photo_not_found"


class PhotoForbidden(PhotoRejected):
    """Raised when access to the photo is denied (401, 403, AccessDenied)."""

    code = "photo_forbidden"


class PhotoRefused(PhotoRejected):
    """Raised when the photo's server returns another permanent error (4xx)."""

    code = "photo_refused"


class TooManyRedirects(PhotoRejected):
    """Raised when the photo's address redirects more often than allowed, or to itself."""

    code = "too_many_redirects"


class PhotoTooLarge(PhotoRejected):
    """Raised when the photo has more bytes than allowed."""

    code = "photo_too_large"


class TooManyPixels(PhotoRejected):
    """Raised when a photo has more pixels than allowed, or examining it takes too much memory."""

    code = "too_many_pixels"


class PhotoTooSmall(PhotoRejected):
    """Raised when the photo's shorter side has fewer pixels than allowed."""

    code = "photo_too_small"


class NotAPhoto(PhotoRejected):
    """Raised when the data is not a JPEG, PNG, WebP or HEIC photo."""

    code = "not_a_photo"


class PhotoUnreadable(PhotoRejected):
    """Raised when a photo's data is truncated, damaged or incomplete."""

    code = "photo_unreadable"


class PhotoUnsupported(PhotoRejected):
    """Raised when a photo's encoding is not supported, such as arithmetic-coded JPEG."""

    code = "photo_unsupported"


class MessageMalformed(PhotoRejected):
    """Raised when a message on the queue is not a valid request to inspect a photo."""

    code = "message_malformed"


class MetadataInvalid(PhotoRejected):
    """Raised when the caller's metadata is not a JSON object or is larger than allowed."""

    code = "metadata_invalid"


class IdConflict(PhotoRejected):
    """Raised when the id that a message's sender chose already belongs to another photo."""

    code = "id_conflict"


class TooOld(PhotoRejected):
    """Raised when the photo was not examined before the deadline that its sender set."""

    code = "too_old"


# --- the photo is not at fault and the cause may pass: retried with a growing delay


class TemporaryError(DamageTaskError):
    """Raised when an external service is unavailable and a later attempt may succeed."""

    code = "temporary"


class DownloadFailed(TemporaryError):
    """Raised when the photo's server is unreachable, is too slow or returns 5xx or 429."""

    code = "download_failed"


class StorageUnavailable(TemporaryError):
    """Raised when S3 is unreachable, throttles the request or returns 5xx."""

    code = "storage_unavailable"


class DatabaseUnavailable(TemporaryError):
    """Raised when the database is unreachable or drops the connection."""

    code = "database_unavailable"


class RetriesExhausted(DamageTaskError):
    """Raised when every attempt failed with a temporary error; the message names the last one."""

    code = "retries_exhausted"


class PhotoExpired(DamageTaskError):
    """Raised when the photo's URL stopped working after an earlier attempt had downloaded it."""

    code = "photo_expired"


class WorkerLost(DamageTaskError):
    """Raised when every process that examined the photo was killed."""

    code = "worker_lost"


class TimeLimitReached(DamageTaskError):
    """Raised when examining a photo took longer than the soft time limit."""

    code = "time_limit"


# --- the cause is in the deployment or the worker


class StorageError(DamageTaskError):
    """Raised when S3 permanently rejects a request (no such bucket, access denied)."""

    code = "storage_error"


class DatabaseError(DamageTaskError):
    """Raised when the database permanently rejects a statement (missing schema or privileges)."""

    code = "database_error"


class QueueUnsafe(DamageTaskError):
    """Raised when attributes of the SQS queue could lose or duplicate photos; names them."""

    code = "queue_unsafe"


class QueueUnavailable(DamageTaskError):
    """Raised when the SQS queue is unreachable, does not exist or denies access."""

    code = "queue_unavailable"


class PhotosNotSent(QueueUnavailable):
    """Raised when SQS does not accept some of the photos given to `submit_many`."""

    code = "photos_not_sent"
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


class OriginalUnavailable(DamageTaskError):
    """Raised when neither a kept copy nor the photo's URL returns the bytes that were examined."""

    code = "original_unavailable"


class InspectionNotFound(DamageTaskError):
    """Raised when no inspection has the given id."""

    code = "inspection_not_found"


class DecisionInvalid(DamageTaskError):
    """Raised when a decision about an inspection is incomplete or does not fit its finding."""

    code = "decision_invalid"


class SearchInvalid(DamageTaskError):
    """Raised when inspections cannot be searched by the given criteria; the text names one."""

    code = "search_invalid"


class StackError(DamageTaskError):
    """Raised when part of the embedded stack does not start."""

    code = "stack_failed"


class EventBusMissing(DamageTaskError):
    """Raised when Flower or remote control is used but DAMAGE_EVENT_BUS_URL is not set."""

    code = "event_bus_missing"


class FlowerOpen(DamageTaskError):
    """Raised when Flower would listen beyond loopback without authentication."""

    code = "flower_open"


class FlowerDatabaseInUse(DamageTaskError):
    """Raised when another Flower already keeps its history in the same database."""

    code = "flower_database_in_use"


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
