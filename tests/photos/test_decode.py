"""From bytes to pixels: every format, upright, with correct colours and size."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from damage_tasks.errors import PhotoTooSmall, TooManyPixels
from damage_tasks.photos import Photo, decode
from tools.drawn_photo_files import (
    BLUE,
    CORNERS,
    GREEN,
    HEIGHT,
    RED,
    WIDTH,
    YELLOW,
    after_start,
    chunk,
    corners,
    encode,
    exif,
    peak_memory,
    scene,
    segment,
    textured,
)

GREY = [(87,) * 3, (130,) * 3, (52,) * 3, (202,) * 3]
# Where the four corners of a stored picture end up for each EXIF orientation.
TURNED = {
    1: [RED, GREEN, BLUE, YELLOW],
    2: [GREEN, RED, YELLOW, BLUE],
    3: [YELLOW, BLUE, GREEN, RED],
    4: [BLUE, YELLOW, RED, GREEN],
    5: [RED, BLUE, GREEN, YELLOW],
    6: [BLUE, RED, YELLOW, GREEN],
    7: [YELLOW, GREEN, BLUE, RED],
    8: [GREEN, YELLOW, RED, BLUE],
}


def assert_shows(photo: Photo, expected: Any = CORNERS, tolerance: int = 6) -> None:
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags["C_CONTIGUOUS"]
    assert photo.pixels.shape[2] == 3
    np.testing.assert_allclose(corners(photo.pixels), expected, atol=tolerance)


# --- JPEG


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0, "quality": 100},
        {"subsampling": 2, "quality": 30},
        {"restart_marker_rows": 1},
        {"keep_rgb": True},
        {"optimize": True},
    ],
    ids=lambda options: next(iter(options), "plain"),
)
def test_a_jpeg_of_any_make_is_decoded(options: dict[str, Any]) -> None:
    photo = decode(encode(scene(), "JPEG", **options))
    assert (photo.width, photo.height) == (WIDTH, HEIGHT)
    assert_shows(photo, tolerance=12)


def test_a_grey_jpeg_is_decoded() -> None:
    assert_shows(decode(encode(scene().convert("L"), "JPEG")), GREY)


def _ycck(picture: Image.Image) -> bytes:
    """A JPEG as Photoshop writes it: inverted, its first three planes turned into YCbCr."""
    *inks, black = picture.convert("CMYK").split()
    planes = Image.merge("RGB", inks).convert("YCbCr").split()
    inverted = [ImageOps.invert(plane) for plane in planes]  # the encoder inverts them again
    data = bytearray(encode(Image.merge("CMYK", [*inverted, black]), "JPEG", quality=95))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def _without_adobe_marker(data: bytes) -> bytes:
    start = data.index(b"\xff\xee")
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]


@pytest.mark.parametrize("side", [0, 80])
def test_cmyk_is_taken_as_inverted_like_everywhere(side: int) -> None:
    inverted = encode(scene().convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in inverted
    for data in (inverted, _without_adobe_marker(inverted), _ycck(scene())):
        photo = decode(data, side=side)
        assert_shows(photo)
        assert photo.pixels.shape[0] == (50 if side else 200)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("side", [0, 80])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_the_photo_is_turned_as_its_exif_says(format: str, side: int, orientation: int) -> None:
    photo = decode(encode(scene(), format, exif=exif(orientation)), side=side)
    upright = (WIDTH, HEIGHT) if orientation < 5 else (HEIGHT, WIDTH)
    assert (photo.width, photo.height) == upright
    assert photo.pixels.shape[1::-1] == tuple(n // (4 if side else 1) for n in upright)
    assert_shows(photo, TURNED[orientation], tolerance=25 if format == "WEBP" else 6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_is_turned_once(orientation: int) -> None:
    # Like an iPhone, pillow-heif writes the rotation to the file's own boxes and to EXIF.
    picture = scene()
    data = encode(picture, "HEIF", exif=exif(orientation), quality=95)
    photo = decode(data)
    assert (photo.width, photo.height) == ((320, 200) if orientation < 5 else (200, 320))
    assert_shows(photo, TURNED[orientation])


def test_a_turn_in_the_xmp_of_a_heic_is_not_done_again() -> None:
    # pillow-heif removes the usual representations from the file, but Pillow also reads this one.
    xmp = b"<rdf tiff:Orientation>6</tiff:Orientation>"
    photo = decode(encode(scene(), "HEIF", xmp=xmp, quality=95))
    assert (photo.width, photo.height) == (HEIGHT, WIDTH)
    assert_shows(photo, TURNED[6])


def _tiff(kind: int, count: int, value: bytes) -> bytes:
    """An EXIF block with one entry, the orientation."""
    return b"II*\0\x08\0\0\0\x01\0\x12\x01" + struct.pack("<HI", kind, count) + value + bytes(4)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x03" * 20,
        b"\0" * 60_000,
        _tiff(3, 1, b"\x00\0\0\0"),
        _tiff(3, 1, b"\x09\0\0\0"),
        _tiff(2, 2, b"6\0\0\0"),
        _tiff(9, 1, b"\xff\xff\xff\xff"),
        _tiff(5, 1, b"\xff\xff\xff\x7f"),
        _tiff(99, 1, b"\x06\0\0\0"),
    ],
    ids=["empty", "short", "far", "cut off", "zeros", "0", "9", "text", "negative",
         "beyond", "unknown"],
)  # fmt: skip
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_an_exif_block_that_makes_no_sense_does_not_harm_the_photo(
    format: str, block: bytes
) -> None:
    assert_shows(decode(encode(scene(), format, exif=b"Exif\0\0" + block)), tolerance=25)


def test_damaged_metadata_is_not_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    block = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x03" * 20
    path.write_bytes(encode(scene(), "JPEG", exif=block))
    program = f"from damage_tasks.photos import decode; decode(open({str(path)!r}, 'rb').read())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_huge_metadata_does_not_harm_the_photo() -> None:
    huge = [segment(0xE1, b"Exif\0\0" + b"\xff\xd9" * 32_000)] * 100
    thumbnail = segment(0xE1, b"Exif\0\0" + encode(scene(64, 64), "JPEG"))
    data = after_start(encode(scene(), "JPEG"), *huge, thumbnail, segment(0xFE, b"comment"))
    assert_shows(decode(data + b"\xff\xd8 what phones add behind the photo"))


def test_of_a_photo_with_more_pictures_in_it_the_first_is_taken() -> None:
    # iPhones (depth, gain map) and Samsungs write MPO: several JPEGs in a row.
    other = Image.new("RGB", (64, 64), "white")
    data = encode(scene(), "MPO", save_all=True, append_images=[other], exif=exif(6))
    photo = decode(data)
    assert (photo.width, photo.height) == (HEIGHT, WIDTH)
    assert_shows(photo, TURNED[6])


# --- PNG, WebP, HEIC


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "1", "I;16"])
def test_a_png_of_any_mode_is_decoded(mode: str) -> None:
    picture = scene()
    if mode == "I;16":
        values = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        picture = Image.fromarray(values)
    elif mode == "P":
        picture = picture.quantize(16)
    else:
        picture = picture.convert(mode)
    expected: Any = CORNERS if mode in ("RGB", "RGBA", "P") else GREY
    photo = decode(encode(picture, "PNG"))
    if mode == "1":
        assert (photo.width, photo.height) == (WIDTH, HEIGHT)
    else:
        assert_shows(photo, expected, tolerance=1)


def _from_cv2(pixels: np.ndarray[Any, Any]) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def test_sixteen_bits_are_cut_to_eight() -> None:
    bgr = np.asarray(scene())[:, :, ::-1].astype(np.uint16) * 256 + 77
    assert_shows(decode(_from_cv2(bgr)), tolerance=1)
    alpha = np.full((*bgr.shape[:2], 1), 65535, np.uint16)
    assert_shows(decode(_from_cv2(np.concatenate([bgr, alpha], axis=2))), tolerance=1)


def test_an_interlaced_png_is_decoded() -> None:
    # Adam7 with one colour per pass, so that no encoder is needed: seven passes of a 64 x 64 photo.
    passes = [(8, 8), (8, 8), (16, 8), (16, 16), (32, 16), (32, 32), (64, 32)]
    rows = b"".join((b"\0" + bytes(RED) * width) * height for width, height in passes)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 1))
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert_shows(decode(data), [RED] * 4, tolerance=0)


@pytest.mark.parametrize("side", [0, 80])
@pytest.mark.parametrize("format", ["PNG", "WEBP", "HEIF"])
def test_transparent_parts_become_white(format: str, side: int) -> None:
    picture = scene().convert("RGBA")
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, : WIDTH // 2] = 0
    picture.putalpha(Image.fromarray(alpha))
    options = {"lossless": True} if format == "WEBP" else {}
    photo = decode(encode(picture, format, **options), side=side)
    assert_shows(photo, [(255,) * 3, GREEN, (255,) * 3, YELLOW])


def test_a_transparent_colour_of_a_palette_becomes_white() -> None:
    picture = scene().quantize(4)
    place = picture.getpixel((0, 0))
    photo = decode(encode(picture, "PNG", transparency=place))
    assert_shows(photo, [(255,) * 3, GREEN, BLUE, YELLOW], tolerance=1)
    photo = decode(encode(scene(), "PNG", transparency=BLUE))
    assert_shows(photo, [RED, GREEN, (255,) * 3, YELLOW], tolerance=1)


@pytest.mark.parametrize("lossless", [True, False])
def test_a_webp_is_decoded(lossless: bool) -> None:
    photo = decode(encode(scene(), "WEBP", lossless=lossless, quality=90))
    assert_shows(photo, tolerance=1 if lossless else 25)


@pytest.mark.parametrize("format", ["WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(format: str) -> None:
    frames = [Image.new("RGB", (WIDTH, HEIGHT), "white") for _ in range(3)]
    data = encode(scene(), format, save_all=True, append_images=frames, lossless=True)
    assert_shows(decode(data), tolerance=1)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGB;16"])
def test_a_heic_is_decoded(mode: str) -> None:
    if mode == "RGB;16":
        pixels = np.asarray(scene()).astype(np.uint16) * 257
        file = io.BytesIO()
        pillow_heif.from_bytes(mode=mode, size=(WIDTH, HEIGHT), data=pixels.tobytes()).save(file)
        data = file.getvalue()
    else:
        data = encode(scene().convert(mode), "HEIF")
    photo = decode(data)
    assert (photo.width, photo.height) == (WIDTH, HEIGHT)
    assert_shows(photo, GREY if mode == "L" else CORNERS)


# --- sizes


@pytest.mark.parametrize(
    ("side", "shape"),
    [(0, (301, 401)), (1000, (301, 401)), (300, (225, 300)), (268, (201, 268)), (267, (151, 201)),
     (200, (150, 200)), (111, (76, 101)), (55, (38, 51)), (40, (30, 40))],
)  # fmt: skip
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_a_photo_is_reduced_to_about_its_side(
    format: str, side: int, shape: tuple[int, int]
) -> None:
    photo = decode(encode(scene(401, 301), format, quality=95), side=side)
    assert photo.pixels.shape[:2] == shape
    assert (photo.width, photo.height) == (401, 301)
    assert_shows(photo, tolerance=12)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_reduced_photo_shows_the_same_at_the_same_places(format: str) -> None:
    data = encode(textured(800, 600), format, quality=95)
    whole = Image.fromarray(decode(data).pixels)
    for side in (400, 200, 100):
        pixels = decode(data, side=side).pixels
        expected = np.asarray(whole.resize(pixels.shape[1::-1], Image.Resampling.BOX), np.float32)
        shifted = np.roll(expected, 1, axis=1)
        assert np.abs(pixels - expected).mean() < 0.5 * np.abs(pixels - shifted).mean()


def test_the_limits_are_read_from_the_header() -> None:
    data = encode(scene(320, 200), "JPEG")
    decode(data, max_pixels=64_000, min_side=200)
    with pytest.raises(TooManyPixels, match="320x200; at most 63999 pixels"):
        decode(data, max_pixels=63_999)
    with pytest.raises(PhotoTooSmall, match="320x200; the shorter side must have at least 201"):
        decode(data, min_side=201)


@pytest.mark.slow
def test_a_reduced_jpeg_is_never_decoded_any_larger(tmp_path: Path) -> None:
    # 24 megapixels take at least 72 MB at full scale; the peak shows whether they were decoded.
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(Image.new("RGB", (6000, 4000), RED), "JPEG"))
    full, reduced = (
        peak_memory(f"decode(open({str(path)!r}, 'rb').read(), side={side})") for side in (0, 700)
    )
    assert full > 70
    assert reduced < 15
