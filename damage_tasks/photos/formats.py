"""Recognises a photo's format by its bytes alone."""

from __future__ import annotations

from collections.abc import Callable

from damage_tasks.errors import NotAPhoto, PhotoUnreadable
from damage_tasks.photos.encoded_photo import DECODER_ERRORS, EncodedPhoto
from damage_tasks.photos.heic import is_heic, open_heic
from damage_tasks.photos.jpeg import open_jpeg
from damage_tasks.photos.png import open_png
from damage_tasks.photos.webp import open_webp


def open_photo(data: bytes) -> EncodedPhoto:
    """The photo in ``data`` with its header read and its file checked, not yet decoded.

    Raises `NotAPhoto`, `PhotoUnsupported`, or `PhotoUnreadable` when the file is truncated or
    its header is damaged.
    """
    kind: Callable[[bytes], EncodedPhoto]
    if data.startswith(b"\xff\xd8\xff"):
        kind = open_jpeg
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        kind = open_png
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        kind = open_webp
    elif is_heic(data):
        kind = open_heic
    else:
        raise NotAPhoto("the data is not a JPEG, PNG, WebP or HEIC photo")
    try:
        return kind(data)
    except DECODER_ERRORS as error:
        raise PhotoUnreadable(f"the photo's header is damaged: {error}") from None
