"""Photos for browsers: upright JPEGs without the original's EXIF data."""

from __future__ import annotations

import logging
from contextlib import suppress

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from damage_tasks.errors import OriginalUnavailable, PhotoRejected, RedactionUnavailable
from damage_tasks.inspection import Inspection, missing_picture
from damage_tasks.photos import PhotoReader, decode
from damage_tasks.photos.originals import read_original, read_overlay
from damage_tasks.redaction.redactor import Redactor
from damage_tasks.redaction.redactor_on_first_use import RedactorOnFirstUse
from damage_tasks.review.people import Person
from damage_tasks.review.picture_cache import PictureCache
from damage_tasks.settings import Settings
from damage_tasks.storage.s3 import Bucket

logger = logging.getLogger(__name__)

SIDE_PX = 2560
QUALITY = 88
THUMBNAIL_PX = 240
GREY = 160


class Pictures:
    """Photos and overlays of inspections, as JPEG; the last ones are kept in memory.

    ``redacted`` pictures have their faces and plates pixelated.
    """

    def __init__(self, settings: Settings) -> None:
        self._bucket = Bucket(settings.require("bucket"), settings.overlay_base_url)
        self._reader = PhotoReader(settings)
        self._redactor = RedactorOnFirstUse(settings)
        self._cache = PictureCache()

    @property
    def can_redact(self) -> bool:
        """Whether DAMAGE_REDACT_BUNDLE is set."""
        return self._redactor.is_configured

    def is_redacted_for(self, person: Person) -> bool:
        """Whether ``person`` may only see pictures without faces and plates."""
        return self.can_redact and not person.is_inspector

    @property
    def redactor(self) -> Redactor | None:
        """Pixelates faces and plates; None without DAMAGE_REDACT_BUNDLE.

        Raises `RedactionUnavailable` if the bundle cannot be used.
        """
        return self._redactor.get() if self.can_redact else None

    @property
    def redaction_works(self) -> bool:
        """Whether redacted pictures can be given out; opens the bundle if it is not open."""
        try:
            self._redactor.get()
        except RedactionUnavailable as error:
            logger.error("%s: %s", error.code, error)
            return False
        return True

    def photo(self, inspection: Inspection, *, redacted: bool = False) -> bytes:
        """The examined photo, at most `SIDE_PX` pixels wide and high.

        Raises `OriginalUnavailable`, `RedactionUnavailable`, a `TemporaryError` or `StorageError`.
        """
        key = ("photo", inspection.photo.sha256 or "", redacted)
        return self._cache.get(key, lambda: self._read_photo(inspection, redacted))

    def overlay(self, inspection: Inspection, *, redacted: bool = False) -> bytes:
        """The overlay, for an inspection whose photo is gone; raises as `photo` does."""
        finding = inspection.finding
        if finding is None or not finding.overlay_url:
            why = missing_picture(inspection.verdict) if finding else "the photo was not examined"
            raise OriginalUnavailable(f"there is no overlay: {why}")
        address = finding.overlay_url
        if not redacted:
            return read_overlay(address, kept=self._bucket)
        return self._cache.get(
            ("overlay", address, True),
            lambda: self._encoded(read_overlay(address, kept=self._bucket), redacted=True),
        )

    def thumbnail(self, inspection: Inspection, *, redacted: bool = False) -> bytes:
        """The photo, or else its overlay, at most `THUMBNAIL_PX` pixels wide and high.

        Grey if both are gone.  Raises as `photo` does, except for `OriginalUnavailable`.
        """
        key = ("thumbnail", inspection.photo.sha256 or "", redacted)
        return self._cache.get(key, lambda: self._shrunk(inspection, redacted))

    def _shrunk(self, inspection: Inspection, redacted: bool) -> bytes:
        # From the redacted photo, because small faces are found less well.
        for picture in (self.photo, self.overlay):
            with suppress(OriginalUnavailable, PhotoRejected):
                data = picture(inspection, redacted=redacted)
                return _jpeg(decode(data, side=THUMBNAIL_PX, min_side=1).pixels)
        return _jpeg(np.full((THUMBNAIL_PX * 3 // 4, THUMBNAIL_PX, 3), GREY, np.uint8))

    def _read_photo(self, inspection: Inspection, redacted: bool) -> bytes:
        data = read_original(
            inspection.photo.sha256, inspection.photo_url, kept=self._bucket, photos=self._reader
        )
        return self._encoded(data, redacted=redacted)

    def _encoded(self, data: bytes, *, redacted: bool) -> bytes:
        try:
            pixels = decode(data, side=SIDE_PX, min_side=1).pixels
        except PhotoRejected as error:
            raise OriginalUnavailable(f"the photo cannot be shown: {error}") from None
        if redacted:
            pixels = self._redactor.get().redact(pixels)
        return _jpeg(pixels)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), QUALITY, "BGR"))
