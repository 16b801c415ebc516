"""Loads the bundles of a roll-out in one process, and switches to them between two photos.

A thread loads a new bundle while the main thread examines photos, so none waits for it and the
message of none is held longer.  The processes of a worker take turns.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from damage_tasks.errors import BundleError
from damage_tasks.serving import Serving
from damage_tasks.telemetry.metrics import get_metrics
from damage_tasks.worker.load_attempts import BundleKillsProcesses, LoadAttempts
from damage_tasks.worker.memory_bound import BundleTooLarge, Memory
from damage_tasks.worker.rollout_plan import Refusal, RolloutPlan, report_refusal

if TYPE_CHECKING:
    from damage_tasks.pipeline import Pipeline
    from damage_tasks.settings import Settings
    from damage_tasks.vision.segmenter import Segmenter
    from damage_tasks.worker.memory_bound import MemoryBound
    from damage_tasks.worker.state_files import StateFiles
    from model_store.bundle import Bundle
    from model_store.rollout import NamedBundle

logger = logging.getLogger(__name__)

PLAN_SECONDS = 1.0  # between two checks for a new plan
RETRY_SECONDS = 10.0  # before a bundle is retried for which the process lacked resources
# A worker that starts later may succeed.
PASSING = (OSError, MemoryError, BundleTooLarge, BundleKillsProcesses)


class BundleLoader:
    """The loaded bundles of one process; the parent sets ``plan`` before it forks."""

    def __init__(
        self, settings: Settings, files: StateFiles, plan: RolloutPlan, memory: MemoryBound
    ) -> None:
        self._settings = settings
        self._files = files
        self.plan = plan
        self._loaded: dict[str, Segmenter] = {}
        self._failed: dict[str, str] = {}
        self._untried: set[str] = set()
        self._memory = memory
        self._attempts = LoadAttempts(files.attempts)

    def open(self) -> Serving:
        """Load the bundles of the plan; raises `BundleError` if none of them can serve."""
        return self._serve(self.plan)

    def follow(self, pipeline: Pipeline) -> None:
        """From now on, have ``pipeline`` use the bundles of the parent's newest plan."""
        threading.Thread(
            target=self._follow, args=(pipeline,), name="bundle-loader", daemon=True
        ).start()

    def stop(self) -> None:
        """This process ends, and not because of the bundle that it may be loading."""
        self._attempts.end()

    def _follow(self, pipeline: Pipeline) -> None:
        while True:
            time.sleep(PLAN_SECONDS)
            try:
                self.check_plan(pipeline)
            except Exception:
                logger.exception("the roll-out was not followed")

    def check_plan(self, pipeline: Pipeline) -> None:
        """Switch ``pipeline`` to the parent's newest plan, unless it is the one in use."""
        if RolloutPlan.read(self._files.rollout) in (None, self.plan):
            return
        try:
            with self._turn():
                # Another process may have failed in its turn.
                self.plan = RolloutPlan.read(self._files.rollout) or self.plan
                self._unload_unnamed(pipeline)
                serving = self._serve(self.plan)
        except BundleError as error:
            logger.error("the previous bundle continues: %s", error)
        else:
            pipeline.serving = serving

    def _serve(self, plan: RolloutPlan) -> Serving:
        """The bundles of ``plan`` that load; the others are reported to the parent."""
        digests = {share.digest for share in plan.rollout.shares}
        named = {bundle.digest for bundle in plan.rollout.bundles}
        # A bundle is retried after the roll-out has stopped naming it.
        self._failed = {digest: why for digest, why in self._failed.items() if digest in named}
        for bundle in plan.usable:
            # The substitute comes last, and is needed only if another bundle is missing.
            if bundle.digest in digests or not digests <= self._loaded.keys():
                self._load(bundle, plan)
        if not self._loaded:
            self._load_untried(plan)
        if plan.substitute and not digests <= self._loaded.keys():
            digests.add(plan.substitute.digest)
        loaded = {digest: found for digest, found in self._loaded.items() if digest in digests}
        if not loaded:
            reasons = {**plan.refused, **self._failed}
            raise BundleError("; ".join(reasons[d] for d in digests if d in reasons))
        self._forget(self._loaded.keys() - loaded.keys())
        self._loaded = loaded
        shares = ", ".join(f"{share.version} ({share.percent} %)" for share in plan.rollout.shares)
        served = ", ".join(found.identity.version for found in loaded.values())
        logger.info("roll-out: %s; loaded: %s", shares, served)
        return Serving(loaded, plan.rollout, plan.substitute.digest if plan.substitute else None)

    def _unload_unnamed(self, pipeline: Pipeline) -> None:
        """Make room for a bundle, if another one can examine the photos until it is loaded."""
        plan = self.plan
        named = {bundle.digest for bundle in plan.usable}
        kept = {digest: found for digest, found in self._loaded.items() if digest in named}
        if kept and len(kept) < len(self._loaded):
            pipeline.serving = Serving(
                kept, plan.rollout, plan.substitute.digest if plan.substitute else None
            )
            self._forget(self._loaded.keys() - kept.keys())
            self._loaded = kept

    def _load(self, named: NamedBundle, plan: RolloutPlan) -> None:
        if named.digest in self._loaded or named.digest in self._failed:
            return
        try:
            if self._is_replaceable(named, plan):
                self._attempts.check(named)
            self._loaded[named.digest] = self._open_patiently(named, plan)
        except Exception as error:  # whatever a library raises for a bundle that it cannot run
            reason = f"{getattr(error, 'code', type(error).__name__)}: {error}"
            self._failed[named.digest] = reason
            lasts = not isinstance(error, PASSING)
            if isinstance(error, BundleKillsProcesses):
                self._untried.add(named.digest)
            try:
                report_refusal(self._files.refusals, named.digest, Refusal(reason, lasts))
            except OSError as problem:
                logger.error("bundle %s is not used: %s; %s", named.version, reason, problem)

    def _load_untried(self, plan: RolloutPlan) -> None:
        """Load one of the bundles that another process, or a death, has kept this one from trying.

        No other one can examine photos, and not every death is the bundle's fault.
        """
        for named in plan.named:
            is_untried = named.digest in self._untried or named.digest in plan.retried
            if self._loaded or not is_untried or named.digest not in plan.folders:
                continue
            self._untried.discard(named.digest)
            self._failed.pop(named.digest, None)
            logger.error("bundle %s is tried after all: no other one can be used", named.version)
            self._load(named, plan)

    def _is_replaceable(self, named: NamedBundle, plan: RolloutPlan) -> bool:
        others = {bundle.digest for bundle in plan.usable} - self._failed.keys()
        return bool(self._loaded or others - {named.digest})

    def _open_patiently(self, named: NamedBundle, plan: RolloutPlan) -> Segmenter:
        """The networks of a bundle; tried twice if the process lacks memory or descriptors."""
        try:
            return self._open(plan.bundle(named))
        except (OSError, MemoryError) as error:
            logger.warning(
                "bundle %s is retried in %d s: %s: %s",
                named.version, RETRY_SECONDS, type(error).__name__, error,
            )  # fmt: skip
        time.sleep(RETRY_SECONDS)
        return self._open(plan.bundle(named))

    def _open(self, bundle: Bundle) -> Segmenter:
        if self._loaded:
            self._memory.check(bundle, [found.bundle for found in self._loaded.values()])
        # NumPy and OpenCV, which the parent imported before the fork.
        from damage_tasks.wiring import build_segmenter

        began, before = time.perf_counter(), Memory()
        with self._attempts.record(bundle.digest):
            segmenter = build_segmenter(self._settings, bundle)
        seconds = time.perf_counter() - began
        if not self._loaded:
            self._memory.first_bundle_loaded(bundle, before, Memory())
        identity = bundle.identity
        logger.info(
            "bundle is loaded", extra={"bundle": identity.version, "seconds": round(seconds, 2)}
        )
        if metrics := get_metrics():
            metrics.loaded(identity.name, identity.version, identity.digest, seconds)
        return segmenter

    def _forget(self, digests: set[str]) -> None:
        for digest in digests:
            identity = self._loaded[digest].identity
            if metrics := get_metrics():
                metrics.unloaded(identity.name, identity.version, identity.digest)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other process of this worker is loading a bundle."""
        lock = os.open(self._files.loading, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
