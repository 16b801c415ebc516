"""Errors whose cause is in the deployment: its settings, its AWS resources or its services.

No photo is at fault; an operator has to change something.  `damage_tasks.errors` re-exports these.
"""

from __future__ import annotations

from model_store.errors import DamageTaskError

__all__ = [
    "BundleMismatch",
    "DatabaseError",
    "EventBusMissing",
    "FlowerDatabaseInUse",
    "FlowerOpen",
    "QueueUnsafe",
    "RedactionUnavailable",
    "ReviewOpen",
    "SettingsError",
    "StackError",
    "StorageError",
]


class SettingsError(DamageTaskError):
    """Raised when a setting is missing or invalid."""

    code = "settings_invalid"
    default_text = "a setting is missing or invalid"


class StorageError(DamageTaskError):
    """Raised when S3 permanently rejects a request (no such bucket, access denied)."""

    code = "storage_error"
    default_text = "S3 permanently rejected a request (no such bucket, access denied)"


class BundleMismatch(DamageTaskError):
    """Raised when a worker receives a photo for a bundle that it has not loaded."""

    code = "bundle_mismatch"
    default_text = "the worker has another bundle than the one that is to examine the photo"


class RedactionUnavailable(DamageTaskError):
    """Raised when the bundle in DAMAGE_REDACT_BUNDLE cannot be used."""

    code = "redaction_unavailable"
    default_text = (
        "faces and plates cannot be redacted, because the bundle in DAMAGE_REDACT_BUNDLE "
        "cannot be used"
    )


class DatabaseError(DamageTaskError):
    """Raised when the database permanently rejects a statement (missing schema or privileges)."""

    code = "database_error"
    default_text = "the database permanently rejected a statement (missing schema or privileges)"


class QueueUnsafe(DamageTaskError):
    """Raised when attributes of the SQS queue could cause photos to be lost or examined twice."""

    code = "queue_unsafe"
    default_text = "attributes of the SQS queue could cause photos to be lost or examined twice"


class StackError(DamageTaskError):
    """Raised when part of the embedded stack does not start."""

    code = "stack_failed"
    default_text = "part of the embedded stack did not start"


class EventBusMissing(DamageTaskError):
    """Raised when Flower or remote control is used but DAMAGE_EVENT_BUS_URL is not set."""

    code = "event_bus_missing"
    default_text = "Flower or remote control is used but DAMAGE_EVENT_BUS_URL is not set"


class FlowerOpen(DamageTaskError):
    """Raised when Flower would listen beyond loopback without authentication."""

    code = "flower_open"
    default_text = "Flower would listen beyond loopback without authentication"


class ReviewOpen(DamageTaskError):
    """Raised when the inspectors' page would listen beyond loopback without a sign-in."""

    code = "review_open"
    default_text = "the inspectors' page would listen beyond loopback without a sign-in"


class FlowerDatabaseInUse(DamageTaskError):
    """Raised when another Flower already keeps its history in the same database."""

    code = "flower_database_in_use"
    default_text = "another Flower already keeps its history in the same database"
