"""A photo's file, checked but not decoded: the base class of all formats."""

from __future__ import annotations

import struct
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from damage_tasks.photos.exif import ExifFacts

Pixels = NDArray[np.uint8]

# Errors that decoders raise for damaged data.  Not Exception, which would swallow the time
# limit that Celery raises in the middle of whatever is running.
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
MAX_FILE_PARTS = 100_000

# Rows converted at a time, so that a large picture is never held twice; a multiple of
# every reduction.
BAND_ROWS = 64
# Bytes that such a band takes per pixel of the photo's width.
BAND_BYTES = 32 * BAND_ROWS


@dataclass(frozen=True)
class EncodedPhoto(ABC):
    """A photo whose header was read and whose file is complete; nothing is decoded yet.

    ``width`` and ``height`` are those of the stored picture. The orientation in ``exif`` is 1 if
    the decoder turns the picture.
    """

    max_pixels: ClassVar[int]

    data: bytes
    width: int
    height: int
    exif: ExifFacts

    @abstractmethod
    def decoding_bytes(self, reduction: int) -> int:
        """Peak memory of `pixels` in bytes, including its result."""

    @abstractmethod
    def pixels(self, reduction: int) -> Pixels:
        """H x W x 3 uint8, BGR, ``reduction`` (1, 2, 4 or 8) times smaller than stored.

        Transparent parts are white.  Raises `PhotoUnreadable` or one of
        `DECODER_ERRORS` if the picture is incomplete.
        """

    def reduced(self, reduction: int) -> tuple[int, int]:
        """The (width, height) of `pixels`, rounded up."""
        return -(-self.width // reduction), -(-self.height // reduction)


def on_white(picture: Pixels) -> Pixels:
    """A transparent picture (H x W x 4 uint8, BGRA) on a white background (H x W x 3, BGR)."""
    pixels = np.empty((*picture.shape[:2], 3), np.uint8)
    for top in range(0, len(picture), BAND_ROWS):
        band = picture[top : top + BAND_ROWS].astype(np.uint16)
        colours, alpha = band[..., :3], band[..., 3:]
        pixels[top : top + BAND_ROWS] = (colours * alpha + 255 * (255 - alpha) + 127) // 255
    return pixels
