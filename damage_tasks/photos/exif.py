"""What a photo's EXIF block (EXIF 2.32) says about its orientation and its camera."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from damage_tasks.inspection import MAX_CAMERA_CHARACTERS

_MAKE_TAG, _MODEL_TAG, _ORIENTATION_TAG = 0x010F, 0x0110, 0x0112
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "L"}
_ASCII = 2
_INLINE_BYTES = 4
# Anybody can write anything into a photo, so neither markup nor control characters remain.
_OTHER_CHARACTERS = re.compile(rb"[^A-Za-z0-9 ._+/(),&-]+")
_ABBREVIATION_LENGTH = 3


@dataclass(frozen=True, slots=True)
class ExifFacts:
    """The orientation (1 to 8), and the camera: its make, one word, and its model.

    ``camera`` has at most `MAX_CAMERA_CHARACTERS` letters, digits, spaces and ``._+/(),&-``; None
    if the photo names none.
    """

    orientation: int = 1
    camera: str | None = None


def read_exif(exif: bytes | None) -> ExifFacts:
    """The facts in an EXIF block; whatever is missing or invalid has its default.

    Only EXIF counts, as in browsers: Pillow's `getexif` would read XMP too.
    """
    block = (exif or b"").removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return ExifFacts()
    orientation: int | None = None
    texts: dict[int, str] = {}
    try:
        for tag, kind, entry in _entries(block, order):
            if tag == _ORIENTATION_TAG and kind in _WHOLE_NUMBERS and orientation is None:
                (orientation,) = struct.unpack_from(order + _WHOLE_NUMBERS[kind], block, entry + 8)
            elif tag in (_MAKE_TAG, _MODEL_TAG) and kind == _ASCII and tag not in texts:
                texts[tag] = _text(block, order, entry)
    except struct.error:
        pass  # a damaged EXIF block does not make the photo unreadable
    return ExifFacts(
        orientation if orientation is not None and 1 <= orientation <= 8 else 1,
        _camera(texts.get(_MAKE_TAG, ""), texts.get(_MODEL_TAG, "")),
    )


def _entries(block: bytes, order: str) -> Iterator[tuple[int, int, int]]:
    """Tag, type and position of each entry of the first directory, at most 65,535."""
    (start,) = struct.unpack_from(order + "L", block, 4)
    (count,) = struct.unpack_from(order + "H", block, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", block, entry)
        yield tag, kind, entry


def _text(block: bytes, order: str, entry: int) -> str:
    """The words of a text, separated by single spaces."""
    size, start = struct.unpack_from(order + "LL", block, entry + 4)
    if size <= _INLINE_BYTES:
        start = entry + 8
    raw = block[start : start + min(size, MAX_CAMERA_CHARACTERS)].partition(b"\0")[0]
    words = _OTHER_CHARACTERS.sub(b" ", raw).decode("ascii").split()
    return " ".join(words).lstrip(" ._+/(),&-")


def _camera(make: str, model: str) -> str | None:
    """The first word of the make, and the model without it: makes repeat their name in models."""
    name = make.partition(" ")[0]
    if model.partition(" ")[0].casefold() != name.casefold():
        model = f"{name} {model}".strip()
    name, _, rest = model.partition(" ")
    if len(name) > _ABBREVIATION_LENGTH and (name.isupper() or name.islower()):
        name = name.capitalize()  # the same make writes SAMSUNG and samsung
    return f"{name} {rest}"[:MAX_CAMERA_CHARACTERS].strip() or None
