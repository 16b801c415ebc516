"""Decodes a photo's bytes: reads the header first, then no more pixels than needed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.errors import PhotoTooSmall, PhotoUnreadable, TooManyPixels
from damage_tasks.inspection import Quality
from damage_tasks.photos.encoded_photo import DECODER_ERRORS, EncodedPhoto
from damage_tasks.photos.formats import open_photo
from damage_tasks.photos.quality import judge_quality
from damage_tasks.resize import fitting, shrink

# If halving leaves a picture this close to the requested size, decode it at half size.
SUFFICIENT_SIDE_RATIO = 0.75
MEBIBYTE = 1024 * 1024
# Bytes per decoded pixel: the pixel, its copy in a full-size overlay, and that overlay's
# JPEG, of which OpenCV makes three copies.
_LATER_BYTES = 12
# EXIF orientation (EXIF 2.32, tag 0x0112) as arguments of cv2.flip and cv2.rotate.
_FLIPS = {2: 1, 4: 0, 5: 1, 7: 1}
_TURNS = {
    3: cv2.ROTATE_180,
    5: cv2.ROTATE_90_COUNTERCLOCKWISE,
    6: cv2.ROTATE_90_CLOCKWISE,
    7: cv2.ROTATE_90_CLOCKWISE,
    8: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo.

    ``pixels`` is H x W x 3 uint8, BGR, upright, possibly at reduced scale;
    ``width`` and ``height`` are those of the full photo, upright, and ``camera`` is the make and
    model of its camera, if the photo names them.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    quality: Quality
    camera: str | None = None


def decode(
    data: bytes,
    *,
    side: int = 0,
    max_pixels: int | None = None,
    max_memory: int = 512 * MEBIBYTE,
    min_side: int = 64,
) -> Photo:
    """The picture in ``data``, a JPEG, PNG, WebP or HEIC file, identified by its content.

    Its longer side gets at most ``side`` pixels (0: full scale).  A JPEG is decoded at a
    half, a quarter or an eighth of its size if that leaves about as many.  Transparent
    parts become white, 16-bit values lose their lower byte, grey and CMYK become
    BGR; of an animation, the first frame is used.  As in browsers, only EXIF rotates a
    photo; a HEIC is rotated by its own boxes.

    ``max_pixels`` applies in addition to each format's own limit.  ``max_memory`` (bytes) limits
    what decoding and the later stages may allocate, as estimated from the header.

    Raises `NotAPhoto`, `PhotoUnsupported`, `PhotoUnreadable`, `TooManyPixels` or
    `PhotoTooSmall`.
    """
    encoded = open_photo(data)
    reduction = _reduction(max(encoded.width, encoded.height), side)
    _check_size(encoded, reduction, max_pixels, max_memory, min_side)
    try:
        pixels = encoded.pixels(reduction)
    except DECODER_ERRORS as error:
        raise PhotoUnreadable(f"the photo is damaged or truncated: {error}") from None
    width, height, exif = encoded.width, encoded.height, encoded.exif
    del encoded  # some formats keep their own copy of the pixels
    pixels = _upright(pixels, exif.orientation)
    if side:
        pixels = shrink(pixels, fitting(pixels, side))
    if exif.orientation >= 5:
        width, height = height, width
    return Photo(pixels, width, height, judge_quality(pixels), exif.camera)


def _check_size(
    photo: EncodedPhoto, reduction: int, max_pixels: int | None, max_memory: int, min_side: int
) -> None:
    size = f"photo is {photo.width}x{photo.height}"
    pixels = photo.width * photo.height
    allowed = min(photo.max_pixels, max_pixels or photo.max_pixels)
    if pixels > allowed:
        raise TooManyPixels(f"{size}; at most {allowed} pixels are allowed")
    if min(photo.width, photo.height) < min_side:
        raise PhotoTooSmall(f"{size}; the shorter side must have at least {min_side} pixels")
    width, height = photo.reduced(reduction)
    working = max(photo.decoding_bytes(reduction), _LATER_BYTES * width * height)
    memory = len(photo.data) + working
    if memory > max_memory:
        raise TooManyPixels(
            f"{size}; examining it takes {memory // MEBIBYTE} MiB of memory, "
            f"but only {max_memory // MEBIBYTE} are allowed"
        )


def _reduction(longer: int, side: int) -> int:
    fitting = (
        factor for factor in (8, 4, 2) if side and longer / factor >= side * SUFFICIENT_SIDE_RATIO
    )
    return next(fitting, 1)


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    if orientation in _FLIPS:
        pixels = cv2.flip(pixels, _FLIPS[orientation])
    if orientation in _TURNS:
        pixels = cv2.rotate(pixels, _TURNS[orientation])
    return pixels
