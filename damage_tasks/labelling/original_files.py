"""The files of exported photos: the originals, named after their digests."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg

from damage_tasks.errors import OriginalUnavailable, PhotoRejected
from damage_tasks.photos import PhotoReader, decode
from damage_tasks.photos.originals import media_type, read_original
from damage_tasks.storage.s3 import Bucket

if TYPE_CHECKING:
    from damage_tasks.inspection import Inspection
    from damage_tasks.redaction.redactor import Redactor
    from damage_tasks.settings import Settings

PHOTOS = "photos"
# HEIC is converted, because training and labelling tools do not read it.
_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
_CONVERTED_SUFFIX, _CONVERTED_QUALITY = ".jpg", 95


class OriginalFiles:
    """Writes original photos to ``folder``/photos, named after their digests.

    With ``download``, a photo that was not kept is fetched from its URL again.  With ``redactor``,
    faces and plates are pixelated, and photos have no EXIF data.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        download: bool,
        redactor: Redactor | None = None,
    ) -> None:
        self._folder = folder
        self._bucket = Bucket(settings.require("bucket"), settings.overlay_base_url)
        self._reader = PhotoReader(settings)
        self._download = download
        self._redactor = redactor
        (folder / PHOTOS).mkdir()

    def write(self, inspection: Inspection) -> str:
        """Write the examined photo; returns its path in the folder.

        Raises `OriginalUnavailable`, a `TemporaryError` or `StorageError`.
        """
        data = read_original(
            inspection.photo.sha256,
            inspection.photo_url if self._download else None,
            kept=self._bucket,
            photos=self._reader,
        )
        suffix = _SUFFIXES.get(media_type(data))
        if suffix is None or self._redactor is not None:
            data, suffix = self._converted(data), _CONVERTED_SUFFIX
        file = f"{PHOTOS}/{inspection.photo.sha256}{suffix}"
        (self._folder / file).write_bytes(data)
        return file

    def _converted(self, data: bytes) -> bytes:
        try:
            pixels = decode(data, min_side=1).pixels
        except PhotoRejected as error:
            raise OriginalUnavailable(f"the original cannot be converted: {error}") from None
        if self._redactor is not None:
            pixels = self._redactor.redact(pixels)
        pixels = np.ascontiguousarray(pixels)
        return bytes(simplejpeg.encode_jpeg(pixels, _CONVERTED_QUALITY, "BGR"))


def group_of(inspection: Inspection) -> str:
    """A name for the car of an inspection that does not reveal it; empty if it is unknown."""
    car = inspection.metadata.get("car_id")
    return hashlib.sha256(f"car {car}".encode()).hexdigest()[:16] if car is not None else ""
