"""Photos that lost data in transit are unreadable, even if decoders would conceal it."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from damage_tasks.errors import PhotoUnreadable
from damage_tasks.photos import decode
from tools.drawn_heic_files import heic_grid
from tools.drawn_photo_files import encode, textured

END_OF_IMAGE = b"\xff\xd9"
JPEGS: dict[str, dict[str, Any]] = {
    "baseline": {"subsampling": 0},
    "4:2:0": {"subsampling": 2},
    "optimised": {"optimize": True, "quality": 92},
    "restart markers": {"restart_marker_rows": 1},
    "progressive": {"progressive": True},
    "grey": {},
}


@cache
def photo(name: str) -> tuple[bytes, int]:
    """A complete photo, and the offset of its pixel data."""
    picture = textured(512, 384)
    if name in JPEGS:
        data = encode(picture.convert("L" if name == "grey" else "RGB"), "JPEG", **JPEGS[name])
        return data, data.index(b"\xff\xda") + 14
    if name == "HEIC grid":
        data = heic_grid(picture, 128)
    elif name == "HEIC":
        data = encode(picture, "HEIF", quality=80)
    elif name == "PNG":
        data = encode(picture, "PNG")
        return data, data.index(b"IDAT") + 4
    else:
        data = encode(picture, "WEBP", quality=80, lossless=name == "lossless WebP")
        return data, 40
    return data, data.index(b"mdat") + 64


def hole(data: bytes, start: int, end: int) -> bytes:
    return data[:start] + bytes(end - start) + data[end:]


def missing(data: bytes, start: int, end: int) -> bytes:
    return data[:start] + data[end:]


PHOTOS = [*JPEGS, "PNG", "WebP", "lossless WebP", "HEIC", "HEIC grid"]


@pytest.mark.slow
@pytest.mark.parametrize("lose", [hole, missing])
@pytest.mark.parametrize("name", PHOTOS)
def test_a_photo_with_a_part_lost_is_unreadable(
    name: str, lose: Callable[[bytes, int, int], bytes]
) -> None:
    data, first = photo(name)
    decode(data)
    seeded = random.Random(name)
    for share in (0.1, 0.3, 0.65):
        size = int((len(data) - first) * share)
        for _ in range(4):
            start = seeded.randrange(first, len(data) - size - 2)
            with pytest.raises(PhotoUnreadable):
                decode(lose(data, start, start + size), side=seeded.choice((0, 128)))


@pytest.mark.parametrize("share", [0.02, 0.25, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", JPEGS)
def test_an_end_marker_does_not_make_a_truncated_jpeg_whole(name: str, share: float) -> None:
    data, first = photo(name)
    cut = first + int((len(data) - first) * share)
    with pytest.raises(PhotoUnreadable):
        decode(data[:cut] + END_OF_IMAGE)


@pytest.mark.parametrize("size", [16, 64, 512])
@pytest.mark.parametrize("name", ["baseline", "4:2:0", "restart markers", "grey"])
def test_a_small_hole_of_zeros_is_found_where_tables_know_none(name: str, size: int) -> None:
    data, first = photo(name)
    for start in range(first, len(data) - size - 2, len(data) // 9):
        with pytest.raises(PhotoUnreadable):
            decode(hole(data, start, start + size))


def test_a_hole_of_zeros_in_the_last_scan_of_a_progressive_jpeg_is_found() -> None:
    # 1024 x 768: the last scan adds the lowest bits of the luminance and has most of the data.
    data = encode(textured(1024, 768), "JPEG", progressive=True, quality=85)
    decode(data)
    scan = data.rindex(b"\xff\xda") + 10
    for share in (0.1, 0.3, 0.5, 0.7):
        start = scan + int((len(data) - scan) * share)
        with pytest.raises(PhotoUnreadable):
            decode(hole(data, start, start + 1460))


def test_a_progressive_jpeg_needs_every_scan() -> None:
    data, _ = photo("progressive")
    scans = [place for place in range(len(data)) if data.startswith(b"\xff\xda", place)]
    assert len(scans) > 5
    for place in scans[1:]:
        with pytest.raises(PhotoUnreadable, match="scans are missing"):
            decode(data[:place] + END_OF_IMAGE)


def test_a_hole_of_zeros_up_to_the_end_is_not_taken_for_padding() -> None:
    data, first = photo("optimised")
    for share in (0.3, 0.6, 0.9):
        start = first + int((len(data) - first) * share)
        with pytest.raises(PhotoUnreadable):
            decode(hole(data, start, len(data) - 2))


@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_with_a_part_lost_and_its_sizes_put_right_is_unreadable(lossless: bool) -> None:
    data, first = photo("lossless WebP" if lossless else "WebP")
    seeded = random.Random(0)
    for _ in range(10):
        start = seeded.randrange(first, len(data) - 4096)
        chunk = missing(data, start, start + 4096)[20:]
        chunk += b"\0" * (len(chunk) % 2)
        sizes = ((len(chunk) + extra).to_bytes(4, "little") for extra in (12, 0))
        with pytest.raises(PhotoUnreadable):
            decode(b"RIFF" + next(sizes) + data[8:16] + next(sizes) + chunk)


def test_a_webp_with_changed_data_is_unreadable() -> None:
    data, first = photo("WebP")
    seeded = random.Random(1)
    for size in (16, 64, 512, 4096):
        for _ in range(5):
            start = seeded.randrange(first, len(data) * 3 // 4 - size)
            with pytest.raises(PhotoUnreadable):
                decode(data[:start] + seeded.randbytes(size) + data[start + size :])


def test_a_heic_whose_tiles_have_moved_is_unreadable() -> None:
    # Following data takes the place of the lost data, as with Samsung's and Google's trailers.
    data, first = photo("HEIC grid")
    with pytest.raises(PhotoUnreadable, match="NAL units"):
        decode(missing(data, first + 500, first + 1500) + b"\x55" * 1000)


def test_a_png_whose_pixels_have_changed_is_unreadable() -> None:
    data, first = photo("PNG")
    with pytest.raises(PhotoUnreadable, match="wrong checksum of IDAT"):
        decode(data[: first + 99] + bytes((data[first + 99] ^ 1,)) + data[first + 100 :])


def test_a_grid_of_tiles_is_decoded() -> None:
    picture = textured(512, 384)
    pixels = decode(photo("HEIC grid")[0]).pixels
    assert np.abs(pixels[..., ::-1].astype(int) - np.asarray(picture)).mean() < 5
