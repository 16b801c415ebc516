"""Prometheus metrics, summed over all processes of a worker.

Each process keeps its counts in memory shared with the parent, which sums them at
each scrape.  The memory belongs to a process's slot rather than its id, so that a
replacement continues the counts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from damage_tasks.inspection import computing_seconds

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from damage_tasks.inspection import Finding, Inspection
    from damage_tasks.telemetry.shared_metrics import SharedMetrics

logger = logging.getLogger(__name__)

SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
WAIT_SECONDS_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 14400)
# The objectives of monitoring.objectives in the chart are among these.
VERDICT_SECONDS_BUCKETS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 14400)
BYTES_BUCKETS = tuple(1024 * 4**n for n in range(3, 10))  # 64 KiB to 256 MiB
MEGAPIXELS_BUCKETS = (0.1, 0.3, 1, 2, 4, 8, 12, 16, 24, 48, 64)
SCORE_BUCKETS = (*(n / 20 for n in range(1, 20)), 0.99, 1.0)
MAX_VERSIONS = 16  # of bundles, as labels

_S3_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")

_metrics: Metrics | None = None
_shared: SharedMetrics | None = None


class Metrics:
    """The metrics of photos; one instance per worker, created before it forks."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"damage_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(
                f"damage_{name}", text, labels, buckets=tuple(buckets), registry=registry
            )

        self.photos = counter(
            "photos", "Photos by verdict, reason and lane.", "verdict", "reason", "lane"
        )
        self.reused = counter("photos_reused", "Photos whose finding was already known.")
        self.failures = counter(
            "failed_deliveries", "Deliveries of photos that ended without a verdict.", "reason"
        )
        self.retries = counter("retries", "Photos returned to the queue for a retry.", "reason")
        self.s3_refusals = counter(
            "refused_by_s3",
            "Photos that S3 did not let the workers' role read, by S3's own code.",
            "code",
        )
        self.decisions = counter(
            "decisions", "Photos by the network that decided the verdict.", "network", "verdict"
        )
        self.gate_exits = counter("gate_exits", "Photos that a gate ended early.", "network")
        self.damages = counter("damages", "Damages found.", "type", "severity")
        self.stages = histogram("stage_seconds", "Seconds in each stage.", SECONDS_BUCKETS, "stage")
        self.seconds = histogram("photo_seconds", "Seconds per photo, all stages.", SECONDS_BUCKETS)
        self.waits = histogram(
            "queue_wait_seconds", "Seconds a photo waited in SQS.", WAIT_SECONDS_BUCKETS, "lane"
        )
        self.verdicts = histogram(
            "verdict_seconds",
            "Seconds from a photo's first message to its verdict, with all retries.",
            VERDICT_SECONDS_BUCKETS,
            "lane",
        )
        self.bytes = histogram("photo_bytes", "Size of photos in bytes.", BYTES_BUCKETS)
        self.megapixels = histogram(
            "photo_megapixels", "Size of photos in megapixels.", MEGAPIXELS_BUCKETS
        )
        self.score = histogram("score", "Damage score of examined photos.", SCORE_BUCKETS)
        self.network_scores = histogram(
            "network_score", "Scores of the networks.", SCORE_BUCKETS, "network"
        )
        self.load = Gauge(
            "damage_model_load_seconds", "Seconds the bundle took to load.",
            multiprocess_mode="mostrecent", registry=registry,
        )  # fmt: skip
        self.bundle = Gauge(
            "damage_bundle_info", "The bundle in use.", ["name", "version", "digest"],
            multiprocess_mode="mostrecent", registry=registry,
        )  # fmt: skip
        self.bundle_photos = counter(
            "bundle_photos", "Photos by the version that examined them.", "version", "verdict"
        )
        self.bundle_seconds = histogram(
            "bundle_seconds",
            "Seconds from decoding a photo to its overlay, by version.",
            SECONDS_BUCKETS,
            "version",
        )
        self.refusals = counter(
            "bundles_refused", "Bundles of a roll-out that this worker refused.", "version"
        )
        self.shadow_photos = counter(
            "shadow_photos", "Photos for the bundle of the shadow queue, by outcome.", "outcome"
        )
        self._versions: set[str] = set()

    def examined(
        self,
        inspection: Inspection,
        milliseconds: Mapping[str, float],
        lane: str,
        seconds_since_sent: float | None,
    ) -> None:
        """Count a photo by its verdict; ``milliseconds`` maps its stages to their durations.

        ``lane`` is ``bulk`` or ``urgent``. ``seconds_since_sent`` is the age of the photo's first
        message, or None if it did not come from SQS.
        """
        reason = inspection.reason.code if inspection.reason else ""
        self.photos.labels(str(inspection.verdict), reason, lane).inc()
        if seconds_since_sent is not None:
            self.verdicts.labels(lane).observe(seconds_since_sent)
        for stage, spent in milliseconds.items():
            self.stages.labels(stage).observe(spent / 1000)
        self.seconds.observe(sum(milliseconds.values()) / 1000)
        photo = inspection.photo
        if photo.bytes:
            self.bytes.observe(photo.bytes)
        if photo.width and photo.height:
            self.megapixels.observe(photo.width * photo.height / 1e6)
        if inspection.reused:
            self.reused.inc()
        elif inspection.finding is not None:
            self._found(inspection.finding, str(inspection.verdict))
            if inspection.bundle is not None:
                version = self._bounded(inspection.bundle.version)
                self.bundle_photos.labels(version, str(inspection.verdict)).inc()
                self.bundle_seconds.labels(version).observe(computing_seconds(milliseconds))

    def _bounded(self, version: str) -> str:
        """``version``, or `other` after many of them: a label must not take ever more memory."""
        if len(self._versions) < MAX_VERSIONS:
            self._versions.add(version)
        return version if version in self._versions else "other"

    def _found(self, finding: Finding, verdict: str) -> None:
        self.decisions.labels(finding.decided_by or "", verdict).inc()
        if finding.damage_score is not None:
            self.score.observe(finding.damage_score)
        for name, score in finding.scores.items():
            self.network_scores.labels(name).observe(score)
        for damage in finding.damages:
            self.damages.labels(str(damage.type), str(damage.severity)).inc()

    def failed(self, reason: str, lane: str, *, for_good: bool) -> None:
        """Count a delivery that failed because of ``reason``, an error's code.

        ``for_good`` means that it was the last attempt and the photo becomes a dead letter.
        """
        self.failures.labels(reason).inc()
        if for_good:
            self.photos.labels("failed", reason, lane).inc()

    def refused_by_s3(self, code: str) -> None:
        """Count a rejected photo that S3 did not let us read; ``code`` is S3's own."""
        self.s3_refusals.labels(code if _S3_CODE.fullmatch(code) else "other").inc()

    def waited(self, seconds: float, lane: str) -> None:
        """Record how long a photo waited in the queue before it was received."""
        self.waits.labels(lane).observe(max(0.0, seconds))

    def retried(self, reason: str) -> None:
        """Count a photo that is retried later because of ``reason``, an error's code."""
        self.retries.labels(reason).inc()

    def loaded(self, name: str, version: str, digest: str, seconds: float) -> None:
        """Record which bundle is in use and how long it took to load."""
        self.load.set(seconds)
        self.bundle.labels(name, version, digest[:12]).set(1)

    def unloaded(self, name: str, version: str, digest: str) -> None:
        """Record that a bundle is no longer in use."""
        self.bundle.labels(name, version, digest[:12]).set(0)

    def refused(self, version: str) -> None:
        """Count a bundle of a roll-out that is not used."""
        self.refusals.labels(self._bounded(version)).inc()


