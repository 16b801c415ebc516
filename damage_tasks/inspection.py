"""The domain model: verdict, finding and inspection as plain values.

No third-party imports.  `Inspection.to_dict` is the result contract that
``docs/reference/inspection.schema.json`` describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from damage_tasks.damage import Damage
from damage_tasks.decision import Decision, counting, review_fields
from damage_tasks.errors import MessageMalformed
from model_store.identity import BundleIdentity

CONTRACT_VERSION = 1
# The only difference of contract 2: an examined photo may lack its overlay or its mask.
CONTRACT_VERSION_WITHOUT_PICTURES = 2
# Damage scores at which a person should look, unless the bundle or a setting says otherwise.
REVIEW_BAND = (0.2, 0.8)
MAX_CAMERA_CHARACTERS = 64
COMPUTING_STAGES = ("decode", "segmentation", "overlay")


class Verdict(StrEnum):
    """How an inspection ended."""

    DAMAGED = "damaged"
    CLEAN = "clean"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an inspection was rejected or failed: a stable code and a sentence."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Quality:
    """Whether the photo is good enough for a reliable result.

    ``blur`` is the variance of the Laplacian at 256 px (low means blurred);
    ``brightness`` is the mean luma, 0 to 1.  A poor photo is still examined.
    """

    blur: float
    brightness: float
    verdict: str  # "good" or "poor"
    reasons: tuple[str, ...] = ()  # of "blurred", "too_dark", "overexposed"


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What is known about a photo once it has been downloaded and decoded.

    ``camera`` is make and model, from EXIF.
    """

    sha256: str | None = None
    bytes: int | None = None
    width: int | None = None
    height: int | None = None
    camera: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """The networks' result for one photo; all inspections of that photo share it.

    ``decided_by`` names the network that ended the inspection and ``scores``
    holds each gate's score, 0 to 1; ``photo_size`` is (width, height), and ``camera`` make and
    model of the photo's camera.
    """

    verdict: Verdict
    damage_score: float
    decided_by: str
    photo_size: tuple[int, int]
    scores: Mapping[str, float] = field(default_factory=dict)
    damages: tuple[Damage, ...] = ()
    reason: Reason | None = None
    quality: Quality | None = None
    overlay_url: str | None = None
    mask_url: str | None = None
    camera: str | None = None

    @property
    def is_of_poor_photo(self) -> bool:
        """Whether the photo is of poor quality."""
        return self.quality is not None and self.quality.verdict == "poor"


