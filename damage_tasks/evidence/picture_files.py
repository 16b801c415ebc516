"""The pictures of evidence: the overlay, and each damaged area cut out of the original.

Damaged areas are those that the networks found, and then those that a person marked.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import simplejpeg

from damage_tasks.damage import SMALLEST_RATIO, enlarged_view
from damage_tasks.decision import counting
from damage_tasks.errors import OriginalUnavailable, PhotoRejected
from damage_tasks.inspection import missing_picture
from damage_tasks.photos import PhotoReader, decode
from damage_tasks.photos.originals import read_original, read_overlay
from damage_tasks.reviewed_areas import Area, marked_areas
from damage_tasks.storage.s3 import Bucket

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from damage_tasks.inspection import Finding, Inspection
    from damage_tasks.redaction.redactor import Redactor
    from damage_tasks.settings import Settings

CROP_SIDE_PX = 512  # a larger crop is shrunk
# Nobody said how large the damage at a point is. With the margin, its crop is about a third of the
# photo's shorter side.
POINT_RATIO = 0.2
QUALITY = 90


class PictureFiles:
    """Reads overlays and originals, and cuts out the damaged areas.

    With ``redactor``, faces and plates are pixelated.
    """

    def __init__(self, settings: Settings, redactor: Redactor | None = None) -> None:
        self.is_redacted = redactor is not None
        self._redactor = redactor
        self._bucket = Bucket(settings.require("bucket"), settings.overlay_base_url)
        self._reader = PhotoReader(settings)

    def original(self, sha256: str | None, url: str | None) -> bytes:
        """The examined bytes; raises as `read_original` does."""
        return read_original(sha256, url, kept=self._bucket, photos=self._reader)

    def add(
        self, inspection: Inspection, prefix: str, pictures: dict[str, bytes]
    ) -> dict[str, Any]:
        """Add the pictures of ``inspection`` to ``pictures``; returns the facts about them.

        Their names begin with ``prefix``.  ``marked_crops`` are those of the areas that the person
        whose decisions count marked.  ``missing`` says why a picture is not available.
        Raises a `TemporaryError` or `StorageError`.
        """
        missing: list[str] = []
        damages = inspection.finding.damages if inspection.finding else ()
        marked = marked_areas(damages, counting(inspection.decisions))
        overlay: dict[str, Any] | None = None
        crops: list[dict[str, Any]] = []
        marked_crops: list[dict[str, Any]] = []
        try:
            overlay = _named(f"{prefix} overlay", self._overlay(inspection.finding), pictures)
        except OriginalUnavailable as error:
            missing.append(str(error))
        try:
            if damages or marked:
                pixels = self._pixels(inspection)
                for number, damage in enumerate(damages, 1):
                    name = f"{prefix} damage {number}"
                    crop = _named(name, _crop(pixels, damage.bbox), pictures)
                    crops.append({"damage": number, **crop})
                for each in marked:
                    name = f"{prefix} damage {each.number} marked by a person"
                    crop = _named(name, _marked_crop(pixels, each.area), pictures)
                    marked_crops.append({"area": each.number, **crop})
        except OriginalUnavailable as error:
            missing.append(str(error))
        return {
            "overlay": overlay,
            "crops": crops,
            "marked_crops": marked_crops,
            "missing": missing,
        }

    def _overlay(self, finding: Finding | None) -> bytes:
        if finding is None:
            raise OriginalUnavailable("the photo was not examined")
        if not finding.overlay_url:
            raise OriginalUnavailable(f"there is no overlay: {missing_picture(finding.verdict)}")
        data = read_overlay(finding.overlay_url, kept=self._bucket)
        return data if self._redactor is None else _jpeg(self._redacted(_decoded(data)))

    def _pixels(self, inspection: Inspection) -> NDArray[np.uint8]:
        data = self.original(inspection.photo.sha256, inspection.photo_url)
        return self._redacted(_decoded(data))

    def _redacted(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return pixels if self._redactor is None else self._redactor.redact(pixels)


def _named(name: str, data: bytes, pictures: dict[str, bytes]) -> dict[str, Any]:
    pictures[name] = data
    return {"picture": name, "sha256": hashlib.sha256(data).hexdigest()}


def _marked_crop(pixels: NDArray[np.uint8], area: Area) -> bytes:
    return _crop(pixels, area.bbox, POINT_RATIO if area.point else SMALLEST_RATIO)


def _crop(
    pixels: NDArray[np.uint8],
    bbox: tuple[int, int, int, int],
    smallest_ratio: float = SMALLEST_RATIO,
) -> bytes:
    """The surroundings of ``bbox`` in the photo ``pixels`` (H x W x 3, BGR), as JPEG."""
    height, width = pixels.shape[:2]
    left, top, side = enlarged_view(bbox, width, height, smallest_ratio)
    part = pixels[top : top + side, left : left + side]
    if side > CROP_SIDE_PX:
        part = cv2.resize(part, (CROP_SIDE_PX, CROP_SIDE_PX), interpolation=cv2.INTER_AREA)
    return _jpeg(part)


def _decoded(data: bytes) -> NDArray[np.uint8]:
    try:
        return decode(data, min_side=1).pixels
    except PhotoRejected as error:
        raise OriginalUnavailable(f"the picture cannot be decoded: {error}") from None


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), QUALITY, "BGR"))
