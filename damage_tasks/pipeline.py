"""The stages of an inspection in order: download, segmentation, overlay, persistence.

Plain function calls in one process; no Celery, no SQL, no boto3.  The parts are passed in, so
tests and other front ends can use their own.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from damage_tasks.errors import DamageTaskError, MetadataInvalid, PhotoRejected
from damage_tasks.inspection import Finding, Inspection, PhotoFacts, Reason, Verdict
from damage_tasks.overlay import class_mask_png, encode_jpeg, render_overlay
from damage_tasks.ports import Networks, Photos, Pictures, Records
from damage_tasks.telemetry import redact
from damage_tasks.telemetry.metrics import get_metrics
from damage_tasks.telemetry.sentry import traced_stage
from damage_tasks.vision.measurement import conclude

logger = logging.getLogger(__name__)


class Pipeline:
    """Inspects one photo at a time; inspecting the same task id again is safe."""

    def __init__(
        self,
        *,
        photos: Photos,
        segmenter: Networks,
        pictures: Pictures,
        inspections: Records,
        overlay_side: int = 1024,
        overlay_quality: int = 85,
        max_metadata_bytes: int = 8192,
    ) -> None:
        self.photos = photos
        self.segmenter = segmenter
        self.pictures = pictures
        self.inspections = inspections
        self.overlay_side = overlay_side
        self.overlay_quality = overlay_quality
        self.max_metadata_bytes = max_metadata_bytes

    def inspect(
        self, id: str, url: str, metadata: Mapping[str, Any] | None = None, *, attempts: int = 1
    ) -> Inspection:
        """Examine the photo at ``url`` and store the result under ``id``.

        A photo that cannot be downloaded or decoded is stored as a ``rejected`` inspection.
        Raises `TemporaryError` when a later attempt may succeed and another `DamageTaskError`
        when it will not; in both cases nothing is stored.
        """
        watch = Stopwatch()
        facts = PhotoFacts()
        checked: Mapping[str, Any] = {}
        try:
            checked = check_metadata(metadata, self.max_metadata_bytes)
            with watch.stage("download"):
                data = self.photos.download(url)
            sha256 = hashlib.sha256(data).hexdigest()
            facts = PhotoFacts(sha256, len(data))
            known = self.inspections.find_finding(sha256, self.segmenter.identity.digest)
            finding = known or self._examine(data, sha256, watch)
            width, height = finding.photo_size
            facts = replace(facts, width=width, height=height)
        except PhotoRejected as error:
            return self._store_rejection(id, url, facts, checked, error, attempts, watch)
        inspection = Inspection(
            id=id,
            photo_url=url,
            photo=facts,
            verdict=finding.verdict,
            finding=finding,
            reason=finding.reason,
            bundle=self.segmenter.identity,
            timings_ms=dict(watch.milliseconds),
            attempts=attempts,
            metadata=checked,
            finished_at=datetime.now(UTC),
            reused=known is not None,
        )
        return self._store(inspection, watch)

    def verdict_of(self, id: str) -> Inspection | None:
        """The inspection stored under ``id``, unless it is ``failed`` and may be retried."""
        stored = self.inspections.find(id)
        return stored if stored and stored.verdict is not Verdict.FAILED else None

    def reject(
        self,
        id: str,
        url: str | None,
        metadata: Mapping[str, Any],
        error: PhotoRejected,
        *,
        attempts: int = 1,
    ) -> Inspection:
        """Store a ``rejected`` inspection for a request that does not name a photo."""
        return self._store_rejection(id, url, PhotoFacts(), metadata, error, attempts, Stopwatch())

    def record_failure(
        self,
        id: str,
        url: str,
        metadata: Mapping[str, Any] | None,
        error: DamageTaskError,
        *,
        attempts: int = 1,
    ) -> Inspection:
        """Store a ``failed`` inspection if the database can be reached; never raises.

        A verdict already stored under ``id`` is kept.  Counts nothing, because the photo may be
        delivered again.
        """
        try:
            checked = check_metadata(metadata, self.max_metadata_bytes)
        except MetadataInvalid:
            checked = {}
        inspection = Inspection(
            id=id,
            photo_url=_text(url),
            photo=PhotoFacts(),
            verdict=Verdict.FAILED,
            reason=Reason(error.code, redact(str(error))),
            bundle=self.segmenter.identity,
            attempts=attempts,
            metadata=checked,
            finished_at=datetime.now(UTC),
        )
        try:
            stored = self.inspections.save(inspection)
        except DamageTaskError as problem:
            logger.error("could not record the failure of %s: %s", id, problem)
            return inspection
        logger.info(
            "failure recorded",
            extra={"task_id": id, "reason": error.code, "attempts": attempts},
        )
        return stored

    def _examine(self, data: bytes, sha256: str, watch: Stopwatch) -> Finding:
        with watch.stage("decode"):
            # An overlay in the photo's own size needs all of its pixels.
            side = max(self.segmenter.side, self.overlay_side) if self.overlay_side else 0
            photo = self.photos.decode(data, side)
        size = (photo.width, photo.height)
        with watch.stage("segmentation"):
            found = self.segmenter.segment(photo.pixels)
            if found.ended is not None and (metrics := get_metrics()):
                metrics.gate_exits.labels(found.decided_by).inc()
            conclusion = conclude(found, size, self.segmenter.decision, self.segmenter.types)
        with watch.stage("overlay"):
            picture = render_overlay(
                photo.pixels,
                conclusion.damages,
                photo_size=size,
                types=self.segmenter.types,
                verdict=conclusion.verdict,
                damage_score=found.damage_score,
                side=self.overlay_side,
            )
            overlay = encode_jpeg(picture, self.overlay_quality)
            mask = class_mask_png(conclusion.mask)
        with watch.stage("persistence"):
            key = picture_key(sha256, self.segmenter.identity.digest)
            overlay_url = self.pictures.put(f"overlays/{key}.jpg", overlay, "image/jpeg")
            mask_url = self.pictures.put(f"masks/{key}.png", mask, "image/png")
        return Finding(
            verdict=conclusion.verdict,
            damage_score=round(found.damage_score, 4),
            decided_by=found.decided_by,
            photo_size=size,
            scores={name: round(score, 4) for name, score in found.scores.items()},
            damages=conclusion.damages,
            reason=found.reason,
            quality=photo.quality,
            overlay_url=overlay_url,
            mask_url=mask_url,
        )

    def _store_rejection(
        self,
        id: str,
        url: str | None,
        facts: PhotoFacts,
        metadata: Mapping[str, Any],
        error: PhotoRejected,
        attempts: int,
        watch: Stopwatch,
    ) -> Inspection:
        inspection = Inspection(
            id=id,
            photo_url=_text(url),
            photo=facts,
            verdict=Verdict.REJECTED,
            reason=Reason(error.code, redact(str(error))),
            bundle=self.segmenter.identity,
            timings_ms=dict(watch.milliseconds),
            attempts=attempts,
            metadata=metadata,
            finished_at=datetime.now(UTC),
        )
        return self._store(inspection, watch)

    def _store(self, inspection: Inspection, watch: Stopwatch) -> Inspection:
        with watch.stage("commit"):
            stored = self.inspections.save(inspection)
        # An inspection that was stored before has been counted already.
        if stored.finished_at == inspection.finished_at and (metrics := get_metrics()):
            metrics.examined(stored, watch.milliseconds)
        logger.info(
            "photo inspected",
            extra={
                "task_id": stored.id,
                "verdict": str(stored.verdict),
                "reason": stored.reason.code if stored.reason else None,
                "damages": len(stored.finding.damages) if stored.finding else 0,
                "attempts": stored.attempts,
                "ms": {name: round(value) for name, value in watch.milliseconds.items()},
            },
        )
        return stored


class Stopwatch:
    """Wall time of each stage in milliseconds, in the order in which the stages ended."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent in the block to stage ``name``."""
        start = time.perf_counter()
        try:
            with traced_stage(name):
                yield
        finally:
            spent = (time.perf_counter() - start) * 1000
            self.milliseconds[name] = self.milliseconds.get(name, 0.0) + spent


def picture_key(photo_sha256: str, bundle_digest: str) -> str:
    """The key of a photo's overlay and mask: made of digests only, so it is always the same.

    It begins with the photo's digest, so that S3 can spread the keys over partitions.
    """
    return f"{photo_sha256[:2]}/{photo_sha256}/{bundle_digest[:16]}"


def _text(url: object) -> str | None:
    """The URL that a caller sent, if it is text."""
    return url if isinstance(url, str) else None


def check_metadata(metadata: Any, limit: int) -> Mapping[str, Any]:
    """``metadata`` if it is a JSON object of at most ``limit`` bytes; else `MetadataInvalid`."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise MetadataInvalid(f"metadata must be a JSON object, not {type(metadata).__name__}")
    try:
        text = json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MetadataInvalid(f"metadata is not JSON: {error}") from None
    if len(text) > limit:
        raise MetadataInvalid(f"metadata has {len(text)} bytes; {limit} are allowed")
    # JSON writes NUL as \u0000, and a backslash before "u0000" as two.
    if b"\\u0000" in text.replace(b"\\\\", b""):
        raise MetadataInvalid("metadata contains a NUL character, which PostgreSQL cannot store")
    return metadata
