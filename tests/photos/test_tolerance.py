"""Photos that every browser shows are examined, even if their files violate a standard."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from damage_tasks.errors import PhotoUnreadable, PhotoUnsupported
from damage_tasks.photos import decode
from tools.drawn_photo_files import (
    CORNERS,
    HEIGHT,
    RED,
    WIDTH,
    after_start,
    chunk,
    corners,
    encode,
    exif,
    scene,
    segment,
    textured,
)

TEXTURED = encode(textured(320, 200), "JPEG")
XMP = b'<rdf:RDF xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'


def assert_same(data: bytes, whole: bytes) -> None:
    np.testing.assert_array_equal(decode(data).pixels, decode(whole).pixels)


# --- JPEG


@pytest.mark.parametrize("zeros", [1, 2, 700, 4096])
@pytest.mark.parametrize("size", [(512, 384), (450, 338), (226, 170), (300, 201)])
def test_zeros_between_a_whole_picture_and_its_end_marker_are_padding(
    size: tuple[int, int], zeros: int
) -> None:
    whole = encode(textured(*size), "JPEG", quality=85)
    assert_same(whole[:-2] + bytes(zeros) + whole[-2:], whole)


def test_other_bytes_there_are_what_the_picture_lacks() -> None:
    with pytest.raises(PhotoUnreadable, match="extraneous"):
        decode(TEXTURED[:-2] + b"\x12\x34" * 50 + TEXTURED[-2:])


def test_bytes_between_segments_are_skipped() -> None:
    tables = TEXTURED.index(b"\xff\xdb")
    assert_same(TEXTURED[:tables] + bytes(300) + TEXTURED[tables:], TEXTURED)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_long_runs_of_zeros_from_a_flat_picture_are_accepted(mode: str) -> None:
    picture = textured(1600, 1200)
    picture.paste("white", (0, 0, 1600, 900))
    data = encode(picture.convert(mode), "JPEG", optimize=True)
    assert bytes(500) in data
    assert (decode(data).pixels[:800] > 250).all()


def test_unknown_versions_of_jfif_and_adobe_are_accepted() -> None:
    place = TEXTURED.index(b"JFIF\0") + 5
    assert_same(TEXTURED[:place] + b"\x09" + TEXTURED[place + 1 :], TEXTURED)
    assert_same(after_start(TEXTURED, segment(0xEE, b"Adobe\0\x64\0\0\0\0\x09")), TEXTURED)


def test_unused_numbers_in_a_scan_header_are_accepted() -> None:
    # Samsung's panoramas have zeros there.
    place = TEXTURED.index(b"\xff\xda") + 11
    assert TEXTURED[place : place + 3] == b"\0\x3f\0"
    assert_same(TEXTURED[:place] + bytes(3) + TEXTURED[place + 3 :], TEXTURED)


@pytest.mark.parametrize(
    ("marker", "kind"), [(0xC9, "arithmetic"), (0xCA, "arithmetic"), (0xC3, "lossless")]
)
def test_a_jpeg_of_an_unsupported_kind_is_named_so(marker: int, kind: str) -> None:
    data = TEXTURED.replace(b"\xff\xc0", bytes((0xFF, marker)), 1)
    with pytest.raises(PhotoUnsupported, match=kind) as caught:
        decode(data)
    assert caught.value.code == "photo_unsupported"


def test_a_jpeg_of_twelve_bits_is_named_so() -> None:
    place = TEXTURED.index(b"\xff\xc0") + 4
    with pytest.raises(PhotoUnsupported, match="12 bits"):
        decode(TEXTURED[:place] + b"\x0c" + TEXTURED[place + 1 :])


# --- PNG


def with_chunks(*chunks: bytes) -> bytes:
    data = encode(scene(), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def test_a_wrong_checksum_in_the_text_of_a_png_is_accepted() -> None:
    text = chunk(b"tEXt", b"Comment\0a car")
    data = with_chunks(text[:-4] + b"\1\2\3\4")
    np.testing.assert_allclose(corners(decode(data).pixels), CORNERS, atol=1)


@pytest.mark.parametrize("kind", [b"tRNS", b"eXIf"])
def test_an_ancillary_chunk_with_a_wrong_checksum_is_ignored(kind: bytes) -> None:
    content = b"\0\0" * 3 if kind == b"tRNS" else exif(6).removeprefix(b"Exif\0\0")
    ignored = chunk(kind, content)
    data = with_chunks(ignored[:-4] + b"\1\2\3\4")
    assert_same(data, encode(scene(), "PNG"))


def test_the_end_of_a_png_needs_no_checksum() -> None:
    data = encode(scene(), "PNG")
    assert_same(data[:-4] + b"\1\2\3\4", data)


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
def test_megabytes_of_text_in_a_png_are_accepted(kind: bytes) -> None:
    data = with_chunks(*[chunk(kind, b"Comment\0" + b"x" * 3_000_000)] * 4)
    np.testing.assert_allclose(corners(decode(data).pixels), CORNERS, atol=1)


# --- orientation: only from EXIF


@pytest.mark.parametrize("block", [None, exif(1)], ids=["no EXIF", "EXIF says upright"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_xmp_does_not_turn_a_photo(format: str, block: bytes | None) -> None:
    options = {} if block is None else {"exif": block}
    if format == "JPEG":
        plain = encode(scene(), "JPEG", quality=95, **options)
        name = b"http://ns.adobe.com/xap/1.0/\0"
        data = after_start(plain, segment(0xE1, name + XMP))
    elif format == "PNG":
        plain = encode(scene(), "PNG", **options)
        text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
        data = plain[:33] + text + plain[33:]
    else:
        data = encode(scene(), "WEBP", xmp=XMP, lossless=True, **options)
    photo = decode(data)
    assert (photo.width, photo.height) == (WIDTH, HEIGHT)
    np.testing.assert_allclose(corners(photo.pixels), CORNERS, atol=6)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "form"), [(1, "B3x"), (3, "H2x"), (4, "L")])
def test_exif_may_write_its_orientation_in_any_whole_number(
    order: str, kind: int, form: str
) -> None:
    block = b"II*\0" if order == "<" else b"MM\0*"
    block += struct.pack(order + "LHHHL", 8, 1, 0x0112, kind, 1) + struct.pack(order + form, 6)
    photo = decode(encode(scene(), "JPEG", exif=b"Exif\0\0" + block))
    assert (photo.width, photo.height) == (HEIGHT, WIDTH)


# --- WebP


def test_an_animation_whose_first_frame_is_smaller_lies_on_white() -> None:
    frame = encode(Image.new("RGB", (64, 64), RED), "WEBP", lossless=True)[12:]
    canvas = b"\x02\0\0\0" + (199).to_bytes(3, "little") + (99).to_bytes(3, "little")
    place = b"".join(n.to_bytes(3, "little") for n in (10, 5, 63, 63, 100)) + b"\0"
    chunks = b"".join(
        name + struct.pack("<L", len(content)) + content
        for name, content in ((b"VP8X", canvas), (b"ANIM", bytes(6)), (b"ANMF", place + frame))
    )
    data = b"RIFF" + struct.pack("<L", 4 + len(chunks)) + b"WEBP" + chunks
    pixels = decode(data).pixels
    assert pixels.shape == (100, 200, 3)
    red = (pixels == RED[::-1]).all(axis=2)
    assert red[10:74, 20:84].all()
    assert red.sum() == 64 * 64
    assert (pixels[~red] == 255).all()
