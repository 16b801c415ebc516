"""Data that is not a photo, or a bad one: rejected with a stable code, quickly and silently."""

from __future__ import annotations

import gzip
import random
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from hypothesis import example, given, settings
from hypothesis import strategies as st

from damage_tasks.errors import (
    NotAPhoto,
    PhotoRejected,
    PhotoTooSmall,
    PhotoUnreadable,
    PhotoUnsupported,
    TooManyPixels,
)
from damage_tasks.photos import decode
from damage_tasks.photos.encoded_photo import MAX_FILE_PARTS
from damage_tasks.photos.heic import HeicPhoto
from damage_tasks.photos.jpeg import MAX_SCANS, JpegPhoto
from damage_tasks.photos.png import PngPhoto
from damage_tasks.photos.webp import WebpPhoto
from tools import drawn_photo_files
from tools.drawn_photo_files import after_start, chunk, encode, peak_memory, png, scene, segment

REJECTIONS = (NotAPhoto, PhotoUnreadable, PhotoUnsupported, TooManyPixels, PhotoTooSmall)

PHOTOS = {
    "jpeg": encode(scene(), "JPEG"),
    "progressive": encode(drawn_photo_files.textured(160, 120), "JPEG", progressive=True),
    "textured": encode(
        drawn_photo_files.textured(160, 120), "JPEG", exif=drawn_photo_files.exif(6)
    ),
    "cmyk": encode(scene().convert("CMYK"), "JPEG"),
    "png": encode(drawn_photo_files.textured(100, 80), "PNG"),
    "palette": encode(scene().quantize(8), "PNG"),
    "webp": encode(drawn_photo_files.textured(160, 120), "WEBP"),
    "lossless": encode(scene(), "WEBP", lossless=True),
    "animated": encode(scene(), "WEBP", save_all=True, append_images=[scene()]),
    "heic": encode(drawn_photo_files.textured(160, 120), "HEIF", exif=drawn_photo_files.exif(6)),
}


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Decoders write to stderr by themselves; a hostile photo must not fill the logs."""
    yield
    assert capfd.readouterr() == ("", "")


# --- not a photo


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        bytes(1000),
        b"\xff",
        b"\xff\xd8",
        b"<!doctype html><title>Not found</title>",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        b'{"error": "not found"}',
        b"%PDF-1.7\n",
        b"#!/bin/sh\n",
        b"\x7fELF" + bytes(100),
        b"PK\3\4" + bytes(100),
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"RIFF\x24\0\0\0AVI LIST",
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        b"\0\0\0\x18ftypqt  \0\0\0\0qt  qt  ",
        b"\xff\x0a" + bytes(100),
        b"\0\0\0\x0cJXL \r\n\x87\n",
        b"8BPS\0\1" + bytes(100),
        b"\xff\xff\xff\xffftypxxxxheic"[:12],
        gzip.compress(PHOTOS["jpeg"], mtime=0),
        b" " + PHOTOS["jpeg"],
        b"\r\n" + PHOTOS["png"],
        *(encode(scene(), name) for name in ("GIF", "TIFF", "BMP", "ICO", "AVIF", "PDF", "PPM")),
        encode(scene(), "JPEG2000"),
        encode(scene(), "DDS"),
        encode(scene(), "ICNS"),
        encode(scene(), "EPS"),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_other_files_are_not_photos(data: bytes) -> None:
    with pytest.raises(NotAPhoto):
        decode(data)


def test_avif_that_claims_to_be_generic_heif_is_not_a_photo() -> None:
    data = encode(scene(), "AVIF")
    with pytest.raises(NotAPhoto):
        decode(data[:8] + b"mif1" + data[12:])


def test_heic_that_claims_to_be_any_heif_is_a_photo() -> None:
    data = PHOTOS["heic"]
    assert decode(data[:8] + b"mif1" + data[12:]).width == 120


# --- bombs


@pytest.mark.parametrize(
    "make",
    [
        png,
        drawn_photo_files.webp_of_size,
        drawn_photo_files.heic_of_size,
        drawn_photo_files.jpeg_of_size,
    ],
)
@pytest.mark.parametrize(
    ("width", "height", "error"),
    [
        (16_000, 16_000, TooManyPixels),
        (8001, 8001, TooManyPixels),
        (16_000, 4_001, TooManyPixels),
        (16_000, 1, PhotoTooSmall),
        (1, 16_000, PhotoTooSmall),
        (1, 1, PhotoTooSmall),
    ],
)  # fmt: skip
def test_a_size_is_judged_by_the_header_alone(
    make: Callable[[int, int], bytes],
    width: int,
    height: int,
    error: type[PhotoRejected],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = make(width, height)
    for kind in (JpegPhoto, PngPhoto, WebpPhoto, HeicPhoto):
        monkeypatch.setattr(kind, "pixels", lambda *_: pytest.fail("pixels were decoded"))
    with pytest.raises(error):
        decode(data, max_pixels=64_000_000)


@pytest.mark.parametrize(
    "data",
    [
        png(50_000, 50_000),
        png(2**31 - 1, 2**31 - 1),
        drawn_photo_files.heic_of_size(50_000, 50_000),
        drawn_photo_files.jpeg_of_size(65_500, 65_500),
        drawn_photo_files.webp_of_size(16_384, 16_384),
    ],
    ids=["png", "largest png", "heic", "jpeg", "webp"],
)
def test_a_bomb_is_refused(data: bytes) -> None:
    with pytest.raises(TooManyPixels):
        decode(data)


@pytest.mark.parametrize("size", [(0, 0), (0, 100), (2**31, 2**31), (2**32 - 1, 100)])
@pytest.mark.parametrize("make", [png, drawn_photo_files.heic_of_size])
def test_an_impossible_size_is_rejected(
    make: Callable[[int, int], bytes], size: tuple[int, int]
) -> None:
    with pytest.raises((PhotoUnreadable, TooManyPixels, PhotoTooSmall)):
        decode(make(*size))


@pytest.mark.parametrize("size", [(100, 100), (321, 200), (6000, 6000)])
def test_a_header_that_lies_about_the_size_is_damage(size: tuple[int, int]) -> None:
    with pytest.raises(PhotoUnreadable, match="size"):
        decode(drawn_photo_files.heic_of_size(*size))


def test_a_decoder_that_finds_another_size_than_it_said_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = np.zeros((9, 9, 3), np.uint8)
    monkeypatch.setattr("simplejpeg.decode_jpeg", lambda *_, **__: other)
    with pytest.raises(PhotoUnreadable, match="differs from the header's"):
        decode(PHOTOS["jpeg"])


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_bomb_in_the_text_of_a_png_is_not_unpacked(kind: bytes) -> None:
    packed = zlib.compress(bytes(30_000_000))
    start = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}[kind]
    rows = (b"\0" + bytes(drawn_photo_files.RED) * 100) * 100
    photo = decode(png(100, 100, chunk(kind, start + packed), pixels=rows))
    assert drawn_photo_files.corners(photo.pixels) == [drawn_photo_files.RED] * 4


def test_pixels_after_the_last_row_are_not_unpacked() -> None:
    rows = (b"\0" + bytes(drawn_photo_files.RED) * 100) * 100
    photo = decode(png(100, 100, pixels=rows + bytes(50_000_000)))
    assert drawn_photo_files.corners(photo.pixels) == [drawn_photo_files.RED] * 4


def test_a_refused_bomb_costs_no_memory() -> None:
    assert (
        peak_memory("""
