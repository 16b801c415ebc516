"""A photo's memory is estimated from its header, and a photo that needs too much is rejected."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from damage_tasks.errors import TooManyPixels
from damage_tasks.photos import decode
from damage_tasks.photos.decode import MEBIBYTE
from damage_tasks.photos.formats import open_photo
from tools.drawn_heic_files import heic_grid
from tools.drawn_photo_files import RED, encode, exif

pytestmark = [pytest.mark.xdist_group("peak-memory"), pytest.mark.slow]

SIZE = (1536, 1536)


def picture(mode: str = "RGB") -> Image.Image:
    return Image.linear_gradient("L").resize(SIZE).convert(mode)


def transparent() -> Image.Image:
    image = picture("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(SIZE))
    return image


def deep(channels: str) -> bytes:
    pixels = np.asarray(picture()).astype(np.uint16) * 257
    file = io.BytesIO()
    heif = pillow_heif.from_bytes(mode="RGB;16", size=SIZE, data=pixels.tobytes())
    heif.save(file, chroma=channels)
    return file.getvalue()


MAKES: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encode(picture(), "JPEG"),
    "turned JPEG": lambda: encode(picture(), "JPEG", exif=exif(6)),
    "progressive JPEG": lambda: encode(picture(), "JPEG", progressive=True, subsampling=0),
    "CMYK JPEG": lambda: encode(picture("CMYK"), "JPEG"),
    "PNG": lambda: encode(picture(), "PNG"),
    "transparent PNG": lambda: encode(transparent(), "PNG"),
    "16-bit PNG": lambda: encode(
        Image.fromarray(np.asarray(picture("L")).astype(np.uint16) * 257), "PNG"
    ),
    "WebP": lambda: encode(picture(), "WEBP", method=0),
    "lossless WebP": lambda: encode(picture(), "WEBP", lossless=True, method=0),
    "transparent WebP": lambda: encode(transparent(), "WEBP", method=0),
    "transparent lossless WebP": lambda: encode(transparent(), "WEBP", lossless=True, method=0),
    "HEIC": lambda: encode(picture(), "HEIF"),
    "transparent HEIC": lambda: encode(transparent(), "HEIF"),
    "grid HEIC": lambda: heic_grid(picture(), 512),
    "10-bit 4:2:0 HEIC": lambda: deep("420"),
    "10-bit 4:4:4 HEIC": lambda: deep("444"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name, make in MAKES.items():
        (folder / name).write_bytes(make())
    return folder


@pytest.mark.parametrize("side", [0, 400])
def test_decoding_takes_no_more_memory_than_the_header_says(folder: Path, side: int) -> None:
    taken = peaks(folder, side)
    assert taken.keys() == MAKES.keys()
    for name, megabytes in taken.items():
        data = (folder / name).read_bytes()
        photo = open_photo(data)
        reduction = 4 if side else 1
        width, height = photo.reduced(reduction)
        # A photo rotated by EXIF exists twice during the rotation.
        reckoned = max(photo.decoding_bytes(reduction), 6 * width * height) + 2 * len(data)
        assert megabytes <= reckoned / MEBIBYTE + 3, name


def peaks(folder: Path, side: int) -> dict[str, int]:
    """Megabytes needed to decode each photo, by name."""
    program = f"""
import gc, json, pathlib
from damage_tasks.photos import decode
from tools.drawn_photo_files import encode, scene

def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])

found = {{}}
paths = sorted(pathlib.Path({str(folder)!r}).iterdir())
for path in paths:
    decode(path.read_bytes(), side=64)
for path in paths:
    gc.collect()
    open("/proc/self/clear_refs", "w").write("5")
    before = peak()
    decode(path.read_bytes(), side={side})
    found[path.name] = (peak() - before) // 1024
print(json.dumps(found))
"""
    return json.loads(subprocess.check_output([sys.executable, "-c", program]))


def test_a_large_picture_in_a_tiny_file_is_refused_where_it_takes_too_much_memory() -> None:
    data = encode(Image.new("RGB", (8000, 8000), RED), "WEBP", lossless=True, method=0)
    assert len(data) < 100
    for side in (0, 1024):
        with pytest.raises(TooManyPixels, match="MiB of memory, but only 512 are allowed"):
            decode(data, side=side)


def test_a_photo_that_fits_at_reduced_scale_may_not_fit_at_its_own() -> None:
    data = encode(Image.new("L", (8000, 6000), 99), "JPEG")
    assert decode(data, side=1024).width == 8000
    with pytest.raises(TooManyPixels, match="takes 549 MiB of memory, but only 512 are allowed"):
        decode(data, side=0)
    with pytest.raises(TooManyPixels, match="MiB of memory, but only 1 are allowed"):
        decode(data, side=1024, max_memory=MEBIBYTE)


@pytest.mark.parametrize("size", [(9248, 6936), (12_000, 9000)], ids=["64 MP", "108 MP"])
def test_the_photos_of_phones_with_the_largest_sensors_are_examined(size: tuple[int, int]) -> None:
    photo = decode(encode(Image.new("L", size, 99), "JPEG"), side=1024)
    assert (photo.width, photo.height) == size
    assert 768 <= max(photo.pixels.shape) <= 1024 * 2
    assert (photo.pixels == 99).all()


def test_each_format_has_its_own_limit() -> None:
    large = Image.new("L", (8200, 8000), 99)
    decode(encode(large, "JPEG"), side=1024)
    with pytest.raises(TooManyPixels, match="8200x8000; at most 65000000 pixels are allowed"):
        decode(encode(large, "PNG"), side=1024)
    with pytest.raises(TooManyPixels, match="8200x8000; at most 9000000 pixels are allowed"):
        decode(encode(large, "JPEG"), side=1024, max_pixels=9_000_000)
