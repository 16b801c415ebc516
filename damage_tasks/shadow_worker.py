"""Examines photos of the shadow queue with another bundle, and stores what it finds apart."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from damage_tasks.attempt_state import Stopwatch
from damage_tasks.errors import (
    BundleError,
    NetworksFailed,
    OriginalUnavailable,
    PhotoRejected,
    QueueUnavailable,
    TemporaryError,
)
from damage_tasks.examination import examine
from damage_tasks.photos import PhotoReader
from damage_tasks.photos.originals import read_original
from damage_tasks.reexaminer import Reexaminer
from damage_tasks.results.celery_backend import open_store
from damage_tasks.results.comparison_findings import (
    is_examined,
    save_comparison_failure,
    save_comparison_finding,
)
from damage_tasks.shadow_queue import ShadowQueue
from damage_tasks.storage.aws_clients import new_client
from damage_tasks.storage.s3 import Bucket
from damage_tasks.telemetry import configure_logging
from damage_tasks.telemetry.heartbeat_file import HeartbeatFile
from damage_tasks.telemetry.metrics import serve_registry
from damage_tasks.wiring import build_segmenter
from model_store.fetch import fetch_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from damage_tasks.inspection import Finding
    from damage_tasks.ports import Networks
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings
    from damage_tasks.shadow_queue import ShadowMessage

logger = logging.getLogger(__name__)

READY = "examining photos of the shadow queue"
MAX_PAUSE_SECONDS = 30.0


class ShadowExaminer:
    """Examines kept photos with ``networks``; what they find is only compared."""

    def __init__(self, settings: Settings, networks: Networks, store: Inspections) -> None:
        self._settings = settings
        self._networks = networks
        self._store = store
        self._kept = Bucket(settings.require("bucket"))
        self._reader = PhotoReader(settings)
        self._failed_in_a_row = 0
        self._reexaminer = Reexaminer(settings, store, networks.identity, self.find)

    def reexamine(self, photo_sha256: str, bundle_digest: str) -> str:
        """Examine a photo of a rerun with the bundle ``bundle_digest``; see `Reexaminer`."""
        return self._reexaminer.reexamine(photo_sha256, bundle_digest)

    def examine(self, photo_sha256: str, receives: int = 1) -> str:
        """Examine a photo and store the finding; returns the outcome.

        If its message comes again (``receives``), an earlier process may have been killed; a
        failure is then stored in advance, which remains if this one is killed too.

        ``examined``, ``known`` if that was done before, ``not_kept`` or ``erased`` if the photo is
        gone, ``rejected`` if it cannot be decoded, or ``failed``, which is recorded, if the
        networks raise an exception.  Raises a `TemporaryError` or another `DamageTaskError` if S3
        or the database fails.
        """
        bundle = self._networks.identity
        with self._store.transaction() as connection:
            if is_examined(connection, photo_sha256, bundle.digest):
                return "known"
        try:
            # Without an address: the customer's host must not be asked a second time.
            data = read_original(photo_sha256, None, kept=self._kept, photos=self._reader)
        except OriginalUnavailable:
            return "not_kept"
        if receives > 1:
            self._record_failure(photo_sha256)
        try:
            finding, timings_ms = self.find(data)
        except PhotoRejected:
            return "rejected"
        except NetworksFailed as error:
            logger.error("photo %s failed", photo_sha256, exc_info=error)
            self._record_failure(photo_sha256)
            return "failed"
        with self._store.transaction() as connection:
            is_saved = save_comparison_finding(
                connection, photo_sha256, bundle, finding, timings_ms
            )
        return "examined" if is_saved else "erased"

    def find(self, data: bytes) -> tuple[Finding, dict[str, float]]:
        """What the bundle finds on the photo whose file is ``data``, and the times of the stages.

        Raises `PhotoRejected` for a photo that cannot be decoded, and `NetworksFailed`.
        """
        watch = Stopwatch()
        try:
            finding = examine(
                data,
                watch,
                photos=self._reader,
                segmenter=self._networks,
                overlay_side=self._settings.overlay_side,
                overlay_quality=self._settings.overlay_quality,
                # The pictures are thrown away, but drawn, so that the times can be compared.
                clean_pictures=self._settings.clean_pictures,
            ).finding
        except PhotoRejected:
            raise
        except Exception as error:
            self._failed_in_a_row += 1
            raise NetworksFailed(f"{type(error).__name__}: {error}") from error
        self._failed_in_a_row = 0
        return finding, watch.milliseconds

    def _record_failure(self, photo_sha256: str) -> None:
        with self._store.transaction() as connection:
            save_comparison_failure(connection, photo_sha256, self._networks.identity)

    def check_networks(self) -> None:
        """Raise `BundleError` if the bundle has failed on too many photos in a row."""
        if self._failed_in_a_row >= self._settings.max_failures_in_a_row:
            bundle = self._networks.identity
            raise BundleError(
                f"{bundle.name} {bundle.version} failed on {self._failed_in_a_row} photos in a row "
                "(DAMAGE_MAX_FAILURES_IN_A_ROW), see the log: correct the bundle, or set "
                "DAMAGE_SHADOW_BUNDLE to another one"
            )


class ShadowMetrics:
    """Counts the photos of the shadow queue by outcome."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self.registry = CollectorRegistry()
        self._photos = Counter(
            "damage_shadow_examinations",
            "Photos of the shadow queue by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "damage_shadow_seconds", "Seconds for a photo of the shadow queue.",
            registry=self.registry,
        )  # fmt: skip

    def ended(self, outcome: str, seconds: float) -> None:
        """Count a photo that took ``seconds``."""
        self._photos.labels(outcome).inc()
        self._seconds.observe(seconds)


