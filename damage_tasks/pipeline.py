"""The stages of an inspection in order: download, examination, persistence.

Plain function calls in one process; no Celery, no SQL, no boto3.  The parts are passed in, so
tests and other front ends can use their own.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

from damage_tasks.attempt_state import Attempt, Stopwatch
from damage_tasks.errors import (
    DamageTaskError,
    IdConflict,
    MessageMalformed,
    MetadataInvalid,
    PhotoRejected,
)
from damage_tasks.examination import examine
from damage_tasks.failure_records import FailureRecords
from damage_tasks.finding_pictures import FindingPictures
from damage_tasks.inspection import (
    Finding,
    Inspection,
    PhotoFacts,
    Verdict,
    is_in_band,
)
from damage_tasks.metadata_checks import check_received_metadata
from damage_tasks.photo_retrieval import PhotoRetrieval
from damage_tasks.photos.originals import is_kept, media_type
from damage_tasks.ports import Networks, Photos, Pictures, Records, Shadow
from damage_tasks.serving import Serving
from damage_tasks.storage.object_keys import photo_key, picture_key
from damage_tasks.storage_retries import retry_until
from damage_tasks.telemetry import sentry, traces
from damage_tasks.telemetry.metrics import get_metrics
from model_store.identity import BundleIdentity

logger = logging.getLogger(__name__)
T = TypeVar("T")


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
        keep_photos: str = "none",
        clean_pictures: str = "overlay",
        retry_seconds: float = 0.0,
        review_band: tuple[float, float] | None = None,
        allowed_callback: Callable[[Any], str | None] = lambda _: None,
        shadow: Shadow | None = None,
    ) -> None:
        """Store the parts and the settings of the stages.

        ``keep_photos`` is DAMAGE_KEEP_PHOTOS and ``clean_pictures`` DAMAGE_CLEAN_PICTURES.  In the
        first ``retry_seconds`` of an attempt, requests to S3 and the database are retried.  At
        damage scores in ``review_band`` (lowest, highest; None for the bundle's own), a person
        should look at the photo.  ``segmenter`` examines all photos until `serving` is changed.
        ``allowed_callback`` returns a caller's callback URL if events may be sent there, else None.
        ``shadow`` gets each photo whose verdict is stored.
        """
        self.photos = photos
        self.serving = Serving.only(segmenter)
        self.pictures = pictures
        self.inspections = inspections
        self._retrieval = PhotoRetrieval(photos, inspections)
        self.overlay_side = overlay_side
        self.overlay_quality = overlay_quality
        self.max_metadata_bytes = max_metadata_bytes
        self.keep_photos = keep_photos
        self.finding_pictures = FindingPictures(pictures, clean_pictures)
        self.failures = FailureRecords(inspections, self._save, retry_seconds)
        self.retry_seconds = retry_seconds
        self.review_band = review_band
        self.allowed_callback = allowed_callback
        self.shadow = shadow

    @property
    def segmenter(self) -> Networks:
        """The networks of the bundle that examines most photos."""
        return self.serving.main

    def inspect(self, attempt: Attempt) -> Inspection:
        """Examine the photo of ``attempt`` and store the result.

        A photo that cannot be downloaded or decoded is stored as a ``rejected``
        inspection.  Raises `TemporaryError` when a later attempt may succeed
        and another `DamageTaskError` when it will not; nothing is stored then.
        """
        watch = attempt.watch
        try:
            if attempt.is_upload:
                attempt.metadata = {**self._retrieval.object_metadata(attempt), **attempt.metadata}
            attempt.checked_metadata = check_received_metadata(
                attempt.metadata, self.max_metadata_bytes
            )
            self._retrieval.check_deadline(attempt)
            data = self._retrieval.download(attempt)
            sha256 = hashlib.sha256(data).hexdigest()
            attempt.photo = PhotoFacts(sha256, len(data))
            networks = self._networks_for(attempt, sha256)
            known = self._known_finding(attempt, sha256, networks.identity)
            if known is None:
                self.failures.complete(attempt, networks.identity)
            finding = known or self._examine(data, sha256, attempt, networks)
            width, height = finding.photo_size
            attempt.photo = replace(
                attempt.photo, width=width, height=height, camera=finding.camera
            )
        except PhotoRejected as error:
            return self.reject(attempt, error)
        kept = is_kept(self.keep_photos, sha256, finding.verdict)
        if kept:
            with watch.stage("persistence"):
                self._keep(attempt, data, is_new=known is None)
        inspection = attempt.examined(
            finding,
            networks.identity,
            reused=known is not None,
            is_unsure=finding.verdict is not Verdict.REJECTED
            and is_in_band(finding.damage_score, self.review_band or networks.review_band),
        )
        stored = self._store(inspection, attempt)
        if self.shadow is not None:
            self.shadow.examined(sha256, is_kept=kept)
        return stored

    def verdict_of(self, attempt: Attempt) -> Inspection | None:
        """The photo's stored inspection, unless it is ``failed`` and may be retried.

        If the id belongs to another photo, this one is rejected under another id.
        """
        stored = self._retry(attempt, lambda: self.inspections.find(attempt.id))
        if stored is None or stored.may_be_replaced:
            return None
        if stored.photo_url == attempt.photo_url:
            return stored
        self._keep_metadata(attempt)
        return self._reject_conflict(attempt)

    def reject(self, attempt: Attempt, error: PhotoRejected) -> Inspection:
        """Store a ``rejected`` inspection because of ``error``."""
        inspection = attempt.ended_by(error, Verdict.REJECTED, self._bundle(attempt))
        return self._store(inspection, attempt, error)

    def record_failure(
        self, attempt: Attempt, error: DamageTaskError, final_after: datetime | None = None
    ) -> Inspection:
        """Store a ``failed`` inspection if the database can be reached; never raises.

        With ``final_after``, it is provisional until then.  A verdict already stored
        under the same id is kept.  Counts nothing, because the photo may be delivered again.
        """
        self._keep_metadata(attempt)
        failure = attempt.ended_by(error, Verdict.FAILED, self._bundle(attempt), final_after)
        return self.failures.record(failure, attempt)

    def _keep_metadata(self, attempt: Attempt) -> None:
        with suppress(MetadataInvalid):
            attempt.checked_metadata = check_received_metadata(
                attempt.metadata, self.max_metadata_bytes
            )

    def _reject_conflict(self, attempt: Attempt, error: PhotoRejected | None = None) -> Inspection:
        """Reject a photo whose id belongs to another one, under the id of its message."""
        if not isinstance(error, MessageMalformed):
            error = IdConflict(f"the id {attempt.id} belongs to the inspection of another photo")
        id = attempt.message_id or str(uuid4())
        return self.reject(replace(attempt, id=id, watch=Stopwatch()), error)

    def _retry(self, attempt: Attempt, act: Callable[[], T]) -> T:
        return retry_until(attempt.began + self.retry_seconds, act)

    def _bundle(self, attempt: Attempt) -> BundleIdentity:
        return attempt.bundle or self.segmenter.identity

    def _networks_for(self, attempt: Attempt, sha256: str) -> Networks:
        """The networks that examine the photo, also if others begin to serve meanwhile."""
        networks = self.serving.of_photo(sha256)
        attempt.bundle = networks.identity
        version = networks.identity.version
        sentry.tag_photo(bundle=version)
        traces.describe_attempt({"damage.bundle": version})
        return networks

    def _known_finding(
        self, attempt: Attempt, sha256: str, bundle: BundleIdentity
    ) -> Finding | None:
        """The bundle's existing finding for the photo, if its images still exist."""
        digest = bundle.digest
        found = self._retry(attempt, lambda: self.inspections.find_finding(sha256, digest))
        if found is None or self.finding_pictures.are_complete(found):
            return found
        logger.info("the images of a known photo are gone: it is examined again")
        return None

    def _keep(self, attempt: Attempt, data: bytes, *, is_new: bool) -> None:
        """Store the photo itself, unless it was stored when it was examined."""
        key = photo_key(attempt.photo.sha256 or "")
        if is_new or not self.pictures.has(self.pictures.address(key)):
            self._retry(attempt, lambda: self.pictures.put(key, data, media_type(data)))

    def _examine(self, data: bytes, sha256: str, attempt: Attempt, networks: Networks) -> Finding:
        examination = examine(
            data,
            attempt.watch,
            photos=self.photos,
            segmenter=networks,
            overlay_side=self.overlay_side,
            overlay_quality=self.overlay_quality,
            clean_pictures=self.finding_pictures.policy,
        )
        key = picture_key(sha256, networks.identity.digest)
        with attempt.watch.stage("persistence"):
            return self.finding_pictures.store(
                examination, key, deadline=attempt.began + self.retry_seconds
            )

    def _save(self, inspection: Inspection, attempt: Attempt) -> Inspection:
        return self.inspections.save(inspection, self.allowed_callback(attempt.callback_url))

    def _store(
        self, inspection: Inspection, attempt: Attempt, error: PhotoRejected | None = None
    ) -> Inspection:
        watch = attempt.watch
        with watch.stage("commit"):
            stored = self._retry(attempt, lambda: self._save(inspection, attempt))
        if stored.photo_url != attempt.photo_url and attempt.id != attempt.message_id:
            # A message with the same id was examined in the meantime.
            return self._reject_conflict(attempt, error)
        # An inspection that was stored before has already been counted.
        if stored.finished_at == inspection.finished_at and (metrics := get_metrics()):
            metrics.examined(stored, watch.milliseconds, attempt.lane, attempt.seconds_since_sent)
            if error is not None and error.s3_code is not None:
                metrics.refused_by_s3(error.s3_code)
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
