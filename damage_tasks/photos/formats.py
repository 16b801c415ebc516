"""Which kind of photo some bytes are, and whether the file is whole; no pixel is decoded here."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib

import pillow_heif
from PIL.Image import DecompressionBombError
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from damage_tasks.errors import NotAPhoto, PhotoUnreadable, TooManyPixels

# Damaged metadata is no concern of ours.
warnings.filterwarnings("ignore", module=r"PIL\.")
# A process has one core, and only the photo itself is of use.
pillow_heif.options.DECODE_THREADS = 1
pillow_heif.options.THUMBNAILS = False
pillow_heif.options.DEPTH_IMAGES = False
pillow_heif.options.AUX_IMAGES = False

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

# Progressive photos have about ten scans.  libjpeg walks over the whole picture once for each,
# so that a file of a megabyte could keep it busy for minutes.
MAX_SCANS = 100
# Every chunk or segment costs the decoder some microseconds, however short it is.
MAX_PARTS = 100_000

_HEVC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
# ITU-T T.81, B.1.1.2: in scan data 0xFF is followed by 0x00 or a restart marker (D0 to D7).
# Those and TEM (01) stand alone, all others but EOI have a length.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd7])")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


def open_photo(data: bytes) -> ImageFile:
    """The photo in ``data`` with its header read, judged by its bytes only.

    Raises `NotAPhoto`, `PhotoUnreadable` when it is truncated or its header is
    damaged, or `TooManyPixels` when it is beyond what its decoder takes.
    """
    kind: type[ImageFile]
    if data.startswith(b"\xff\xd8\xff"):
        kind = JpegImageFile
        _check_jpeg(data)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        kind = PngImageFile
        _check_png(data)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        kind = WebPImageFile
    elif not _HEVC_BRANDS.isdisjoint(_brands(data)):
        kind = pillow_heif.HeifImageFile
    else:
        raise NotAPhoto("the bytes are no JPEG, PNG, WebP or HEIC photo")
    try:
        return kind(io.BytesIO(data))
    except DecompressionBombError as error:
        raise TooManyPixels(str(error)) from None
    except DECODER_ERRORS as error:
        raise PhotoUnreadable(f"the photo's header is damaged: {error}") from None


def _check_jpeg(data: bytes) -> None:
    """Walks over the segments as libjpeg does; it would fill a missing end with grey."""
    position = 2
    scans = 0
    for _ in range(MAX_PARTS):
        found = _JPEG_MARKER.search(data, position)
        if found is None:
            raise PhotoUnreadable("the photo is truncated")
        marker, position = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            return
        if marker == _START_OF_SCAN:
            scans += 1
            if scans > MAX_SCANS:
                break
        position += int.from_bytes(data[position : position + 2], "big")
    raise PhotoUnreadable(f"the photo has more than {MAX_SCANS} scans or {MAX_PARTS} segments")


def _check_png(data: bytes) -> None:
    """Walks over the chunks; Pillow would not miss the last one."""
    position = 8
    for _ in range(MAX_PARTS):
        size, kind = data[position : position + 4], data[position + 4 : position + 8]
        position += 12 + int.from_bytes(size, "big")
        if position > len(data):
            raise PhotoUnreadable("the photo is truncated")
        if kind == b"IEND":
            return
    raise PhotoUnreadable(f"the photo has more than {MAX_PARTS} chunks")


def _brands(data: bytes) -> set[bytes]:
    # ISO/IEC 14496-12, 4.3: size, "ftyp", major brand, version, compatible brands.
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    return {data[8:12], *(data[start : start + 4] for start in range(16, end, 4))}
