"""Examines a past photo with another bundle, once, and records how that ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from damage_tasks.errors import (
    BundleMismatch,
    DamageTaskError,
    NetworksFailed,
    TemporaryError,
    WorkerLost,
)
from damage_tasks.photos import PhotoReader
from damage_tasks.photos.originals import find_original
from damage_tasks.results.comparison_findings import (
    is_examined,
    save_comparison_failure,
    save_comparison_finding,
)
from damage_tasks.results.reexaminations import claim, record_end, release
from damage_tasks.results.rerun_selection import newest_address
from damage_tasks.storage.s3 import Bucket, Signer

if TYPE_CHECKING:
    from damage_tasks.inspection import Finding
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings
    from model_store.identity import BundleIdentity

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3  # of a photo that ends its process
MARGIN_SECONDS = 60  # clocks of workers may differ

Find = Callable[[bytes], tuple["Finding", Mapping[str, float]]]


class Reexaminer:
    """Examines the photos of `damage-tasks rerun` with ``find``, the networks of ``bundle``.

    ``find`` returns the finding of a photo's file and the times of the stages.
    """

    def __init__(
        self, settings: Settings, store: Inspections, bundle: BundleIdentity, find: Find
    ) -> None:
        self._store = store
        self._bundle = bundle
        self._find = find
        self._kept = Bucket(settings.require("bucket"))
        self._reader = PhotoReader(settings, Signer(settings))
        self._claim = timedelta(seconds=settings.time_limit + MARGIN_SECONDS)

    def reexamine(self, photo_sha256: str, bundle_digest: str) -> str:
        """Examine a photo with the bundle ``bundle_digest``; returns the outcome.

        ``reexamined``, ``known`` if that was done before, ``claimed`` if another worker has the
        photo, its examination has ended or it was erased, ``failed``, which is recorded with the
        reason, or ``erased``.  Raises a `TemporaryError`, after which it can be repeated.
        """
        with self._store.transaction() as connection:
            attempt = claim(connection, photo_sha256, bundle_digest, self._claim)
        if attempt is None:
            return "claimed"
        try:
            self._check(attempt, bundle_digest)
            return self._examine(photo_sha256)
        except TemporaryError:
            with self._store.transaction() as connection:
                release(connection, photo_sha256, bundle_digest)
            raise
        except DamageTaskError as error:
            with self._store.transaction() as connection:
                record_end(connection, photo_sha256, bundle_digest, error=error)
                if isinstance(error, NetworksFailed | WorkerLost):
                    save_comparison_failure(connection, photo_sha256, self._bundle)
                    logger.error("photo %s failed", photo_sha256, exc_info=error)
            return "failed"

    def _check(self, attempt: int, bundle_digest: str) -> None:
        if bundle_digest != self._bundle.digest:
            raise BundleMismatch(
                f"the workers of this queue have {self._bundle.name} {self._bundle.version} "
                f"({self._bundle.digest[:12]}), not {bundle_digest[:12]}: set DAMAGE_SHADOW_BUNDLE"
            )
        if attempt > MAX_ATTEMPTS:
            raise WorkerLost(f"{MAX_ATTEMPTS} workers that examined the photo did not finish")

    def _examine(self, photo_sha256: str) -> str:
        digest = self._bundle.digest
        with self._store.transaction() as connection:
            if is_examined(connection, photo_sha256, digest):
                record_end(connection, photo_sha256, digest)
                return "known"
            url = newest_address(connection, photo_sha256)
        original = find_original(photo_sha256, url, kept=self._kept, photos=self._reader)
        finding, timings_ms = self._find(original.data)
        with self._store.transaction() as connection:
            if not save_comparison_finding(
                connection, photo_sha256, self._bundle, finding, timings_ms
            ):
                return "erased"
            record_end(connection, photo_sha256, digest, source=original.source)
        return "reexamined"
