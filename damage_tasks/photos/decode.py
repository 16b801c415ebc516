"""From a photo's bytes to its pixels: header first, then only as much as is needed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from damage_tasks.errors import PhotoTooSmall, PhotoUnreadable, TooManyPixels
from damage_tasks.inspection import Quality
from damage_tasks.photos.formats import DECODER_ERRORS, open_photo
from damage_tasks.photos.quality import judge
from damage_tasks.resize import fitting, shrink

# A picture this much smaller than asked for is not worth decoding four times the pixels.
ENOUGH = 0.75
# EXIF orientation (TIFF 6.0 / EXIF 2.32, tag 0x0112) as cv2.flip and cv2.rotate.
_ORIENTATION_TAG = 0x0112
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
    ``width`` and ``height`` are those of the whole photo, upright.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    quality: Quality


def decode(
    data: bytes, *, side: int = 0, max_pixels: int = 64_000_000, min_side: int = 64
) -> Photo:
    """The picture in ``data``, a JPEG, PNG, WebP or HEIC file, judged by its bytes.

    Its longer side gets at most ``side`` pixels (0: full scale); a JPEG is decoded at a
    half, a quarter or an eighth where that leaves about as many.  Transparent
    parts become white, 16-bit values lose their lower byte, grey and CMYK become
    BGR; of an animation the first frame is taken.

    Raises `NotAPhoto`, `PhotoUnreadable`, `TooManyPixels` or `PhotoTooSmall`.
    """
    picture = open_photo(data)
    width, height = picture.size
    if width * height > max_pixels:
        raise TooManyPixels(f"photo is {width}x{height}; {max_pixels} pixels are allowed")
    if min(width, height) < min_side:
        raise PhotoTooSmall(f"photo is {width}x{height}; the shorter side needs {min_side}")
    orientation = _orientation(picture)
    try:
        pixels = _pixels(picture, _reduction(max(width, height), side))
    except DECODER_ERRORS as error:
        raise PhotoUnreadable(f"the photo is damaged or truncated: {error}") from None
    pixels = _upright(pixels, orientation)
    if side:
        pixels = shrink(pixels, fitting(pixels, side))
    if orientation >= 5:
        width, height = height, width
    return Photo(pixels, width, height, judge(pixels))


def _reduction(longer: int, side: int) -> int:
    fitting = (factor for factor in (8, 4, 2) if side and longer / factor >= side * ENOUGH)
    return next(fitting, 1)


def _orientation(picture: ImageFile) -> int:
    if picture.format == "HEIF":
        return 1  # its decoder has turned it already
    try:
        value = picture.getexif().get(_ORIENTATION_TAG, 1)
    except DECODER_ERRORS:
        # A damaged EXIF block does not make the photo unreadable.
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _pixels(opened: ImageFile, reduction: int) -> NDArray[np.uint8]:
    full = opened.size
    if opened.format == "JPEG" and reduction > 1:
        opened.draft(None, (full[0] // reduction, full[1] // reduction))
        reduction = 1
    expected = opened.size
    opened.load()
    if opened.size != expected:
        raise ValueError("the header announces another size than the picture has")
    picture: Image.Image = opened
    if picture.mode.startswith("I"):
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    if picture.mode != mode:
        picture = picture.convert(mode)
    if reduction > 1:
        picture = picture.reduce(reduction)
    if mode == "RGBA":
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    return cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR)


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    if orientation in _FLIPS:
        pixels = cv2.flip(pixels, _FLIPS[orientation])
    if orientation in _TURNS:
        pixels = cv2.rotate(pixels, _TURNS[orientation])
    return pixels
