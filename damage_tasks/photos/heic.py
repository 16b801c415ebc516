"""HEIC: decoded by libheif, which hides missing data and reports no errors to Python.

Therefore the file's own structure is checked: each item's data must lie inside the file, its
NAL units must be contiguous, and none may contain bytes that HEVC never writes (ITU-T H.265,
7.4.2: 00 00 00, 00 00 01 and 00 00 02), which a hole of zeros consists of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import cv2
import numpy as np
import pillow_heif

from damage_tasks.errors import PhotoUnreadable
from damage_tasks.photos.encoded_photo import (
    BAND_BYTES,
    MAX_FILE_PARTS,
    EncodedPhoto,
    Pixels,
    on_white,
)
from damage_tasks.photos.exif import read_exif
from damage_tasks.photos.heif_items import Extent, read_items
from damage_tasks.resize import reduce

# A process has one core, and only the photo itself is needed.
pillow_heif.options.DECODE_THREADS = 1
pillow_heif.options.THUMBNAILS = False
pillow_heif.options.DEPTH_IMAGES = False
pillow_heif.options.AUX_IMAGES = False

_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_NEVER_WRITTEN = (b"\0\0\0", b"\0\0\1", b"\0\0\2")
# Some encoders pad the last word of a NAL unit.
_FILLING = 3


@dataclass(frozen=True)
class HeicPhoto(EncodedPhoto):
    """A HEIC; its decoder has already rotated it."""

    max_pixels: ClassVar[int] = 65_000_000

    image: pillow_heif.HeifImage
    bit_depth: int

    def decoding_bytes(self, reduction: int) -> int:
        width, height = self.reduced(reduction)
        transparent = self.image.mode.endswith("A")
        each = 8 + 4 * transparent + 8 * (self.bit_depth > 8)
        working = each * self.width * self.height + BAND_BYTES * self.width
        return working + 3 * width * height

    def pixels(self, reduction: int) -> Pixels:
        pixels = np.asarray(self.image)
        if pixels.shape[1::-1] != (self.width, self.height):
            raise ValueError("the picture's size differs from the header's")
        if pixels.ndim == 2:
            pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
        elif pixels.shape[2] == 4:
            pixels = on_white(pixels)
        return reduce(np.asarray(pixels, np.uint8), reduction)


def is_heic(data: bytes) -> bool:
    """Whether the file declares that it contains HEVC pictures."""
    # ISO/IEC 14496-12, 4.3: size, "ftyp", major brand, version, compatible brands.
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    brands = {data[8:12], *(data[start : start + 4] for start in range(16, end, 4))}
    return not _BRANDS.isdisjoint(brands)


def open_heic(data: bytes) -> HeicPhoto:
    """The primary picture of the HEIC in ``data``; raises `PhotoUnreadable`."""
    _check(data)
    file = pillow_heif.HeifFile(data, bgr_mode=True)
    image = file[file.primary_index]
    width, height = image.size
    exif = image.info.get("exif")
    return HeicPhoto(
        data=data,
        width=width,
        height=height,
        exif=replace(read_exif(exif if isinstance(exif, bytes) else None), orientation=1),
        image=image,
        bit_depth=int(str(image.info["bit_depth"])),
    )


def _check(data: bytes) -> None:
    items = read_items(data)
    if items is None:
        return  # libheif will report the error, or supports what this reader does not
    for extent in items.extents:
        if extent.end > len(data):
            raise PhotoUnreadable("the photo is truncated")
    units = 0
    for extents in items.pictures:
        units += _check_units(data, extents, items.length_bytes)
        if units > MAX_FILE_PARTS:
            raise PhotoUnreadable(f"the photo has more than {MAX_FILE_PARTS} NAL units")


def _check_units(data: bytes, extents: Iterable[Extent], length_bytes: int) -> int:
    coded = b"".join(data[extent.start : extent.end] for extent in extents)
    position = units = 0
    while position < len(coded):
        start = position + length_bytes
        position = start + int.from_bytes(coded[position:start], "big")
        if position > len(coded) or position < start + 2:
            raise PhotoUnreadable("the photo is damaged: its NAL units do not match its size")
        end = position
        while coded[end - 1] == 0 and position - end < _FILLING:
            end -= 1
        for pattern in _NEVER_WRITTEN:
            if coded.find(pattern, start, end) >= 0:
                raise PhotoUnreadable("the photo is damaged: some of its data is missing")
        units += 1
        if units > MAX_FILE_PARTS:
            break
    return units
