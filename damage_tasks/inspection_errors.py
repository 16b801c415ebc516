"""Errors about stored inspections: searches, decisions, evidence, labels and events.

What somebody asked for cannot be done.  `damage_tasks.errors` re-exports these.
"""

from __future__ import annotations

from model_store.errors import DamageTaskError

__all__ = [
    "DecisionInvalid",
    "DeliveryNotFound",
    "EvidenceInvalid",
    "EvidenceTooLarge",
    "ExportRefused",
    "InspectionNotFound",
    "LabelsInvalid",
    "OriginalUnavailable",
    "SearchInvalid",
]


class OriginalUnavailable(DamageTaskError):
    """Raised when neither a kept copy nor the photo's URL returns the bytes that were examined."""

    code = "original_unavailable"
    default_text = "neither a kept copy nor the photo's URL returned the bytes that were examined"


class EvidenceInvalid(DamageTaskError):
    """Raised when an evidence file was changed, or has no signature that is trusted."""

    code = "evidence_invalid"
    default_text = "the evidence was changed, or has no signature that is trusted"


class EvidenceTooLarge(DamageTaskError):
    """Raised when a case has too many photos to make its evidence while somebody waits."""

    code = "evidence_too_large"
    default_text = (
        "the case has too many photos to make its evidence on this page; ask an operator to run "
        "`damage-tasks evidence --case ID`"
    )


class ExportRefused(DamageTaskError):
    """Raised when labelled photos cannot be exported to the given folder."""

    code = "export_refused"
    default_text = "labelled photos cannot be exported to this folder"


class LabelsInvalid(DamageTaskError):
    """Raised when a file of labels cannot be imported as decisions."""

    code = "labels_invalid"
    default_text = "the labels cannot be imported as decisions"


class InspectionNotFound(DamageTaskError):
    """Raised when no inspection has the given id."""

    code = "inspection_not_found"
    default_text = "no inspection has the given id"


class DecisionInvalid(DamageTaskError):
    """Raised when a decision about an inspection is incomplete or does not fit its finding."""

    code = "decision_invalid"
    default_text = "the decision is incomplete or does not fit the inspection's finding"


class SearchInvalid(DamageTaskError):
    """Raised when inspections cannot be searched by the given criteria."""

    code = "search_invalid"
    default_text = "inspections cannot be searched by the given criteria"


class DeliveryNotFound(DamageTaskError):
    """Raised when no delivery of an event has the given id."""

    code = "delivery_not_found"
    default_text = "no delivery has the given id"
