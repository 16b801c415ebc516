"""What errors mean, in texts that are translated; an error's own text has the technical details."""

from __future__ import annotations

from damage_tasks.errors import (
    DamageTaskError,
    DatabaseUnavailable,
    DecisionInvalid,
    DownloadFailed,
    EvidenceTooLarge,
    InspectionNotFound,
    OriginalUnavailable,
    PhotoExpired,
    PhotoRejected,
    RedactionUnavailable,
    RetriesExhausted,
    SearchInvalid,
    StorageUnavailable,
    TimeLimitReached,
    WorkerLost,
)

# Those that inspectors meet: reasons of photos without a finding, and errors of the page.
_ERRORS: tuple[type[DamageTaskError], ...] = (
    PhotoRejected, *PhotoRejected.__subclasses__(), PhotoExpired, RetriesExhausted,
    TimeLimitReached, WorkerLost, DatabaseUnavailable, DecisionInvalid, DownloadFailed,
    EvidenceTooLarge, InspectionNotFound, OriginalUnavailable, RedactionUnavailable, SearchInvalid,
    StorageUnavailable,
)  # fmt: skip
EXPLAINED = {error.code: error.default_text for error in _ERRORS}


def explain(code: str) -> str:
    """The English explanation of the error with ``code``; empty if it has none."""
    return EXPLAINED.get(code, "")
