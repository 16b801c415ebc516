"""Whether the damage of an inspection is new: compared with earlier photos once, then stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.car_history.place_comparison import Place, evidence_of
from damage_tasks.car_history.view_matching import SIDE_PX, View, describe, register
from damage_tasks.damage import Damage
from damage_tasks.damage_history import (
    NO_CAR,
    PHOTO_NOT_KEPT,
    EarlierPhoto,
    Evidence,
    InspectionHistory,
    combine_all,
    unknown_history,
)
from damage_tasks.errors import DatabaseError, DownloadFailed, OriginalUnavailable, PhotoRejected
from damage_tasks.photos import PhotoReader
from damage_tasks.photos.originals import read_original
from damage_tasks.results.car_photos import (
    find_comparisons,
    find_earlier_photos,
    save_comparison,
)
from damage_tasks.results.database import lacks_privilege
from damage_tasks.storage.s3 import Bucket

if TYPE_CHECKING:
    from damage_tasks.inspection import Inspection
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings

# Raise it when photos are compared differently: stored comparisons of other versions do not count.
VERSION = 1
SECONDS = 60.0

logger = logging.getLogger(__name__)


class CarHistory:
    """Compares inspections with the car's earlier photos, and remembers what it found."""

    def __init__(self, store: Inspections, settings: Settings) -> None:
        """Raises `SettingsError` without a bucket."""
        self._store = store
        self._settings = settings
        self._bucket = Bucket(settings.require("bucket"), settings.overlay_base_url)
        self._reader = PhotoReader(settings)

    def earlier_photos(self, inspection: Inspection, *, at_least: int = 0) -> list[Inspection]:
        """The car's earlier photos, the latest first: as many as are compared, or ``at_least``.

        Raises `DatabaseUnavailable` or `DatabaseError`.
        """
        with self._store.transaction() as connection:
            return find_earlier_photos(
                connection,
                inspection,
                days=self._settings.history_days,
                limit=max(self._settings.history_photos, at_least),
            )

    def known(
        self, inspection: Inspection, earlier: Sequence[Inspection] | None = None
    ) -> InspectionHistory:
        """What is stored about the damage of ``inspection``; quick, because nothing is compared.

        ``earlier`` are its `earlier_photos`, which are looked up if it is None.
        Raises `DatabaseUnavailable` or `DatabaseError`.
        """
        return self._combined(inspection, *self._stored(inspection, earlier))

    def compare(
        self,
        inspection: Inspection,
        seconds: float = SECONDS,
        is_stopped: Callable[[], bool] = lambda: False,
        earlier: Sequence[Inspection] | None = None,
    ) -> InspectionHistory:
        """Whether each damaged area of ``inspection`` is new; compares what is not stored yet.

        ``earlier`` are its `earlier_photos`, which are looked up if it is None.
        Begins no comparison after ``seconds``, or once ``is_stopped`` returns true; the result is
        then not complete, and another call continues. A comparison takes about half a second.
        Nothing is stored if the database user may only read.
        Raises `DatabaseUnavailable`, `DatabaseError`, a `TemporaryError` or `StorageError`.
        """
        end = monotonic() + seconds
        compared, stored = self._stored(inspection, earlier)
        missing = [each for each in compared if each.id not in stored]
        damages = _damages(inspection)
        if not missing or not damages:
            return self._combined(inspection, compared, stored)
        view = self._view(inspection)
        if view is None:
            return unknown_history(len(damages), PHOTO_NOT_KEPT, len(compared))
        places = [_place(damage, damages, view) for damage in damages]
        for each in missing:
            if monotonic() > end or is_stopped():
                break
            try:
                stored[each.id] = self._compare(view, places, each)
            except DownloadFailed as error:  # maybe not the next time
                logger.warning("%s was not compared with %s: %s", inspection.id, each.id, error)
                continue
            self._save(inspection, each, stored[each.id])
        return self._combined(inspection, compared, stored)

    def _stored(
        self, inspection: Inspection, earlier: Sequence[Inspection] | None
    ) -> tuple[Sequence[Inspection], dict[str, list[Evidence]]]:
        """The earlier inspections that are compared, and the stored evidence by their ids."""
        found = self.earlier_photos(inspection) if earlier is None else earlier
        with self._store.transaction() as connection:
            stored = find_comparisons(connection, inspection.id, VERSION)
        return found[: self._settings.history_photos], stored

    def _save(
        self, inspection: Inspection, earlier: Inspection, evidence: Sequence[Evidence]
    ) -> None:
        """Store the comparison, unless this database user may only read."""
        try:
            with self._store.transaction() as connection:
                save_comparison(connection, inspection.id, earlier.id, VERSION, evidence)
        except DatabaseError as error:
            if not lacks_privilege(error):
                raise
            logger.info(
                "the comparison of %s with %s is not stored: %s", inspection.id, earlier.id, error
            )

    def _combined(
        self,
        inspection: Inspection,
        earlier: Sequence[Inspection],
        stored: dict[str, list[Evidence]],
    ) -> InspectionHistory:
        damages = _damages(inspection)
        if not earlier and "car_id" not in inspection.metadata:
            return unknown_history(len(damages), NO_CAR)
        found = [
            (EarlierPhoto(each.id, each.finished_at), stored.get(each.id))
            for each in earlier
            if each.finished_at
        ]
        return combine_all(len(damages), found)

    def _compare(
        self, view: _Sized, places: Sequence[Place], earlier: Inspection
    ) -> list[Evidence]:
        other = self._view(earlier)
        if other is None:
            return [Evidence.NOT_KEPT] * len(places)
        registration = register(view.view, other.view)
        if registration is None:
            return [Evidence.OTHER_VIEW] * len(places)
        marked = _cover(_damages(earlier), other)
        return [
            evidence_of(place, view.view.grey, other.view.grey, registration, marked)
            for place in places
        ]

    def _view(self, inspection: Inspection) -> _Sized | None:
        """The examined photo; None if it does not exist any more."""
        photo = inspection.photo
        try:
            data = read_original(
                photo.sha256, inspection.photo_url, kept=self._bucket, photos=self._reader
            )
            decoded = self._reader.decode(data, SIDE_PX)
        except (OriginalUnavailable, PhotoRejected):
            return None
        return _Sized(describe(decoded.pixels), decoded.pixels.shape[1] / decoded.width)


class _Sized(NamedTuple):
    """A photo, and its size relative to the full photo."""

    view: View
    scale: float


def _damages(inspection: Inspection) -> Sequence[Damage]:
    return inspection.finding.damages if inspection.finding else ()


def _place(damage: Damage, damages: Sequence[Damage], sized: _Sized) -> Place:
    others = [other for other in damages if other is not damage]
    return Place(_cover([damage], sized), _cover(others, sized))


def _cover(damages: Sequence[Damage], sized: _Sized) -> NDArray[np.bool_]:
    """The pixels inside the outlines of ``damages``."""
    cover = np.zeros(sized.view.grey.shape, np.uint8)
    for damage in damages:
        corners = np.round(np.array(damage.polygon, float).reshape(-1, 2) * sized.scale)
        cv2.fillPoly(cover, [corners.astype(np.int32)], 1)
    return cover > 0
