"""PNG: only the chunks needed for the picture, with checksums verified as browsers do."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from damage_tasks.errors import PhotoUnreadable
from damage_tasks.photos.encoded_photo import (
    BAND_BYTES,
    BAND_ROWS,
    MAX_FILE_PARTS,
    EncodedPhoto,
    Pixels,
    on_white,
)
from damage_tasks.photos.exif import read_exif
from damage_tasks.resize import reduce

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
_END = b"\0\0\0\0IEND\xaeB`\x82"


@dataclass(frozen=True)
class PngPhoto(EncodedPhoto):
    """A PNG; ``data`` contains only the picture's own chunks."""

    max_pixels: ClassVar[int] = 65_000_000

    def decoding_bytes(self, reduction: int) -> int:
        width, height = self.reduced(reduction)
        return 4 * self.width * self.height + 3 * width * height + BAND_BYTES * self.width

    def pixels(self, reduction: int) -> Pixels:
        picture = PngImageFile(io.BytesIO(self.data))
        picture.load()
        width, height = self.reduced(reduction)
        pixels: Pixels = np.empty((height, width, 3), np.uint8)
        for top in range(0, self.height, BAND_ROWS):
            # In bands, so that a large picture is never held twice.
            band = picture.crop((0, top, self.width, min(top + BAND_ROWS, self.height)))
            rows = reduce(_bgr(band), reduction)
            pixels[top // reduction :][: len(rows)] = rows
        return pixels


def open_png(data: bytes) -> PngPhoto:
    """The PNG in ``data`` without text, profiles and animation.

    Raises `PhotoUnreadable` if a chunk of the picture is missing or fails its checksum.
    """
    parts = [_SIGNATURE]
    kinds = set()
    exif = None
    for kind, content, chunk in _chunks(data):
        if kind in (*_PICTURE, b"eXIf"):
            if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
                if kind[:1].islower():
                    continue  # browsers ignore an ancillary chunk with a wrong checksum
                raise PhotoUnreadable(f"the photo is damaged: wrong checksum of {kind.decode()}")
            if kind == b"eXIf":
                exif = bytes(content)
                continue
            parts.append(bytes(chunk))
            kinds.add(kind)
        elif not kind[:1].islower():
            raise PhotoUnreadable("the photo has an unknown critical chunk")
    if kinds.isdisjoint({b"IDAT"}) or not data[8:].startswith(b"\0\0\0\rIHDR"):
        raise PhotoUnreadable("the photo's header is damaged")
    return PngPhoto(
        data=b"".join((*parts, _END)),
        width=int.from_bytes(data[16:20], "big"),
        height=int.from_bytes(data[20:24], "big"),
        exif=read_exif(exif),
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """Kind, content and full bytes of each chunk; a missing end is not detected here."""
    view = memoryview(data)
    position = len(_SIGNATURE)
    for _ in range(MAX_FILE_PARTS):
        kind = data[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data):
            return
        if kind == b"IEND":
            return
        yield kind, view[position + 8 : end - 4], view[position:end]
        position = end
    raise PhotoUnreadable(f"the photo has more than {MAX_FILE_PARTS} chunks")


def _bgr(band: Image.Image) -> Pixels:
    if band.mode.startswith("I"):
        band = Image.fromarray((np.asarray(band) >> 8).astype(np.uint8))
    if band.has_transparency_data:
        rgba = np.asarray(band.convert("RGBA"))
        return on_white(np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA), np.uint8))
    return np.asarray(cv2.cvtColor(np.asarray(band.convert("RGB")), cv2.COLOR_RGB2BGR), np.uint8)
