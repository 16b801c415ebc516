"""The camera in a photo's EXIF block; `test_decode` and `test_tolerance` cover the orientation."""

from __future__ import annotations

import re
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damage_tasks.inspection import MAX_CAMERA_CHARACTERS
from damage_tasks.photos import decode
from damage_tasks.photos.exif import ExifFacts, read_exif
from tools.drawn_photo_files import encode, exif, scene

MAKE, MODEL, ORIENTATION = 0x010F, 0x0110, 0x0112
ASCII, SHORT = 2, 3
SHOWN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+/(),&-]*")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_the_camera_is_read_with_the_photo(format: str) -> None:
    data = encode(scene(), format, exif=exif(6, "Apple", "iPhone 14 Pro"))
    assert decode(data).camera == "Apple iPhone 14 Pro"
    assert decode(encode(scene(), format)).camera is None


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Apple", "iPhone 14", "Apple iPhone 14"),
        ("samsung", "SM-G991B", "Samsung SM-G991B"),
        ("SAMSUNG", "SM-G991B", "Samsung SM-G991B"),
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D90", "Nikon D90"),
        ("HUAWEI", "HUAWEI P30", "Huawei P30"),
        ("LGE", "Nexus 5", "LGE Nexus 5"),
        ("Z", "Zenfone", "Z Zenfone"),
        ("Apple", None, "Apple"),
        (None, "Pixel 7", "Pixel 7"),
        (None, None, None),
        ("", "   ", None),
        ("Make\0rest", " a  \t b\n", "Make a b"),
        ("x" * 500, "y" * 500, "X" + "x" * 63),
    ],
)
def test_make_and_model_become_one_text(
    make: str | None, model: str | None, camera: str | None
) -> None:
    assert read_exif(exif(1, make, model)).camera == camera


def block(*entries: tuple[int, int, int, bytes], data: bytes = b"", order: str = "<") -> bytes:
    """An EXIF block with ``entries``: tag, type, count, and four bytes of value; then ``data``."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "LH", 8, len(entries))
    fields = (struct.pack(order + "HHL", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0" + head + b"".join(fields) + bytes(4) + data


@pytest.mark.parametrize("order", "<>")
def test_a_short_text_stands_in_its_entry(order: str) -> None:
    turned = (ORIENTATION, SHORT, 1, struct.pack(order + "H", 6) + b"\0\0")
    found = read_exif(block((MAKE, ASCII, 4, b"LGE\0"), turned, order=order))
    assert found == ExifFacts(6, "LGE")


@pytest.mark.parametrize(
    "text",
    [
        b"<script>alert(1)</script>",
        b"'; DROP TABLE inspections; --",
        b"=cmd|' /C calc'!A0",
        b"@SUM(1)",
        b"{{ 7 * 7 }} ${x} %s %n",
        b"\x1b[31mred\x07\r\nSet-Cookie: a=b",
        "\u202egnp.exe".encode(),
        b"\xff\xfe\xed\xa0\x80",
        b"../../etc/passwd",
    ],
)
def test_a_hostile_text_becomes_harmless(text: bytes) -> None:
    data = block((MODEL, ASCII, len(text), struct.pack("<L", 8 + 2 + 12 + 4)), data=text)
    camera = read_exif(data).camera
    assert camera is None or (SHOWN.fullmatch(camera) and len(camera) <= MAX_CAMERA_CHARACTERS)


@pytest.mark.parametrize(
    "entry",
    [
        (MODEL, ASCII, 0xFFFFFFFF, struct.pack("<L", 0xFFFFFFFF)),
        (MODEL, ASCII, 0, bytes(4)),
        (MODEL, ASCII, 4, b"\0\0\0\0"),
        (MODEL, SHORT, 4, b"abcd"),
        (MODEL, 7, 4, b"abcd"),
    ],
    ids=["far", "empty", "zeros", "numbers", "unknown"],
)
def test_an_entry_that_makes_no_sense_names_no_camera(entry: tuple[int, int, int, bytes]) -> None:
    assert read_exif(block(entry)) == ExifFacts()


def test_facts_before_a_broken_entry_count() -> None:
    data = block((MAKE, ASCII, 4, b"LGE\0"), (ORIENTATION, SHORT, 1, b"\x06\0\0\0"))
    cut = data[: data.index(b"\x12\x01") + 2]
    assert read_exif(cut) == ExifFacts(1, "LGE")


def test_the_first_of_several_texts_counts() -> None:
    assert read_exif(block((MAKE, ASCII, 4, b"LGE\0"), (MAKE, ASCII, 4, b"HTC\0"))).camera == "LGE"


def test_as_many_entries_as_possible_take_no_time() -> None:
    entry = (MAKE, ASCII, 0xFFFF, struct.pack("<L", 0))
    data = block(*[entry] * 0xFFFF)
    began = time.perf_counter()
    assert read_exif(data).camera is not None
    assert time.perf_counter() - began < 1


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"II*\0", b"MM\0*"]), st.integers(0, 60))
def test_random_blocks_only_give_facts_that_can_be_stored(
    data: bytes, order: bytes, start: int
) -> None:
    offset = start.to_bytes(4, "little" if order == b"II*\0" else "big")
    found = read_exif(b"Exif\0\0" + order + offset + data)
    assert 1 <= found.orientation <= 8
    assert found.camera is None or SHOWN.fullmatch(found.camera)