def get_metrics() -> Metrics | None:
    """This worker's metrics, or None if they are disabled."""
    return _metrics


def start_metrics(processes: int) -> None:
    """Share all counts with at most ``processes`` children; call in the parent, before it forks."""
    global _metrics, _shared
    from prometheus_client import values

    from damage_tasks.telemetry.shared_metrics import SharedMetrics

    _shared = SharedMetrics(1 + processes)  # the first slot is the parent's
    values.ValueClass = _shared.value_class()
    _metrics = Metrics()


def enter_slot(slot: int) -> None:
    """Set this child's ``slot`` among the processes, from 0; call before it counts anything."""
    if _shared is not None:
        _shared.enter(1 + slot)


def serve_metrics(port: int, live: Callable[[], Mapping[str, Any]]) -> None:
    """Serve all processes' counts and the parent's ``live`` metrics on ``port``.

    ``live`` is called at each scrape; see `LiveMetrics` for its result.
    """
    from prometheus_client import CollectorRegistry

    from damage_tasks.telemetry.live_metrics import LiveMetrics

    registry = CollectorRegistry()
    if _shared is not None:
        registry.register(_shared)
    registry.register(LiveMetrics(live))
    serve_registry(registry, port)


def serve_registry(registry: CollectorRegistry, port: int) -> None:
    """Serve ``registry`` on ``port`` from a thread; if the port is in use, only log an error."""
    from prometheus_client import start_http_server

    try:
        start_http_server(port, registry=registry)
    except OSError as error:
        logger.error("metrics are disabled: cannot listen on port %d: %s", port, error)
