"""Files that are not photos, damaged photos, bombs, and unusual but valid photos."""

from __future__ import annotations

import gzip
import random
import struct
import zlib
from collections.abc import Iterator
from functools import cache

from tools import drawn_photo_files
from tools.drawn_photo_files import after_start, chunk, encode, png, scene, segment, textured
from tools.hostile.hostile_case import EXAMINED, Case, Ground, case_of_url, rejected
from tools.sample_pictures_and_results import jpeg

NOT_A_PHOTO = rejected("not_a_photo")
UNREADABLE = rejected("photo_unreadable")
TOO_MANY = rejected("too_many_pixels")
TOO_SMALL = rejected("photo_too_small")
DAMAGED_BYTES = EXAMINED | rejected(
    "not_a_photo", "photo_unreadable", "photo_unsupported", "too_many_pixels", "photo_too_small"
)
CUTS = (0.2, 0.6, 0.97)
FLIPS = 4


@cache
def good() -> dict[str, bytes]:
    """One small photo of each format."""
    return {
        "jpeg": encode(textured(320, 200), "JPEG"),
        "progressive": encode(textured(300, 200), "JPEG", progressive=True),
        "png": encode(textured(160, 120), "PNG"),
        "webp": encode(textured(240, 180), "WEBP"),
        "lossless": encode(textured(128, 96), "WEBP", lossless=True),
        "heic": encode(textured(256, 192), "HEIF"),
    }


def no_photos() -> Iterator[tuple[str, bytes]]:
    """Files offered as photos that are not photos."""
    whole = good()["jpeg"]
    yield "zero bytes", b""
    yield "one NUL", b"\0"
    yield "a kilobyte of NUL", bytes(1000)
    yield "HTML", b"<!doctype html><title>Not found</title><script>alert(1)</script>"
    yield "SVG", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    yield (
        "SVG with entities",
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>',
    )
    yield "S3's error document", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"
    yield "JSON", b'{"error": "not found"}'
    yield "PDF", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"
    yield "PostScript", b"%!PS-Adobe-3.0\n(/etc/passwd) run\n"
    yield "ImageMagick's MVG", b"push graphic-context\nimage over 0,0 0,0 'https://x/'\n"
    yield "a shell script", b"#!/bin/sh\nreboot\n"
    yield "a program", b"\x7fELF" + bytes(200)
    yield "a pickle", b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system"
    yield "a ZIP file", b"PK\3\4" + bytes(200)
    yield "a WAV file", b"RIFF\x24\0\0\0WAVEfmt " + bytes(64)
    yield "an MP4 film", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(64)
    yield "JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(64)
    yield "a JPEG in gzip", gzip.compress(whole)
    yield "a JPEG after a space", b" " + whole
    yield "a JPEG's first two bytes", whole[:2]
    for kind in ("GIF", "TIFF", "BMP", "ICO", "AVIF", "PDF", "PPM", "JPEG2000", "EPS"):
        yield f"{kind} picture", encode(scene(), kind)


def sizes() -> Iterator[tuple[str, bytes, frozenset[str]]]:
    """Headers that announce invalid sizes."""
    makers = {
        "JPEG": drawn_photo_files.jpeg_of_size,
        "PNG": png,
        "WebP": drawn_photo_files.webp_of_size,
        "HEIC": drawn_photo_files.heic_of_size,
    }
    for kind, make in makers.items():
        yield f"{kind} of 1x1", make(1, 1), TOO_SMALL
        yield f"{kind} bomb of 16000x16000", make(16_000, 16_000), TOO_MANY
    for kind in ("JPEG", "PNG", "HEIC"):
        yield f"{kind} of 30000x1", makers[kind](30_000, 1), TOO_SMALL
    yield "JPEG of 1x30000", drawn_photo_files.jpeg_of_size(1, 30_000), TOO_SMALL
    yield "JPEG of 63x63", jpeg(63, 63), TOO_SMALL
    yield "PNG bomb, maximum size", png(2**31 - 1, 2**31 - 1), TOO_MANY
    yield "JPEG bomb, maximum size", drawn_photo_files.jpeg_of_size(65_500, 65_500), TOO_MANY
    yield "PNG of size zero", png(0, 0), UNREADABLE | TOO_SMALL
    yield "JPEG of size zero", drawn_photo_files.jpeg_of_size(0, 0), UNREADABLE | TOO_SMALL
    yield (
        "JPEG that claims more lines than it has",
        drawn_photo_files.jpeg_of_size(320, 4000),
        DAMAGED_BYTES,
    )
    yield (
        "HEIC that claims a different size",
        drawn_photo_files.heic_of_size(6000, 6000),
        UNREADABLE,
    )


