"""Small pictures and results for tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np

from damage_tasks.damage import Damage, Severity
from damage_tasks.inspection import (
    Finding,
    Inspection,
    PhotoFacts,
    Progress,
    Quality,
    Reason,
    State,
    Verdict,
)
from model_store.identity import BundleIdentity

BUNDLE = BundleIdentity("default", "1.0.0", "b" * 64)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def jpeg(width: int = 320, height: int = 240, seed: int = 0) -> bytes:
    """A textured JPEG; a different ``seed`` gives different bytes."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    picture = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def damage(type: str = "dent", area: int = 100) -> Damage:
    """One damaged area of a 320 x 240 photo."""
    return Damage(
        type=type,
        confidence=0.8,
        severity=Severity.MINOR,
        area_px=area,
        area_ratio=area / (320 * 240),
        bbox=(10, 20, 30, 40),
        polygon=((10, 20), (40, 20), (40, 60)),
    )


def finding(*damages: Damage, **changes: Any) -> Finding:
    """A possible result of the networks for a photo; clean without ``damages``."""
    values: dict[str, Any] = {
        "verdict": Verdict.DAMAGED if damages else Verdict.CLEAN,
        "damage_score": 0.9 if damages else 0.1,
        "decided_by": "damage",
        "photo_size": (320, 240),
        "scores": {"damage": 0.9 if damages else 0.1},
        "damages": damages,
        "quality": Quality(120.0, 0.5, "good"),
        "overlay_url": "s3://bucket/overlays/a.jpg",
        "mask_url": "s3://bucket/masks/a.png",
    }
    return Finding(**{**values, **changes})


def inspection(
    id: str = "task-1",
    found: Finding | None = None,
    *,
    sha256: str = "a" * 64,
    metadata: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Inspection:
    """An inspection of a 320 x 240 photo, with ``found`` or clean."""
    found = found or finding()
    values: dict[str, Any] = {
        "id": id,
        "photo_url": "https://photos.example/car.jpg",
        "photo": PhotoFacts(sha256, 12_345, 320, 240),
        "verdict": found.verdict,
        "finding": found,
        "bundle": BUNDLE,
        "timings_ms": {"download": 12.0},
        "metadata": metadata or {},
        "finished_at": NOW,
    }
    return Inspection(**{**values, **changes})


def failed_inspection(id: str = "task-1", **changes: Any) -> Inspection:
    """An inspection that ended without a finding, because no worker finished it."""
    values: dict[str, Any] = {
        "verdict": Verdict.FAILED,
        "finding": None,
        "photo": PhotoFacts(),
        "reason": Reason("worker_lost", "delivered 5 times and never finished"),
    }
    return inspection(id, **{**values, **changes})


def retrying(now: datetime = NOW) -> Progress:
    """The progress of ``task-1``, whose second attempt has just failed."""
    return Progress(
        "task-1",
        State.RETRYING,
        attempts=2,
        message_sent_at=now,
        receives=2,
        updated_at=now,
        reason=Reason("download_failed", "503"),
        next_attempt_at=now + timedelta(minutes=2),
        worker="worker1@pod-7",
        since=now,
    )
