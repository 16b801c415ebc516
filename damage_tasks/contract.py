"""The contract with callers as types: how `detect_damage` is called and what comes back.

Celery has no type hints, so without these a type checker could not check calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NotRequired, Protocol, overload

# pydantic, and so a caller's FastAPI, accepts typing's own only from Python 3.12 on.
from typing_extensions import TypedDict

from damage_tasks.result_types import (
    BundleResult,
    CasePhotos,
    CaseResult,
    DamageResult,
    DecisionResult,
    InspectionPage,
    InspectionResult,
    Metadata,
    PhotoResult,
    ProgressResult,
    QualityResult,
    ReasonResult,
    Retake,
    RetryingResult,
    Severity,
    StartedResult,
    Verdict,
)

__all__ = [
    "BundleResult",
    "CallArguments",
    "CallOptions",
    "CasePhotos",
    "CaseResult",
    "DamageResult",
    "DecisionResult",
    "DetectDamage",
    "InspectionCriteria",
    "InspectionOptions",
    "InspectionPage",
    "InspectionResult",
    "Metadata",
    "PendingInspection",
    "Photo",
    "PhotoRequest",
    "PhotoResult",
    "ProgressResult",
    "QualityResult",
    "ReasonResult",
    "Retake",
    "RetryingResult",
    "Severity",
    "StartedResult",
    "Verdict",
]


class InspectionCriteria(TypedDict, total=False):
    """What `find_inspections` searches for; None and missing criteria match everything.

    ``car_id`` and ``rental_id`` compare the text of the metadata value, so 7 also finds "7".
    ``metadata`` contains keys and values that the inspection's metadata must contain: texts,
    numbers, booleans, None and objects of these. ``photo`` is a URL or the SHA-256 of the photo
    in hexadecimal. ``since`` (inclusive) and ``until`` (exclusive) limit the time of the verdict,
    with a time zone; ``since`` may not be after ``until``. ``type`` is a damage type and
    ``severity`` that of a damaged area; both together must be true of the same area. ``min_score``
    is the least ``damage_score``. ``camera`` is a make, or make and model, in upper or lower case.
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
    severity: Severity | None
    min_score: float | None
    camera: str | None


class PendingInspection(Protocol):
    """Celery's ``AsyncResult`` of one call; ``id`` is the inspection's id."""

    @property
    def id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def result(
        self,
    ) -> InspectionResult | StartedResult | RetryingResult | Exception | None: ...
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
    examined by then is rejected. ``callback_url`` receives the verdict if its host is allowed.
    """

    id: str
    case_id: str
    case_photos: int
    deadline: str | datetime
    callback_url: str


class PhotoRequest(TypedDict):
    """A photo for `submit_many`, with the arguments of `detect_damage.delay`."""

    url: str
    metadata: NotRequired[Metadata | None]
    inspection: NotRequired[InspectionOptions | None]


# A URL, a URL and metadata, or both with options.
Photo = str | tuple[str, Metadata | None] | PhotoRequest


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
