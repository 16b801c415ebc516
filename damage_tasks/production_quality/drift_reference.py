"""The reference with which photos in production are compared."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from damage_tasks.errors import BundleError, BundleNotFound, BundleUnavailable
from damage_tasks.production_quality.distributions import reference_of
from damage_tasks.results.photo_sample import find_first_day, sample_photos
from damage_tasks.storage.aws_clients import new_client
from model_store.fetch import fetch_manifest

if TYPE_CHECKING:
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings
    from model_store.manifest import Manifest, Reference

logger = logging.getLogger(__name__)

Origin = Literal["manifest", "setting", "first days"]

MANIFEST_SECONDS = 600.0  # between two reads of the manifest


@dataclass(frozen=True, slots=True)
class ChosenReference:
    """A reference: of the bundle's manifest, of the days in a setting, or of its first days."""

    reference: Reference
    origin: Origin

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the distributions."""
        return {
            "origin": self.origin,
            **self.reference.model_dump(include={"source", "photos", "since", "until"}),
        }


def open_references(store: Inspections, settings: Settings) -> References:
    """The references of DAMAGE_BUNDLE, of the settings and of the photos in ``store``."""
    return References(
        store, settings, lambda: fetch_manifest(settings.bundle, settings.bundle_cache, new_client)
    )


class References:
    """Chooses references and keeps them, because reading one may take seconds.

    ``read_manifest`` returns the manifest of DAMAGE_BUNDLE, which changes during a roll-out.  It
    is called for versions whose manifest is unknown, at most every `MANIFEST_SECONDS`.
    """

    def __init__(
        self, store: Inspections, settings: Settings, read_manifest: Callable[[], Manifest]
    ) -> None:
        self._store = store
        self._settings = settings
        self._read_manifest = read_manifest
        self._manifests: dict[str, Manifest] = {}
        self._last_read = -math.inf
        self._kept: dict[str, ChosenReference] = {}

    def choose(self, version: str, before: datetime) -> ChosenReference | None:
        """The reference for photos that the bundle ``version`` examined since ``before``.

        That of the days in DAMAGE_DRIFT_REFERENCE, or else of the manifest, or else of the first
        days on which the bundle was used. None if these have too few photos.
        """
        days = self._settings.drift_reference
        if days is not None:
            return self._kept.get(version) or self._of_days("setting", version, *days)
        # First, because its manifest may have been unavailable when the first days were chosen.
        manifest = self._manifest_of(version)
        if manifest and manifest.reference:
            return ChosenReference(manifest.reference, "manifest")
        return self._kept.get(version) or self._of_first_days(version, before)

    def _of_first_days(self, version: str, before: datetime) -> ChosenReference | None:
        with self._store.transaction() as connection:
            first = find_first_day(connection, version, before)
        if first is None:
            return None
        # Only whole days, so that every hour of the day has its share.
        since = first + timedelta(days=1)
        until = since + timedelta(days=self._settings.drift_reference_days)
        today = before.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if since >= today:
            return None
        return self._of_days("first days", version, since, min(until, today), until <= today)

    def _of_days(
        self, origin: Origin, version: str, since: datetime, until: datetime, is_final: bool = True
    ) -> ChosenReference | None:
        with self._store.transaction() as connection:
            photos = sample_photos(connection, since, until).photos
        # A period in a setting is the standard for every bundle.
        some = [photo for photo in photos if origin == "setting" or photo.bundle == version]
        if len(some) < self._settings.drift_photos:
            return None
        days = since.date().isoformat(), until.date().isoformat()
        chosen = ChosenReference(reference_of(some, *days), origin)
        if is_final:
            self._kept[version] = chosen
        return chosen

    def _manifest_of(self, version: str) -> Manifest | None:
        is_due = time.monotonic() >= self._last_read + MANIFEST_SECONDS
        if version not in self._manifests and is_due:
            try:
                manifest = self._read_manifest()
                self._manifests[manifest.version] = manifest
            except (BundleError, BundleNotFound, BundleUnavailable) as error:
                # The page may run without access to bundles.
                logger.info("drift has no reference of a manifest: %s", error)
            self._last_read = time.monotonic()
        return self._manifests.get(version)