class State(StrEnum):
    """The state of a photo's examination."""

    RUNNING = "running"
    RETRYING = "retrying"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known about a photo without a verdict; best effort, possibly out of date.

    ``message_sent_at`` and ``receives`` identify the delivery of the message, so
    that an older attempt never overwrites a later one.  ``reason`` is why the last attempt
    failed; ``had_photo`` is whether any attempt has downloaded the photo.  ``worker`` is the name
    of the worker that has the photo or whose attempt failed, and ``since`` when that began.
    """

    id: str
    state: State
    attempts: int
    message_sent_at: datetime
    receives: int
    updated_at: datetime
    reason: Reason | None = None
    next_attempt_at: datetime | None = None
    had_photo: bool = False
    worker: str | None = None
    since: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """The result of `get_inspection` while there is no verdict, with JSON types only."""
        return {
            "contract": CONTRACT_VERSION,
            "id": self.id,
            "state": str(self.state),
            "verdict": None,
            "worker": self.worker,
            "since": _iso(self.since),
            "reason": asdict(self.reason) if self.reason else None,
            "attempts": self.attempts,
            "next_attempt_at": _iso(self.next_attempt_at),
            "updated_at": _iso(self.updated_at),
        }


@dataclass(frozen=True, slots=True)
class Inspection:
    """The record of one photo's examination; ``id`` is the task id.

    A ``failed`` inspection with ``final_after`` was stored before the last attempt, in case
    that attempt kills its process: until then the photo may still get another verdict.
    ``case_id`` is the occasion that the photo belongs to, and ``case_photos`` the number of its
    photos, if the sender announced it.  ``is_unsure`` says whether the damage score was in the
    review band when the photo was examined; None for inspections that older workers stored.
    """

    id: str
    photo_url: str | None
    photo: PhotoFacts
    verdict: Verdict
    finding: Finding | None = None
    reason: Reason | None = None
    bundle: BundleIdentity | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    attempts: int = 1
    metadata: Mapping[str, Any] = field(default_factory=dict)
    finished_at: datetime | None = None
    reused: bool = False
    final_after: datetime | None = None
    decisions: tuple[Decision, ...] = ()
    case_id: str | None = None
    case_photos: int | None = None
    is_unsure: bool | None = None

    @property
    def is_in_review_band(self) -> bool:
        """Whether the networks are unsure; by `REVIEW_BAND` if an older worker stored the photo."""
        if self.finding is None or self.verdict is Verdict.REJECTED:
            return False
        if self.is_unsure is None:
            return is_in_band(self.finding.damage_score, REVIEW_BAND)
        return self.is_unsure

    @property
    def needs_review(self) -> bool:
        """Whether a person should look: the networks are unsure or the photo is poor.

        False for a photo without a usable finding, and once somebody has decided.
        """
        finding = self.finding
        if finding is None or self.verdict is Verdict.REJECTED or counting(self.decisions):
            return False
        return finding.is_of_poor_photo or self.is_in_review_band

    @property
    def may_be_replaced(self) -> bool:
        """Whether a later verdict replaces this one.

        After a failure the photo may be retried. After a malformed message a valid one may
        follow, because its sender chose the id.
        """
        malformed = self.reason is not None and self.reason.code == MessageMalformed.code
        return malformed or self.verdict is Verdict.FAILED

    @property
    def _contract(self) -> int:
        """The lowest version of the contract that the result keeps."""
        finding = self.finding
        if finding is None or self.verdict not in (Verdict.DAMAGED, Verdict.CLEAN):
            return CONTRACT_VERSION
        has_pictures = finding.overlay_url and finding.mask_url
        return CONTRACT_VERSION if has_pictures else CONTRACT_VERSION_WITHOUT_PICTURES

    @property
    def is_provisional(self) -> bool:
        """Whether the last attempt may still be running."""
        return (
            self.verdict is Verdict.FAILED
            and self.final_after is not None
            and datetime.now(UTC) < self.final_after
        )

    def to_dict(self) -> dict[str, Any]:
        """The result contract, with JSON types only."""
        finding = self.finding
        damages = [_damage_dict(d) for d in finding.damages] if finding else []
        # Short fields come first, because events contain only the beginning of a result.
        return {
            "contract": self._contract,
            "id": self.id,
            "state": str(State.DONE),
            "case_id": self.case_id,
            "verdict": str(self.verdict),
            "overlay_url": finding.overlay_url if finding else None,
            "mask_url": finding.mask_url if finding else None,
            "damage_score": finding.damage_score if finding else None,
            "needs_review": self.needs_review,
            "decided_by": finding.decided_by if finding else None,
            "scores": dict(finding.scores) if finding else {},
            "reason": asdict(self.reason) if self.reason else None,
            "photo": {"url": self.photo_url, **asdict(self.photo)},
            "damages": damages,
            "quality": _quality_dict(finding.quality) if finding and finding.quality else None,
            "bundle": asdict(self.bundle) if self.bundle else None,
            "reused": self.reused,
            "timings_ms": {k: round(v, 1) for k, v in self.timings_ms.items()},
            "attempts": self.attempts,
            "metadata": dict(self.metadata),
            "finished_at": _iso(self.finished_at),
            **review_fields(self.decisions, str(self.verdict), len(damages)),
        }


def missing_picture(verdict: str) -> str:
    """Why a photo with ``verdict`` may lack its overlay or its mask, in words."""
    if verdict == Verdict.DAMAGED:
        return "erased after its retention period"
    return "not stored, because no damage was found (DAMAGE_CLEAN_PICTURES), or erased"


def computing_seconds(timings_ms: Mapping[str, float]) -> float:
    """The seconds in ``timings_ms`` that were spent on computing, not on the network or S3."""
    return sum(timings_ms.get(stage, 0.0) for stage in COMPUTING_STAGES) / 1000


def is_in_band(score: float, band: tuple[float, float]) -> bool:
    """Whether ``score`` lies in ``band``, both limits included."""
    return band[0] <= score <= band[1]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _damage_dict(damage: Damage) -> dict[str, Any]:
    return {
        **asdict(damage),
        "severity": str(damage.severity),
        "bbox": list(damage.bbox),
        "polygon": [list(corner) for corner in damage.polygon],
    }


def _quality_dict(quality: Quality) -> dict[str, Any]:
    return {**asdict(quality), "reasons": list(quality.reasons)}


def whole_percent(share: float) -> int:
    """``share`` (0 to 1) in percent, never rounded up to certainty: 99 for 0.999."""
    return min(max(round(100 * share), int(share > 0)), 100 - int(share < 1))


def percent(share: float) -> str:
    """`whole_percent` as a text: "99 %"."""
    return f"{whole_percent(share)} %"
