"""Photos for browsers: upright JPEGs without the original's EXIF data."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
import simplejpeg

from damage_tasks.errors import OriginalUnavailable, PhotoRejected
from damage_tasks.inspection import Inspection, missing_picture
from damage_tasks.photos import PhotoReader, decode
from damage_tasks.photos.originals import read_original
from damage_tasks.settings import Settings
from damage_tasks.storage.s3 import Bucket

SIDE_PX = 2560
QUALITY = 88
CACHED_BYTES = 128 * 1024 * 1024


class Pictures:
    """Photos and overlays of inspections, as JPEG; the last ones are kept in memory."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = Bucket(settings.require("bucket"), settings.overlay_base_url)
        self._reader = PhotoReader(settings)
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def photo(self, inspection: Inspection) -> bytes:
        """The examined photo, at most `SIDE_PX` pixels wide and high.

        Raises `OriginalUnavailable`, a `TemporaryError` or `StorageError`.
        """
        sha256 = inspection.photo.sha256 or ""
        with self._lock:
            if sha256 in self._cache:
                self._cache.move_to_end(sha256)
                return self._cache[sha256]
        data = read_original(
            inspection.photo.sha256, inspection.photo_url, kept=self._bucket, photos=self._reader
        )
        picture = _for_screens(data)
        with self._lock:
            self._cache[sha256] = picture
            while sum(map(len, self._cache.values())) > CACHED_BYTES:
                self._cache.popitem(last=False)
        return picture

    def overlay(self, inspection: Inspection) -> bytes:
        """The overlay, for an inspection whose photo is gone; raises as `photo` does."""
        finding = inspection.finding
        if finding is None or not inspection.photo.sha256 or not finding.overlay_url:
            why = missing_picture(inspection.verdict) if finding else "the photo was not examined"
            raise OriginalUnavailable(f"there is no overlay: {why}")
        _, _, key = finding.overlay_url.partition("/overlays/")
        try:
            return self._bucket.get(f"overlays/{key}")
        except PhotoRejected as error:
            raise OriginalUnavailable(f"the overlay cannot be read: {error}") from None


def _for_screens(data: bytes) -> bytes:
    try:
        pixels = decode(data, side=SIDE_PX, min_side=1).pixels
    except PhotoRejected as error:
        raise OriginalUnavailable(f"the photo cannot be shown: {error}") from None
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), QUALITY, "BGR"))
