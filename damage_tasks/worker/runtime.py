"""The state of one worker, set by its parent before the fork and inherited by its processes."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from damage_tasks.errors import ExtraMissing
from damage_tasks.sqs.message_attributes import queue_of, receives_of
from damage_tasks.telemetry.metrics import get_metrics
from damage_tasks.worker.breaker import Breaker

if TYPE_CHECKING:
    from damage_tasks.pipeline import Pipeline
    from damage_tasks.settings import Settings
    from damage_tasks.worker.bundle_loader import BundleLoader
    from damage_tasks.worker.outcome_alerts import WorkerMonitor
    from damage_tasks.worker.rollout_plan import RolloutPlan
    from damage_tasks.worker.rollout_watch import RolloutWatch
    from model_store.bundle import Bundle

logger = logging.getLogger(__name__)


class WorkerRuntime:
    """The shared state of one application's tasks, requests and boot steps.

    In a process that is not a worker, such as a caller's that runs the task itself, only the
    pipeline is used.
    """

    def __init__(self, pipeline: Pipeline | None = None) -> None:
        self._pipeline = pipeline
        self._monitor: WorkerMonitor | None = None
        self.breaker = Breaker()
        # Fetched before the fork, for all processes; during a roll-out, the largest share's.
        self.bundle: Bundle | None = None
        # If DAMAGE_BUNDLE is a pointer.
        self.rollout_watch: RolloutWatch | None = None
        self.loader: BundleLoader | None = None
        # By queue: the receives after which SQS moves a message to the dead letters.
        self.max_receives: dict[str, int] = {}

    @property
    def settings(self) -> Settings:
        """The settings of this process; raises `SettingsError`."""
        # pydantic takes 0.3 s to import, and an import of the package alone needs no settings.
        from damage_tasks.settings import get_settings

        return get_settings()

    @property
    def monitor(self) -> WorkerMonitor:
        """Alerts and live metrics; created in the parent, the only process that uses them."""
        if self._monitor is None:
            # Slack, Redis and SQS clients take 0.7 s to import; only workers need them.
            from damage_tasks.worker.outcome_alerts import WorkerMonitor

            self._monitor = WorkerMonitor()
        return self._monitor

    @property
    def bundle_version(self) -> str:
        """The version of the bundle that this worker uses."""
        return self.bundle.identity.version if self.bundle else "none"

    def get_pipeline(self) -> Pipeline:
        """This process's pipeline, loaded on the first call.

        Raises the same errors as `damage_tasks.wiring.build_pipeline`.
        """
        if self._pipeline is None:
            start = time.perf_counter()
            self._pipeline = self._build_pipeline()
            if self.loader is None:  # which reports each bundle itself
                self._report_bundle(self._pipeline, time.perf_counter() - start)
        return self._pipeline

    def change_plan(self, plan: RolloutPlan) -> None:
        """In the parent: the bundles that processes load from now on."""
        if self.loader is not None:
            self.loader.plan = plan
        if plan.usable:
            self.bundle = plan.bundle(plan.usable[0])

    def is_last_receive(self, properties: dict[str, Any]) -> bool:
        """Whether SQS will move the message to the dead letters unless it is deleted now."""
        limit = self.max_receives.get(queue_of(properties) or "")
        return limit is not None and receives_of(properties) >= limit

    def will_be_received_again(self, properties: dict[str, Any]) -> bool:
        """Whether SQS will deliver the message again if it is not deleted."""
        limit = self.max_receives.get(queue_of(properties) or "")
        return limit is not None and receives_of(properties) < limit

    def _build_pipeline(self) -> Pipeline:
        try:
            # NumPy, OpenCV and SQLAlchemy; a caller's installation may have none of them.
            from damage_tasks.wiring import build_pipeline, build_segmenter
        except ModuleNotFoundError as error:
            # A caller is running the task in its own process.
            raise ExtraMissing.of(error) from None
        if self.loader is None:
            return build_pipeline(
                self.settings, segmenter=build_segmenter(self.settings, self.bundle)
            )
        serving = self.loader.open()
        pipeline = build_pipeline(self.settings, segmenter=serving.main)
        pipeline.serving = serving
        self.loader.follow(pipeline)
        return pipeline

    def _report_bundle(self, pipeline: Pipeline, seconds: float) -> None:
        bundle = pipeline.segmenter.identity
        logger.info(
            "bundle is loaded", extra={"bundle": bundle.version, "seconds": round(seconds, 2)}
        )
        if metrics := get_metrics():
            metrics.loaded(bundle.name, bundle.version, bundle.digest, seconds)


def runtime_of(app: Any) -> WorkerRuntime:
    """The runtime of our Celery application ``app``; `damage_tasks.tasks` creates it."""
    runtime: WorkerRuntime = app.runtime
    return runtime
