"""Types of results: inspections, progress, cases and pages of inspections.

``docs/reference/inspection.schema.json`` describes the fields of a result.  `damage_tasks.contract`
re-exports these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NotRequired

# pydantic, and so a caller's FastAPI, accepts typing's own only from Python 3.12 on.
from typing_extensions import TypedDict

Metadata = dict[str, Any]
Verdict = Literal["damaged", "clean", "rejected", "failed"]
Severity = Literal["minor", "moderate", "severe"]


class PhotoResult(TypedDict):
    """The photo; everything but ``url`` is None if the photo could not be read.

    ``camera`` is make and model, if the photo names them.
    """

    url: str | None
    sha256: str | None
    bytes: int | None
    width: int | None
    height: int | None
    camera: NotRequired[str | None]


class DamageResult(TypedDict):
    """One damaged area, in pixels of the upright photo; ``bbox`` is x, y, width, height."""

    type: str
    confidence: float
    severity: Severity
    area_px: int
    area_ratio: float
    bbox: list[int]
    polygon: list[list[int]]


class ReasonResult(TypedDict):
    """Why a photo was rejected or failed."""

    code: str
    text: str


class QualityResult(TypedDict):
    """Whether the photo is good enough for a reliable result."""

    blur: float
    brightness: float
    verdict: Literal["good", "poor"]
    reasons: list[Literal["blurred", "too_dark", "overexposed"]]


class BundleResult(TypedDict):
    """The bundle of networks that examined the photo."""

    name: str
    version: str
    digest: str


class DecisionResult(TypedDict):
    """What a person decided about an inspection; ``payload`` depends on ``action``."""

    action: Literal[
        "confirm", "no_damage", "wrong_type", "severity", "missed", "reshape", "retake", "note"
    ]
    person: str
    made_at: str
    payload: dict[str, Any]
    seconds: float | None
    bundle_digest: str | None


class InspectionResult(TypedDict):
    """The result of `detect_damage`.

    ``contract`` is 2 if an examined photo lacks its overlay or its mask.
    """

    contract: Literal[1, 2]
    id: str
    state: Literal["done"]
    case_id: str | None
    photo: PhotoResult
    verdict: Literal["damaged", "clean", "rejected", "failed"]
    damage_score: float | None
    needs_review: bool
    decided_by: str | None
    scores: dict[str, float]
    reason: ReasonResult | None
    damages: list[DamageResult]
    quality: QualityResult | None
    overlay_url: str | None
    mask_url: str | None
    bundle: BundleResult | None
    reused: bool
    timings_ms: dict[str, float]
    attempts: int
    metadata: Metadata
    finished_at: str | None
    decisions: list[DecisionResult]
    final_verdict: Literal["damaged", "clean", "rejected", "failed"] | None
    reviewed_by: str | None
    billable: bool


class ProgressResult(TypedDict):
    """What `get_inspection` returns for a photo that has no verdict yet.

    ``worker`` has the photo ``since`` that time, or failed to examine it then. ``reason`` is why
    the last attempt failed; the times are ISO 8601 in UTC.
    """

    contract: Literal[1]
    id: str
    state: Literal["running", "retrying"]
    verdict: None
    worker: str | None
    since: str | None
    reason: ReasonResult | None
    attempts: int
    next_attempt_at: str | None
    updated_at: str


class CasePhotos(TypedDict):
    """Numbers of photos of a case; ``examined`` counts the same photo once."""

    expected: int | None
    seen: int
    examined: int
    damaged: int
    clean: int
    rejected: int
    failed: int


class Retake(TypedDict):
    """A photo of a case that should be taken again."""

    id: str
    photo_url: str | None
    reason: str


class CaseResult(TypedDict):
    """The summary of the photos of one occasion that have a verdict.

    ``complete`` is whether as many different photos were examined as the sender announced; None
    if none announced a number. ``damages`` has the number of damaged areas by type; it and
    ``worst_severity`` are those after people's decisions.
    """

    contract: Literal[1]
    case_id: str
    complete: bool | None
    photos: CasePhotos
    worst_severity: Severity | None
    damages: dict[str, int]
    retake: list[Retake]
    inspections: list[str]
    finished_at: str


@dataclass(frozen=True, slots=True)
class InspectionPage:
    """Some inspections, newest first, and the cursor of the next page; None after the last."""

    inspections: list[InspectionResult]
    cursor: str | None


class StartedResult(TypedDict):
    """``AsyncResult.result`` in the state ``STARTED``: the worker that has the photo."""

    hostname: str | None
    since: str | None


class RetryingResult(TypedDict):
    """``AsyncResult.result`` in the state ``RETRY``.

    The attempt of the worker ``hostname`` failed at the time ``since`` for this ``reason``; the
    next one begins roughly at ``next_attempt_at``.
    """

    hostname: str | None
    since: str | None
    reason: ReasonResult | None
    next_attempt_at: str | None