def bombs() -> Iterator[tuple[str, bytes, frozenset[str]]]:
    """Small files that would be expensive to decode."""
    packed = zlib.compress(bytes(20_000_000))
    yield "PNG with a bomb of text", png(100, 100, chunk(b"zTXt", b"a\0\0" + packed)), UNREADABLE
    yield (
        "PNG with a bomb of a profile",
        png(100, 100, chunk(b"iCCP", b"a\0\0" + packed)),
        UNREADABLE,
    )
    yield "JPEG with endless scans", drawn_photo_files.scan_bomb(900), UNREADABLE
    yield "PNG without pixels", png(100, 100, pixels=b""), UNREADABLE
    rows = (b"\0" + b"\x80" * 300) * 100
    yield "PNG with surplus pixels", png(100, 100, pixels=rows + bytes(10_000_000)), EXAMINED
    nested = struct.pack(">I", 8) + b"moov"
    yield "HEIC with nested boxes", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + nested * 500, UNREADABLE


def oddities() -> Iterator[tuple[str, bytes]]:
    """Unusual, but valid photos."""
    whole = good()["jpeg"]
    yield "JPEG followed by HTML", whole + b"<script>alert(1)</script>"
    yield "JPEG with a program in a comment", after_start(whole, segment(0xFE, b"<?php 1 ?>"))
    yield (
        "JPEG with damaged EXIF",
        after_start(whole, segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")),
    )
    yield (
        "JPEG with orientation 99",
        encode(textured(200, 160), "JPEG", exif=drawn_photo_files.exif(99)),
    )
    yield "JPEG in CMYK", encode(textured(220, 160).convert("CMYK"), "JPEG")
    yield "grey PNG of 16 bits", encode(textured(180, 130).convert("I;16"), "PNG")
    yield "animated WebP", encode(scene(), "WEBP", save_all=True, append_images=[scene()])
    heic = encode(textured(250, 190), "HEIF")
    yield "HEIC that calls itself mif1", heic[:8] + b"mif1" + heic[12:]
    yield "PNG followed by junk", encode(textured(170, 120), "PNG") + b"x" * 1000


def damaged_bytes() -> Iterator[tuple[str, bytes, frozenset[str]]]:
    """Truncated photos and photos with flipped bits."""
    for kind, data in good().items():
        for share in CUTS:
            yield f"{kind} cut off at {share:.0%}", data[: int(len(data) * share)], UNREADABLE
        seeded = random.Random(kind)
        for number in range(FLIPS):
            flipped = bytearray(data)
            for _ in range(seeded.choice((1, 3, 20))):
                flipped[seeded.randrange(len(flipped))] ^= 1 << seeded.randrange(8)
            yield f"{kind} with flipped bits, {number}", bytes(flipped), DAMAGED_BYTES


def cases(ground: Ground) -> Iterator[Case]:
    """All cases, half on the web and half in S3, all with names ending in .jpg."""
    found = [
        *((name, data, NOT_A_PHOTO) for name, data in no_photos()),
        *sizes(),
        *bombs(),
        *((name, data, EXAMINED) for name, data in oddities()),
        *damaged_bytes(),
    ]
    for number, (name, data, expected) in enumerate(found):
        if number % 2:
            url = ground.store(f"hostile/{number}.jpg", data)
        else:
            url = ground.site.serve(f"/hostile/{number}.jpg", data, Content_Type="image/jpeg")
        yield case_of_url(name, url, expected)