files = drawn_photo_files
bombs = [
    files.png(50_000, 50_000), files.heic_of_size(50_000, 50_000),
    files.jpeg_of_size(65_500, 65_500), files.webp_of_size(16_384, 16_384),
    files.webp_of_size(9_000, 9_000), files.png(30_000, 1), files.scan_bomb(1000),
    files.png(
        100, 100, files.chunk(b"zTXt", b"a\\0\\0" + files.zlib.compress(bytes(10**6)))
    ),
]
open("/proc/self/clear_refs", "w").write("5")
before = peak()
for bomb in bombs:
    try:
        decode(bomb)
    except PhotoRejected:
        continue
    raise SystemExit("a bomb was decoded")
""")
        < 10
    )


def test_a_photo_of_endless_scans_is_refused_at_once() -> None:
    ordinary = encode(scene(), "JPEG", progressive=True)
    assert ordinary.count(b"\xff\xda") < MAX_SCANS / 5
    begin = time.process_time()
    with pytest.raises(PhotoUnreadable, match=f"more than {MAX_SCANS} scans"):
        decode(drawn_photo_files.scan_bomb(100_000))
    assert time.process_time() - begin < 5


@pytest.mark.parametrize("marker", [0x00, 0x01, 0xD0])
def test_scans_cannot_hide_in_what_looks_like_a_segment(marker: int) -> None:
    # libjpeg skips such a marker and continues, whatever length seems to follow it.
    data = drawn_photo_files.scan_bomb(0)
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(PhotoUnreadable, match="scans"):
        decode(data[:-2] + segment(marker, scan * 50) * 4 + data[-2:])


@pytest.mark.parametrize(
    "data",
    [
        after_start(PHOTOS["jpeg"], segment(0xFE, b"") * (MAX_FILE_PARTS + 1)),
        png(100, 100, chunk(b"teXt", b"") * (MAX_FILE_PARTS + 1)),
        png(100, 100, chunk(b"IDAT", b"") * (MAX_FILE_PARTS + 1)),
    ],
    ids=["jpeg", "png", "png pixels"],
)
def test_a_photo_of_endless_parts_is_refused_at_once(data: bytes) -> None:
    begin = time.process_time()
    with pytest.raises(PhotoUnreadable, match=f"{MAX_FILE_PARTS}"):
        decode(data)
    assert time.process_time() - begin < 5


# --- damage


# Bytes that end a file and contain no pixels: JPEG's end marker, PNG's last chunk, padding.
ENDS = {"png": 12, "palette": 12, "webp": 0, "animated": 0, "lossless": 1, "heic": 0}


@pytest.mark.parametrize("name", PHOTOS)
def test_a_truncated_photo_is_unreadable_wherever_it_is_cut(name: str) -> None:
    data = PHOTOS[name]
    end = len(data) - ENDS.get(name, 2)
    for length in {*range(12, end, max(1, end // 300)), *range(end - 20, end)}:
        with pytest.raises(PhotoUnreadable):
            decode(data[:length], side=random.Random(length).choice((0, 40)))


@pytest.mark.parametrize("name", PHOTOS)
def test_a_photo_that_lacks_only_its_end_is_examined(name: str) -> None:
    data = PHOTOS[name]
    whole = decode(data)
    for length in range(len(data) - ENDS.get(name, 2), len(data)):
        np.testing.assert_array_equal(decode(data[:length]).pixels, whole.pixels)


def test_a_jpeg_cut_off_before_its_thumbnails_end_is_unreadable() -> None:
    thumbnail = segment(0xE1, b"Exif\0\0" + encode(scene(64, 64), "JPEG"))
    data = after_start(PHOTOS["textured"], thumbnail)
    for length in range(100, len(data), 97):
        with pytest.raises(PhotoUnreadable):
            decode(data[:length])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", PHOTOS)
def test_a_photo_with_flipped_bits_is_decoded_or_rejected(name: str) -> None:
    seeded = random.Random(name)
    for _ in range(120):
        data = bytearray(PHOTOS[name])
        for _ in range(seeded.choice((1, 1, 2, 8, 64))):
            data[seeded.randrange(len(data))] ^= 1 << seeded.randrange(8)
        begin = time.process_time()
        with suppress(*REJECTIONS):
            decode(bytes(data), side=seeded.choice((0, 40)))
        assert time.process_time() - begin < 5


@pytest.mark.parametrize("name", PHOTOS)
def test_a_photo_with_a_hole_is_decoded_or_rejected(name: str) -> None:
    data = PHOTOS[name]
    for start in range(0, len(data) - 40, max(1, len(data) // 40)):
        for hole in (
            data[:start] + data[start + 40 :],
            data[:start] + b"\xff" * 40 + data[start + 40 :],
        ):
            with suppress(*REJECTIONS):
                decode(hole)


def test_a_time_limit_in_the_middle_of_decoding_is_not_taken_for_damage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise SoftTimeLimitExceeded

    for decoder, name in (
        ("simplejpeg.decode_jpeg", "jpeg"),
        ("cv2.imdecode", "webp"),
        ("PIL.PngImagePlugin.PngImageFile.load", "png"),
        ("pillow_heif.HeifImage.load", "heic"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(decoder, interrupted)
            with pytest.raises(SoftTimeLimitExceeded):
                decode(PHOTOS[name])


# --- arbitrary bytes

starts = st.sampled_from(
    [b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"RIFF\0\1\0\0WEBPVP8 ",
     b"RIFF\0\1\0\0WEBPVP8X", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
     *(photo[:200] for photo in PHOTOS.values())]
)  # fmt: skip


@settings(deadline=1000, max_examples=300)
@given(starts, st.binary(max_size=2000))
@example(b"\xff\xd8", b"\xff" * 5000)
@example(b"", b"\xff\xd8" + b"\xff\xff\x00" * 5000)
def test_any_bytes_are_a_photo_or_rejected_with_a_code(start: bytes, rest: bytes) -> None:
    with suppress(*REJECTIONS):
        decode(start + rest)
