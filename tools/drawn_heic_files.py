"""A HEIC as phones write it: a grid of tiles, each stored as a separate item."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tools.drawn_photo_files import encode

if TYPE_CHECKING:
    from PIL import Image


def heic_grid(picture: Image.Image, tile: int) -> bytes:
    """``picture``, whose sides are multiples of ``tile``, as a HEIC of square tiles."""
    columns, rows = picture.width // tile, picture.height // tile
    configurations, tiles = [], []
    for row in range(rows):
        for column in range(columns):
            corner = (column * tile, row * tile)
            part = picture.crop((*corner, corner[0] + tile, corner[1] + tile))
            configuration, data = _tile(encode(part, "HEIF", quality=80))
            configurations.append(configuration)
            tiles.append(data)
    count = len(tiles)
    grid = count + 1
    kinds = [b"hvc1"] * count + [b"grid"]
    layout = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, picture.width, picture.height)
    information = [_full(b"infe", 2, struct.pack(">HH4s", i, 0, k), b"\0") for i, k in
                   enumerate(kinds, 1)]  # fmt: skip
    references = struct.pack(f">HH{count}H", grid, count, *range(1, grid))
    sizes = [struct.pack(">II", tile, tile), struct.pack(">II", *picture.size)]
    properties = [*configurations, *(_full(b"ispe", 0, size) for size in sizes)]
    first = count + 1
    links = [struct.pack(">HBBB", i, 2, 0x80 | i, first) for i in range(1, grid)]
    links.append(struct.pack(">HBB", grid, 1, first + 1))
    described = _box(
        b"iprp",
        _box(b"ipco", *properties),
        _full(b"ipma", 0, struct.pack(">I", grid), *links),
    )

    def index(start: int) -> bytes:
        places = []
        for item, data in enumerate([*tiles, layout], 1):
            places.append(struct.pack(">HHHII", item, 0, 1, start, len(data)))
            start += len(data)
        return _full(
            b"meta",
            0,
            _full(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
            _full(b"pitm", 0, struct.pack(">H", grid)),
            _full(b"iloc", 0, b"\x44\0", struct.pack(">H", grid), *places),
            _full(b"iinf", 0, struct.pack(">H", grid), *information),
            _full(b"iref", 0, _box(b"dimg", references)),
            described,
        )

    brand = _box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    start = len(brand) + len(index(0)) + 8
    return brand + index(start) + _box(b"mdat", *tiles, layout)


def _tile(heic: bytes) -> tuple[bytes, bytes]:
    """The decoder configuration and the coded picture of a HEIC of one item."""
    top = {kind: (start, end) for kind, start, end in boxes(heic, 0, len(heic))}
    inner = {k: (s, e) for k, s, e in boxes(heic, top[b"meta"][0] + 4, top[b"meta"][1])}
    container = next(p for k, *p in boxes(heic, *inner[b"iprp"]) if k == b"ipco")
    configuration = next(p for k, *p in boxes(heic, *container) if k == b"hvcC")
    return heic[configuration[0] - 8 : configuration[1]], heic[slice(*top[b"mdat"])]


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each box."""
    while start < end:
        size, kind = struct.unpack_from(">I4s", data, start)
        yield kind, start + 8, start + size
        start += size


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + kind + content


def _full(kind: bytes, version: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24), *parts)
