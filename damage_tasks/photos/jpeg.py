"""JPEG: strict about data that libjpeg would silently replace, lenient about everything else.

libjpeg fills in missing data with grey and carries on.  Its strict mode fails, but also
for much that harms no picture.  So it only receives what the picture consists of: no
metadata, no bytes between segments, and an end marker if that is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import simplejpeg

from damage_tasks.errors import PhotoUnreadable
from damage_tasks.photos.encoded_photo import MAX_FILE_PARTS, EncodedPhoto, Pixels
from damage_tasks.photos.exif import read_exif
from damage_tasks.photos.jpeg_frame import Component, Frame

# Progressive photos have about ten scans.  libjpeg processes the whole picture once per scan,
# so a file of one megabyte could keep it busy for minutes.
MAX_SCANS = 100
PADDING_ATTEMPTS = 2

# ITU-T T.81, B.1.1.2: in scan data 0xFF is followed by 0x00 or a restart marker (D0 to D7).
# Those and TEM (01) stand alone; all others except EOI have a length.
_MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd7])")
_START, _END = b"\xff\xd8", b"\xff\xd9"
_HUFFMAN_TABLES, _START_OF_SCAN, _END_OF_IMAGE, _COMMENT = 0xC4, 0xDA, 0xD9, 0xFE
_APPLICATION = range(0xE0, 0xF0)
_JFIF, _EXIF, _ADOBE = 0xE0, 0xE1, 0xEE
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PADDED = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
# 2,091 real photos have at most 7 zeros in a row.
_HOLE = bytes(16)
# Up to 1,000 correction bits of known coefficients follow each other, and they may all be zero.
_HOLE_IN_PROGRESSIVE = bytes(256)
# A scan may itself end in this many zeros.
_ZEROS_AT_AN_END = 8


@dataclass(frozen=True)
class JpegPhoto(EncodedPhoto):
    """A JPEG; ``data`` contains only the picture's own segments."""

    # Decoded at an eighth, 200 megapixels cost no more than 12 at full scale.
    max_pixels: ClassVar[int] = 250_000_000

    components: tuple[Component, ...]
    several_scans: bool

    def decoding_bytes(self, reduction: int) -> int:
        width, height = self.reduced(reduction)
        # CMYK channels are split, multiplied and merged again.
        each = 15 if len(self.components) == 4 else 3
        return each * width * height + self._coefficient_bytes()

    def _coefficient_bytes(self) -> int:
        """Memory of the coefficients: libjpeg keeps all of them if they come in several scans."""
        if not self.several_scans:
            return 0
        across = max(component.across for component in self.components)
        down = max(component.down for component in self.components)
        columns, rows = -(-self.width // (8 * across)), -(-self.height // (8 * down))
        # Blocks of 64 coefficients of two bytes.
        return sum(128 * c.across * columns * c.down * rows for c in self.components)

    def pixels(self, reduction: int) -> Pixels:
        data = self.data
        # libjpeg does not count bytes that it has read ahead, so some of them remain.
        for _ in range(PADDING_ATTEMPTS):
            try:
                return self._decoded(data, reduction)
            except ValueError as error:
                whole = _without_padding(data, str(error))
                if whole is None:
                    raise
                data = whole
        return self._decoded(data, reduction)

    def _decoded(self, data: bytes, reduction: int) -> Pixels:
        width, height = self.reduced(reduction)
        four = len(self.components) == 4
        pixels: Pixels = simplejpeg.decode_jpeg(
            data,
            colorspace="CMYK" if four else "BGR",
            min_height=height,
            min_width=width,
            min_factor=reduction,
        )
        if pixels.shape[:2] != (height, width):
            raise ValueError("the picture's size differs from the header's")
        if not four:
            return pixels
        # CMYK is stored inverted in practice: 255 means no ink.
        cyan, magenta, yellow, black = cv2.split(pixels)
        inks = (cv2.multiply(ink, black, scale=1 / 255) for ink in (yellow, magenta, cyan))
        return np.asarray(cv2.merge(list(inks)), np.uint8)


def open_jpeg(data: bytes) -> JpegPhoto:
    """The JPEG in ``data``, reduced to what belongs to its picture.

    Raises `PhotoUnreadable` if segments or scans are missing, and
    `PhotoUnsupported` for formats that browsers do not show either.
    """
    frame, application = Frame(), _ApplicationData()
    parts = [_START]
    for marker, start, body, end in _segments(data):
        content = data[body:end]
        application.read(marker, content)
        if marker in _APPLICATION or marker == _COMMENT:
            continue
        if marker in _FRAMES:
            frame.begin(marker, content)
        if marker == _HUFFMAN_TABLES:
            frame.read_tables(content)
        if marker == _START_OF_SCAN:
            header = _scan_header(frame, content)
            parts += [data[start:body], header, content[len(header) :]]
        else:
            parts.append(data[start:end])
    frame.check_complete()
    parts[1:1] = _colours(application.jfif is not None, application.adobe)
    parts.append(_END)
    return JpegPhoto(
        data=b"".join(parts),
        width=frame.width,
        height=frame.height,
        exif=read_exif(application.exif),
        components=tuple(frame.components),
        several_scans=frame.several_scans,
    )


@dataclass
class _ApplicationData:
    """The contents of the application segments that matter for colours, orientation and camera."""

    jfif: bytes | None = None
    exif: bytes | None = None
    adobe: bytes | None = None

    def read(self, marker: int, content: bytes) -> None:
        if marker == _JFIF and content.startswith(b"JFIF\0"):
            self.jfif = content
        elif marker == _EXIF and content.startswith(b"Exif\0\0"):
            self.exif = self.exif or content
        elif marker == _ADOBE and content.startswith(b"Adobe") and len(content) >= 12:
            self.adobe = content


def _scan_header(frame: Frame, content: bytes) -> bytes:
    """The header of the scan in ``content``; raises `PhotoUnreadable` if scan data is missing."""
    header = frame.scan(content)
    # libjpeg decides whether zeros at the end are missing data.
    hole = _HOLE if not frame.progressive else _HOLE_IN_PROGRESSIVE
    if hole in content.rstrip(b"\0") and not frame.zeros_are_usual(header):
        raise PhotoUnreadable("the photo is damaged: some of its data is missing")
    return header


def _segments(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Marker, position, content start and content end of each segment, as libjpeg finds them.

    A scan extends to the next marker.  A missing end marker is ignored: the scans
    themselves show whether they are complete.
    """
    scans = 0
    position = 2
    for _ in range(MAX_FILE_PARTS):
        found = _MARKER.search(data, position)
        if found is None or found[1][0] == _END_OF_IMAGE:
            return
        marker, body = found[1][0], found.end() + 2
        position = found.end() + int.from_bytes(data[found.end() : body], "big")
        if position < body or position > len(data):
            raise PhotoUnreadable("the photo is truncated")
        end = position
        if marker == _START_OF_SCAN:
            scans += 1
            if scans > MAX_SCANS:
                break
            following = _MARKER.search(data, position)
            end = following.start() if following else len(data)
        yield marker, found.start(), body, end
        position = end
    raise PhotoUnreadable(f"the photo has more than {MAX_SCANS} scans or {MAX_FILE_PARTS} segments")


def _colours(jfif: bool, adobe: bytes | None) -> list[bytes]:
    """The segments that define how colours are stored, without those that libjpeg rejects."""
    segments = []
    if jfif:
        segments.append(b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
    if adobe is not None and adobe[11] <= 2:
        segments.append(b"\xff\xee\x00\x0e" + adobe[:12])
    return segments


def _without_padding(data: bytes, complaint: str) -> bytes | None:
    """``data`` without the zeros that some cameras append to a complete picture, or None.

    ``complaint`` is libjpeg's warning, which says how many bytes it did not use.  A hole of
    zeros that reaches the end is longer: part of it was decoded as picture data.
    """
    found = _PADDED.search(complaint)
    if found is None:
        return None
    scan = data[: -len(_END)]
    end = len(scan) - int(found[1])
    if (
        scan[end:].strip(b"\0")
        or len(scan) - len(scan.rstrip(b"\0")) > int(found[1]) + _ZEROS_AT_AN_END
    ):
        return None
    return scan[:end] + _END