class ShadowLoop:
    """Takes one photo after the other from ``queue``; any number of processes may run at once.

    ``ended`` is called with each outcome and its seconds, and ``beat`` in each turn.
    """

    def __init__(
        self,
        queue: ShadowQueue,
        examiner: ShadowExaminer,
        *,
        ended: Callable[[str, float], None] = lambda *_: None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._queue = queue
        self._examiner = examiner
        self._ended = ended
        self._beat = beat

    def run(self, stopping: Event) -> None:
        """Examine photos until ``stopping`` is set; the photo in progress is finished.

        Raises `DatabaseError` or `StorageError` if the database or S3 refuses this process, and
        `BundleError` if the bundle fails on one photo after the other.
        """
        pause = 1.0
        while not stopping.is_set():
            self._beat()
            try:
                message = self._queue.receive()
                if message is not None:
                    self._take(message)
                pause = 1.0
            except (TemporaryError, QueueUnavailable) as error:
                # SQS delivers the message again.
                logger.warning("no photos are examined: %s; next attempt in %.0f s", error, pause)
                stopping.wait(pause)
                pause = min(MAX_PAUSE_SECONDS, pause * 2)

    def _take(self, message: ShadowMessage) -> None:
        began = time.monotonic()
        if message.photo_sha256 is None:
            outcome = "malformed"
        elif message.bundle_digest is not None:
            outcome = self._examiner.reexamine(message.photo_sha256, message.bundle_digest)
        else:
            outcome = self._examiner.examine(message.photo_sha256, message.receives)
        self._queue.delete(message)
        self._ended(outcome, time.monotonic() - began)
        logger.info("photo of the shadow queue: %s", outcome, extra={"photo": message.photo_sha256})
        self._examiner.check_networks()


def examine_shadow_queue(settings: Settings, stopping: Event) -> None:
    """Examine the photos of DAMAGE_SHADOW_QUEUE_URL until ``stopping`` is set.

    Raises `SettingsError`, `ExtraMissing`, `BundleError`, or `DatabaseError` if the database has
    no such table.
    """
    configure_logging(settings.log_level, settings.log_format)
    queue = ShadowQueue(settings.require("shadow_queue_url"), settings.region)
    heartbeat = HeartbeatFile(settings.heartbeat_file, settings.heartbeat_limit)
    bundle = fetch_bundle(settings.require("shadow_bundle"), settings.bundle_cache, new_client)
    store = open_store(settings.require("database_url"))
    examiner = ShadowExaminer(settings, build_segmenter(settings, bundle), store)
    metrics = ShadowMetrics()
    if settings.metrics_port:
        serve_registry(metrics.registry, settings.metrics_port)
    logger.info(READY, extra={"bundle": bundle.identity.version})
    try:
        ShadowLoop(queue, examiner, ended=metrics.ended, beat=heartbeat.beat).run(stopping)
    finally:
        store.close()
    logger.info("stopped examining photos of the shadow queue")
