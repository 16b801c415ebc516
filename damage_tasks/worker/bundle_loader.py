"""Loads the bundles of a roll-out in one process, and switches to them between two photos.

A thread loads a new bundle while the main thread examines photos, so none waits for it and the
message of none is held longer.  The processes of a worker take turns.
"""

from __future__ import annotations

import fcntl
import logging
import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from damage_tasks.errors import BundleError
from damage_tasks.serving import Serving
from damage_tasks.telemetry.metrics import get_metrics
from damage_tasks.worker.rollout_plan import Refusal, RolloutPlan, report_refusal

if TYPE_CHECKING:
    from damage_tasks.pipeline import Pipeline
    from damage_tasks.settings import Settings
    from damage_tasks.vision.segmenter import Segmenter
    from damage_tasks.worker.state_files import StateFiles
    from model_store.bundle import Bundle
    from model_store.rollout import NamedBundle

logger = logging.getLogger(__name__)

PLAN_SECONDS = 1.0  # between two checks for a new plan
RETRY_SECONDS = 10.0  # before a bundle is retried for which the process lacked resources
MEBIBYTE = 1024 * 1024


class BundleLoader:
    """The loaded bundles of one process; the parent sets ``plan`` before it forks."""

    def __init__(self, settings: Settings, files: StateFiles, plan: RolloutPlan) -> None:
        self._settings = settings
        self._files = files
        self.plan = plan
        self._loaded: dict[str, Segmenter] = {}
        self._failed: dict[str, str] = {}
        self._bare_megabytes = 0.0  # of this process without any bundle
        self._memory_factor = 1.0  # memory that a bundle takes, by the size of its files

    def open(self) -> Serving:
        """Load the bundles of the plan; raises `BundleError` if none of them can serve."""
        return self._serve(self.plan)

    def follow(self, pipeline: Pipeline) -> None:
        """From now on, have ``pipeline`` use the bundles of the parent's newest plan."""
        threading.Thread(
            target=self._follow, args=(pipeline,), name="bundle-loader", daemon=True
        ).start()

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

    def _load(self, named: NamedBundle, plan: RolloutPlan) -> None:
        if named.digest in self._loaded or named.digest in self._failed:
            return
        try:
            self._loaded[named.digest] = self._open_patiently(named, plan)
        except Exception as error:  # whatever a library raises for a bundle that it cannot run
            reason = f"{getattr(error, 'code', type(error).__name__)}: {error}"
            self._failed[named.digest] = reason
            lasts = not isinstance(error, OSError | MemoryError)
            try:
                report_refusal(self._files.refusals, named.digest, Refusal(reason, lasts))
            except OSError as problem:
                logger.error("bundle %s is not used: %s; %s", named.version, reason, problem)

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
        self._check_memory(bundle)
        # NumPy and OpenCV, which the parent imported before the fork.
        from damage_tasks.wiring import build_segmenter

        began, before = time.perf_counter(), resident_megabytes()
        segmenter = build_segmenter(self._settings, bundle)
        seconds = time.perf_counter() - began
        if not self._loaded:
            # Later, a bundle may use memory that photos have left.
            grown = resident_megabytes() - before
            self._bare_megabytes = before
            self._memory_factor = max(1.0, grown / _megabytes(bundle))
        identity = bundle.identity
        logger.info(
            "bundle is loaded", extra={"bundle": identity.version, "seconds": round(seconds, 2)}
        )
        if metrics := get_metrics():
            metrics.loaded(identity.name, identity.version, identity.digest, seconds)
        return segmenter

    def _check_memory(self, bundle: Bundle) -> None:
        """Raise `BundleError` if ``bundle`` does not fit next to the one that serves.

        Its need is estimated from the memory that the first bundle took.
        """
        if not self._loaded:
            return
        serving = sum(_megabytes(found.bundle) for found in self._loaded.values())
        resident = self._bare_megabytes + self._memory_factor * serving
        need = self._memory_factor * _megabytes(bundle)
        photo, limit = self._settings.max_photo_megabytes, self._settings.max_process_megabytes
        if resident + need + photo > limit:
            raise BundleError(
                f"not enough memory for {bundle.label} next to the bundle that serves: a process "
                f"takes {resident:.0f} MiB, the bundle about {need:.0f} MiB and a photo up to "
                f"{photo} MiB, which exceeds DAMAGE_MAX_PROCESS_MEGABYTES ({limit}); raise it and "
                "the worker's memory limit, or lower DAMAGE_MAX_PHOTO_MEGABYTES"
            )

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


def resident_megabytes() -> float:
    """The memory of this process in MiB; its peak on systems without ``/proc``."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _megabytes(bundle: Bundle) -> float:
    return sum(file.bytes for _, file in bundle.manifest.large_files()) / MEBIBYTE
