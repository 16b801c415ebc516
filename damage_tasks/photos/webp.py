"""WebP: the first picture of a file, decoded twice to verify that none of its data is missing.

libwebp notices when it needs more data than there is, but not when it needs less.  Data
lost or changed in the middle makes it need more or less, and hardly ever the same amount.
So the picture is also decoded without its last bytes, which must fail if it is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from damage_tasks.errors import PhotoUnreadable
from damage_tasks.photos.encoded_photo import (
    BAND_BYTES,
    MAX_FILE_PARTS,
    EncodedPhoto,
    Pixels,
    on_white,
)
from damage_tasks.photos.exif import read_exif
from damage_tasks.resize import reduce

# Bytes.  Encoders write one or two more than needed.
_LAST = 8
_LOSSY, _LOSSLESS, _ALPHA = b"VP8 ", b"VP8L", b"ALPH"
_EXTENDED, _FRAME, _EXIF = b"VP8X", b"ANMF", b"EXIF"
_FRAME_HEADER = 16
_HAS_ALPHA = 0x10


@dataclass(frozen=True)
class WebpPhoto(EncodedPhoto):
    """A WebP; ``data`` is the bitstream of its first picture.

    That picture has ``size`` (width, height) and, in an animation, its ``corner``
    (x, y) in the photo.
    """

    max_pixels: ClassVar[int] = 65_000_000

    kind: bytes
    alpha: bytes | None
    size: tuple[int, int]
    corner: tuple[int, int]

    @property
    def transparent(self) -> bool:
        """Whether any part of the photo may be transparent."""
        if self.kind == _LOSSLESS:
            return bool(self.data[4] & _HAS_ALPHA)
        return self.alpha is not None

    def decoding_bytes(self, reduction: int) -> int:
        # OpenCV temporarily holds two copies; libwebp holds another of a lossless picture.
        each = 12 if self.kind == _LOSSLESS else 6
        if self.transparent:
            each = 14
        width, height = self.reduced(reduction)
        on_canvas = 3 if self.size != (self.width, self.height) else 0
        working = (each + on_canvas) * self.width * self.height + BAND_BYTES * self.width
        return working + 3 * width * height

    def pixels(self, reduction: int) -> Pixels:
        if self._decoded(self.data[:-_LAST]) is not None:
            raise PhotoUnreadable("the photo is damaged: it has surplus data")
        pixels = self._decoded(self.data)
        if pixels is None:
            raise PhotoUnreadable("the photo is damaged or truncated")
        if pixels.shape[1::-1] != self.size:
            raise ValueError("the picture's size differs from the header's")
        if pixels.shape[2] == 4:
            pixels = on_white(pixels)
        if self.size != (self.width, self.height):
            picture = pixels
            pixels = np.full((self.height, self.width, 3), 255, np.uint8)
            (x, y), (width, height) = self.corner, self.size
            pixels[y : y + height, x : x + width] = picture
        return reduce(pixels, reduction)

    def _decoded(self, bitstream: bytes) -> Pixels | None:
        chunks = _chunk(self.kind, bitstream)
        if self.alpha is not None:
            width, height = ((side - 1).to_bytes(3, "little") for side in self.size)
            extended = bytes((_HAS_ALPHA, 0, 0, 0)) + width + height
            chunks = _chunk(_EXTENDED, extended) + _chunk(_ALPHA, self.alpha) + chunks
        file = _chunk(b"RIFF", b"WEBP" + chunks)
        how = cv2.IMREAD_UNCHANGED if self.transparent else cv2.IMREAD_COLOR
        pixels = cv2.imdecode(np.frombuffer(file, np.uint8), how)
        return None if pixels is None else np.asarray(pixels, np.uint8)


def open_webp(data: bytes) -> WebpPhoto:
    """The first picture of the WebP in ``data``.

    Raises `PhotoUnreadable` if the file is shorter than it declares.
    """
    end = 8 + _number(data[4:8])
    # The last chunk's padding is sometimes missing.
    if end > len(data) + 1:
        raise PhotoUnreadable("the photo is truncated")
    chunks: dict[bytes, bytes] = {}
    for name, content in _chunks(data, 12, min(end, len(data))):
        chunks.setdefault(name, content)
    canvas = _size(chunks[_EXTENDED][4:]) if _EXTENDED in chunks else None
    exif = chunks.get(_EXIF)
    corner = (0, 0)
    if (frame := chunks.get(_FRAME)) is not None:
        corner = 2 * _number(frame[:3]), 2 * _number(frame[3:6])
        chunks = dict(_chunks(frame, _FRAME_HEADER, len(frame)))
    if _LOSSY in chunks:
        kind, size = _LOSSY, _size_of_lossy(chunks[_LOSSY])
    elif _LOSSLESS in chunks:
        kind, size = _LOSSLESS, _size_of_lossless(chunks[_LOSSLESS])
    else:
        raise PhotoUnreadable("the photo is truncated")
    width, height = canvas or size
    if corner[0] + size[0] > width or corner[1] + size[1] > height:
        raise PhotoUnreadable("the photo's header is damaged")
    return WebpPhoto(
        data=chunks[kind],
        width=width,
        height=height,
        exif=read_exif(exif),
        kind=kind,
        alpha=chunks.get(_ALPHA) if kind == _LOSSY else None,
        size=size,
        corner=corner,
    )


def _chunks(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    for _ in range(MAX_FILE_PARTS):
        if start + 8 > end:
            return
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        if start + 8 + size > end:
            raise PhotoUnreadable("the photo is truncated")
        yield data[start : start + 4], data[start + 8 : start + 8 + size]
        start += 8 + size + size % 2
    raise PhotoUnreadable(f"the photo has more than {MAX_FILE_PARTS} chunks")


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _size(data: bytes) -> tuple[int, int]:
    return 1 + _number(data[:3]), 1 + _number(data[3:6])


def _size_of_lossy(bitstream: bytes) -> tuple[int, int]:
    # RFC 6386, 9.1: a frame tag of three bytes, the start code, then two 14-bit numbers.
    if bitstream[3:6] != b"\x9d\x01\x2a" or len(bitstream) < 10:
        raise PhotoUnreadable("the photo's header is damaged")
    return _number(bitstream[6:8]) & 0x3FFF, _number(bitstream[8:10]) & 0x3FFF


def _size_of_lossless(bitstream: bytes) -> tuple[int, int]:
    # RFC 9649, 3.4: a signature, then two 14-bit numbers, each one less than the size.
    if bitstream[:1] != b"\x2f" or len(bitstream) < 5:
        raise PhotoUnreadable("the photo's header is damaged")
    bits = _number(bitstream[1:5])
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
