"""The contract with callers as types: how `detect_damage` is called and what comes back.

Celery has no type hints, so without these a type checker could not check calls.
``docs/reference/inspection.schema.json`` describes the fields of a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, overload

# pydantic, and so a caller's FastAPI, accepts typing's own only from Python 3.12 on.
from typing_extensions import TypedDict

Metadata = dict[str, Any]
Photo = str | tuple[str, Metadata | None]  # a URL, or a URL and metadata


class PhotoResult(TypedDict):
    """The photo; everything but ``url`` is None if the photo could not be read."""

    url: str | None
    sha256: str | None
    bytes: int | None
    width: int | None
    height: int | None


class DamageResult(TypedDict):
    """One damaged area, in pixels of the upright photo; ``bbox`` is x, y, width, height."""

    type: str
    confidence: float
    severity: Literal["minor", "moderate", "severe"]
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
    """The result of `detect_damage`."""

    contract: Literal[1]
    id: str
    state: Literal["done"]
    case_id: str | None
    photo: PhotoResult
    verdict: Literal["damaged", "clean", "rejected", "failed"]
    damage_score: float | None
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
    if none announced a number. ``damages`` has the number of damaged areas by type.
    """

    contract: Literal[1]
    case_id: str
    complete: bool | None
    photos: CasePhotos
    worst_severity: Literal["minor", "moderate", "severe"] | None
    damages: dict[str, int]
    retake: list[Retake]
    inspections: list[str]
    finished_at: str


Verdict = Literal["damaged", "clean", "rejected", "failed"]


class InspectionCriteria(TypedDict, total=False):
    """What `find_inspections` searches for; None and missing criteria match everything.

    ``car_id`` and ``rental_id`` compare the text of the metadata value, so 7 also finds "7".
    ``metadata`` contains keys and values that the inspection's metadata must contain: texts,
    numbers, booleans, None and objects of these. ``photo`` is a URL or the SHA-256 of the photo
    in hexadecimal. ``since`` (inclusive) and ``until`` (exclusive) limit the time of the verdict,
    with a time zone. ``type`` is a damage type, and ``min_score`` the least ``damage_score``.
    """

    car_id: str | int | None
    rental_id: str | int | None
    case_id: str | None
    metadata: Mapping[str, Any] | None
    photo: str | None
    since: datetime | None
    until: datetime | None
    verdict: Verdict | Sequence[Verdict] | None
    type: str | None
    min_score: float | None


@dataclass(frozen=True, slots=True)
class InspectionPage:
    """Some inspections, newest first, and the cursor of the next page; None after the last."""

    inspections: list[InspectionResult]
    cursor: str | None


class StartedResult(TypedDict):
    """``AsyncResult.result`` in the state ``STARTED``: the worker that has the photo."""

    hostname: str | None
    since: str | None


class PendingInspection(Protocol):
    """Celery's ``AsyncResult`` of one call; ``id`` is the inspection's id."""

    @property
    def id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def result(self) -> InspectionResult | StartedResult | Exception | None: ...
    @overload
    def get(
        self, timeout: float | None = None, propagate: Literal[True] = True, interval: float = 0.5
    ) -> InspectionResult: ...
    @overload
    def get(
        self, timeout: float | None = None, *, propagate: bool, interval: float = 0.5
    ) -> InspectionResult | Exception: ...
    def ready(self) -> bool: ...
    def successful(self) -> bool: ...
    def failed(self) -> bool: ...
    def forget(self) -> None: ...
    def revoke(self) -> None: ...


class CallArguments(TypedDict, total=False):
    """The arguments of `detect_damage` by name."""

    url: str
    metadata: Metadata | None


class InspectionOptions(TypedDict, total=False):
    """Options of one inspection, the same as in a raw message.

    ``id`` is the inspection's id: a photo sent twice with the same id is examined once.
    ``case_id`` is the occasion that the photo belongs to, and ``case_photos`` the number of its
    photos. ``deadline`` is a `datetime` or ISO 8601, by default in UTC; a photo that was not
    examined by then is rejected.
    """

    id: str
    case_id: str
    case_photos: int
    deadline: str | datetime
    callback_url: str


class CallOptions(TypedDict, total=False):
    """Options of `submit_many` for each photo; `detect_damage.apply_async` has them too."""

    queue: str
    DelaySeconds: int
    MessageGroupId: str
    expires: float | datetime | None
    headers: Mapping[str, Any] | None
    inspection: InspectionOptions | None


class DetectDamage(Protocol):
    """The task `detect_damage`."""

    @property
    def name(self) -> str: ...
    @property
    def app(self) -> Any: ...
    def __call__(self, url: str, metadata: Metadata | None = None) -> InspectionResult: ...
    def delay(
        self,
        url: str,
        metadata: Metadata | None = None,
        *,
        inspection: InspectionOptions | None = None,
    ) -> PendingInspection: ...
    def apply_async(
        self,
        args: tuple[str] | tuple[str, Metadata | None] | list[str | Metadata | None] = ...,
        kwargs: CallArguments | None = None,
        task_id: str | None = None,
        *,
        inspection: InspectionOptions | None = None,
        queue: str = ...,
        DelaySeconds: int = ...,  # noqa: N803  # SQS's own names
        MessageGroupId: str = ...,  # noqa: N803
        expires: float | datetime | None = None,
        headers: Mapping[str, Any] | None = None,
        shadow: str | None = None,
        retry: bool = ...,
    ) -> PendingInspection: ...
    def apply(
        self,
        args: tuple[str] | tuple[str, Metadata | None] | list[str | Metadata | None] = ...,
        kwargs: CallArguments | None = None,
        *,
        task_id: str | None = None,
        throw: bool | None = None,
    ) -> PendingInspection: ...
    def s(self, url: str, metadata: Metadata | None = None) -> Any: ...
    def si(self, url: str, metadata: Metadata | None = None) -> Any: ...
    def signature(self, args: Any = None, *others: Any, **options: Any) -> Any: ...
    def AsyncResult(self, task_id: str) -> PendingInspection: ...  # noqa: N802  # Celery's name
