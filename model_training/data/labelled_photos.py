"""Labelled photos for training and evaluation, independent of the format they were read from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from damage_tasks.errors import DamageTaskError

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]

Kind = Literal["typed", "untyped", "negative", "drawn", "scenery"]
KINDS: tuple[Kind, ...] = get_args(Kind)

DamageType = Literal["scratch", "dent", "spacing", "breakage"]
# Class ids of mask files; 0 means undamaged.
SCRATCH, DENT, SPACING, BREAKAGE, UNTYPED = 1, 2, 3, 4, 5
CLASS_IDS = {"scratch": SCRATCH, "dent": DENT, "spacing": SPACING, "breakage": BREAKAGE}
EXIF_ORIENTATION_TAG = 0x0112


class PhotosError(DamageTaskError):
    """Raised when a folder of labelled photos cannot be read; the message names the file."""

    code = "photos_invalid"
    default_text = "the labelled photos cannot be used"


@dataclass(frozen=True, slots=True)
class Region:
    """One outlined damaged area: class id and corners (x, y) in the photo's pixels."""

    class_id: int
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo on disk with its damage, as a mask file or as outlines.

    ``kind``: "typed" (all damage has its type), "untyped" (outlines whose type
    was not recorded), "negative" (a clean car), "drawn" (a drawn car with all its
    damage, or none) or "scenery" (no vehicle at all).  ``weight``: how often
    training uses it, relative to other photos.  ``broken_parts``: whether
    broken and missing parts are outlined separately; if they are not, the
    source counts torn bumpers as dents.  ``source``: the data set it came from, and
    ``domain`` what kind of photo it is ("phone", "stock" ...); figures are
    split by both.  ``group``: photos of one claim or car, which must not be on both
    sides of a split.
    """

    id: str
    path: Path
    kind: Kind
    split: str = "train"
    mask_path: Path | None = None
    regions: tuple[Region, ...] = field(default=())
    weight: float = 1.0
    broken_parts: bool = False
    source: str = ""
    domain: str = ""
    group: str = ""

    @property
    def damaged(self) -> bool:
        return self.kind in ("typed", "untyped")

    @property
    def judged(self) -> bool:
        """Whether it counts in evaluations: a real photo of a vehicle, damaged or clean."""
        return self.damaged or self.kind == "negative"

    def read(self, longest: int | None = None) -> tuple[Photo, Mask]:
        """The photo (H x W x 3 uint8, BGR) and its class ids (H x W uint8).

        With ``longest``, the longer side is scaled down to at most that many pixels.
        Raises `PhotosError` if either cannot be decoded or their sizes differ.
        """
        photo = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if photo is None:
            raise PhotosError(f"{self.path}: cannot be decoded as a photo")
        mask = self._mask(photo.shape[:2])
        scale = longest / max(photo.shape[:2]) if longest else 1.0
        if scale < 1:
            size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
            photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
            mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(photo, np.uint8), np.asarray(mask, np.uint8)

    def _mask(self, shape: tuple[int, int]) -> Mask:
        if self.mask_path is not None:
            mask = cv2.imread(str(self.mask_path), cv2.IMREAD_GRAYSCALE)
            if mask is None or mask.shape != shape:
                raise PhotosError(f"{self.mask_path}: not a mask of the photo's size")
            return np.asarray(mask, np.uint8)
        mask = np.zeros(shape, np.uint8)
        # Large regions first, so that a scratch inside a dent stays visible.
        for region in sorted(self.regions, key=_area, reverse=True):
            corners = np.round(np.array(region.corners)).astype(np.int32)
            cv2.fillPoly(mask, [corners], int(region.class_id))
        return mask


def photo_size(path: Path) -> tuple[int, int]:
    """(width, height) of a photo in px, rotated as its EXIF says; only its header is read.

    Raises `PhotosError`.
    """
    try:
        with Image.open(path) as photo:
            turned = photo.getexif().get(EXIF_ORIENTATION_TAG, 1) >= 5
            return (photo.height, photo.width) if turned else (photo.width, photo.height)
    except (OSError, ValueError) as error:
        raise PhotosError(f"{path}: cannot be read as a photo: {error}") from None


VAL_SHARE = 0.1


def split_by_id(photo_id: str, val_share: float = VAL_SHARE) -> str:
    """Assign ``val_share`` of all ids to "val", the rest to "train"; equal on all machines."""
    number = int(hashlib.sha256(photo_id.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return "val" if number < val_share else "train"


def of_split(photos: Sequence[LabelledPhoto], split: str) -> list[LabelledPhoto]:
    """The photos of ``split`` ("train" or "val")."""
    return [photo for photo in photos if photo.split == split]


def _area(region: Region) -> float:
    return float(abs(cv2.contourArea(np.array(region.corners, np.float32))))
