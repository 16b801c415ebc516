"""A photo's file, checked and not yet decoded: the base of all formats."""

from __future__ import annotations

import struct
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

# What decoders raise on damaged bytes.  Not Exception: that would swallow a time limit,
# which Celery raises in the middle of whatever is running.
DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

# Every chunk or segment costs some microseconds, however short it is.
MAX_PARTS = 100_000

# Rows that are converted at once, so that there is no second copy of a large picture; a
# multiple of every reduction.
BAND = 64
# What such a band takes for each pixel of the photo's width.
BAND_BYTES = 32 * BAND

# EXIF 2.32: tag 0x0112.
_ORIENTATION_TAG = 0x0112
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "L"}


@dataclass(frozen=True)
class EncodedPhoto(ABC):
    """A photo whose header was read and whose file was found whole; nothing is decoded.

    ``width`` and ``height`` are those of the stored picture, and ``orientation`` (1 to 8)
    is how EXIF says that it must be turned.
    """

    max_pixels: ClassVar[int]

    data: bytes
    width: int
    height: int
    orientation: int

    @abstractmethod
    def decoding_bytes(self, reduction: int) -> int:
        """The most memory that `pixels` takes at once, its result included."""

    @abstractmethod
    def pixels(self, reduction: int) -> Pixels:
        """H x W x 3 uint8, BGR, ``reduction`` (1, 2, 4 or 8) times smaller than stored.

        Transparent parts are white.  Raises `PhotoUnreadable` or one of
        `DECODER_ERRORS` where the picture is not whole.
        """

    def reduced(self, reduction: int) -> tuple[int, int]:
        """The (width, height) of `pixels`; what is left over makes one more."""
        return -(-self.width // reduction), -(-self.height // reduction)


def orientation_of(exif: bytes | None) -> int:
    """The orientation (1 to 8) in an EXIF block; 1 where it is missing or makes no sense.

    Only EXIF counts, as in browsers: Pillow's `getexif` would read XMP too.
    """
    block = (exif or b"").removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "L", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", block, entry)
            if tag == _ORIENTATION_TAG and kind in _WHOLE_NUMBERS:
                (value,) = struct.unpack_from(order + _WHOLE_NUMBERS[kind], block, entry + 8)
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass  # a damaged EXIF block does not make the photo unreadable
    return 1


def on_white(picture: Pixels) -> Pixels:
    """A picture with transparency (H x W x 4 uint8, BGRA) on white ground (H x W x 3, BGR)."""
    pixels = np.empty((*picture.shape[:2], 3), np.uint8)
    for top in range(0, len(picture), BAND):
        band = picture[top : top + BAND].astype(np.uint16)
        colours, alpha = band[..., :3], band[..., 3:]
        pixels[top : top + BAND] = (colours * alpha + 255 * (255 - alpha) + 127) // 255
    return pixels
