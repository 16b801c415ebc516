"""Drawn photo files for tests, valid and damaged."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from typing import Any

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

pillow_heif.register_heif_opener()

WIDTH, HEIGHT = 320, 200
RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (230, 220, 40)
CORNERS = [RED, GREEN, BLUE, YELLOW]  # left to right, then top to bottom


def scene(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A picture with a different colour in each quarter, so that rotation is visible."""
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = slice(0, height // 2), slice(0, width // 2)
    bottom, right = slice(height // 2, None), slice(width // 2, None)
    for rows, columns, colour in zip(
        (top, top, bottom, bottom), (left, right, left, right), CORNERS, strict=True
    ):
        pixels[rows, columns] = colour
    return Image.fromarray(pixels)


def textured(width: int, height: int) -> Image.Image:
    """A picture with detail at every scale, like a photo."""
    random = np.random.default_rng(0)
    pixels = np.full((height, width, 3), 120.0, np.float32)
    for cell in (2, 4, 8, 16, 32, 64):
        size = (max(2, height // cell), max(2, width // cell), 3)
        layer = random.normal(0, 14, size).astype(np.float32)
        pixels += cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def encode(picture: Image.Image, format: str, **options: Any) -> bytes:
    """``picture`` as a file of Pillow's ``format``."""
    if format == "HEIF":
        options.setdefault("enc_params", {"preset": "ultrafast"})
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def exif(orientation: Any = 1, make: str | None = None, model: str | None = None) -> bytes:
    """An EXIF block with the given orientation, and make and model of the camera."""
    block = Image.Exif()
    block[0x0112] = orientation
    for tag, text in ((0x010F, make), (0x0110, model)):
        if text is not None:
            block[tag] = text
    return block.tobytes()


def corners(pixels: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """The RGB colours at the centres of the four quarters of a BGR picture."""
    height, width = pixels.shape[:2]
    places = [(y, x) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
    return [tuple(int(value) for value in pixels[place][::-1]) for place in places]


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *between: bytes, pixels: bytes = b"") -> bytes:
    """An RGB PNG with these chunks; ``pixels`` are packed rows, each after a filter byte."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    middle = b"".join(between) + chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + middle + chunk(b"IEND", b"")


def segment(marker: int, data: bytes) -> bytes:
    """One segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def after_start(jpeg: bytes, *segments: bytes) -> bytes:
    """``jpeg`` with ``segments`` inserted after its start marker."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def heic_of_size(width: int, height: int) -> bytes:
    """A small HEIC whose header claims ``width`` x ``height``."""
    data = bytearray(encode(scene(), "HEIF"))
    place = data.index(b"ispe") + 8
    data[place : place + 8] = struct.pack(">II", width, height)
    return bytes(data)


def webp_of_size(width: int, height: int) -> bytes:
    """A small WebP whose header claims ``width`` x ``height``, at most 16384 each."""
    data = bytearray(encode(Image.new("RGB", (64, 64), RED), "WEBP", lossless=True))
    place = data.index(b"VP8L") + 9
    flags = int.from_bytes(data[place : place + 4], "little") >> 28
    size = (width - 1) | (height - 1) << 14 | flags << 28
    data[place : place + 4] = size.to_bytes(4, "little")
    return bytes(data)


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small JPEG whose header claims ``width`` x ``height``."""
    data = bytearray(encode(scene(), "JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def scan_bomb(scans: int) -> bytes:
    """A progressive JPEG with ``scans`` additional scans of a few bytes each."""
    data = encode(Image.new("RGB", (2000, 2000), RED), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + data[-2:]


def peak_memory(statement: str) -> int:
    """Peak memory in megabytes of ``statement`` in a new process, beyond what imports need."""
    program = f"""
import gc
from damage_tasks.errors import PhotoRejected
from damage_tasks.photos import decode
from tools import drawn_photo_files

def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])

decode(drawn_photo_files.encode(drawn_photo_files.scene(64, 64), "JPEG"))
gc.collect()
open("/proc/self/clear_refs", "w").write("5")
before = peak()
{statement}
print((peak() - before) // 1024)
"""
    return int(subprocess.check_output([sys.executable, "-c", program]))
