"""Locates the pictures in a HEIF file (ISO/IEC 14496-12, 8.11, and 23008-12, 6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from damage_tasks.errors import PhotoUnreadable

MAX_ITEMS = 10_000


class Extent(NamedTuple):
    """A range of bytes in the file."""

    start: int
    end: int


@dataclass(frozen=True)
class Items:
    """The items of a HEIF file.

    ``extents`` are those of all items; ``pictures`` those of each HEVC picture that the
    primary item consists of: itself or its tiles.  The lengths of NAL units have
    ``length_bytes`` bytes.
    """

    extents: tuple[Extent, ...]
    pictures: tuple[tuple[Extent, ...], ...]
    length_bytes: int


class _Reader:
    """Reads consecutive big-endian numbers; raises `PhotoUnreadable` beyond the end."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.data, self.position, self.end = data, start, end

    def number(self, size: int) -> int:
        start, self.position = self.position, self.position + size
        if self.position > self.end:
            raise PhotoUnreadable("the photo's header is damaged")
        return int.from_bytes(self.data[start : self.position], "big")

    def version(self) -> int:
        """The version of a full box; its flags are skipped."""
        return self.number(4) >> 24


def read_items(data: bytes) -> Items | None:
    """The items of the file; None if it has no item index.

    Raises `PhotoUnreadable` if the index is invalid.
    """
    index = next((box for kind, *box in _boxes(data, 0, len(data)) if kind == b"meta"), None)
    if index is None:
        return None
    boxes = {kind: (start, end) for kind, start, end in _boxes(data, index[0] + 4, index[1])}
    if not {b"pitm", b"iloc", b"iinf", b"iprp"} <= boxes.keys():
        return None
    primary = _primary(_Reader(data, *boxes[b"pitm"]))
    kinds = _kinds(data, *boxes[b"iinf"])
    places = _places(_Reader(data, *boxes[b"iloc"]), boxes.get(b"idat", (0, 0)), len(data))
    tiles = _tiles(data, *boxes[b"iref"]) if b"iref" in boxes else {}
    parts, waiting = set(), [primary]
    while waiting:
        item = waiting.pop()
        if item not in parts:
            parts.add(item)
            waiting += tiles.get(item, [])
    lengths = _length_bytes(data, *boxes[b"iprp"])
    pictures = [
        places[item] for item in sorted(parts) if kinds.get(item) == b"hvc1" and item in places
    ]
    return Items(
        extents=tuple(extent for extents in places.values() for extent in extents),
        # Pictures whose NAL unit lengths have different widths cannot be checked.
        pictures=tuple(pictures) if len(lengths) == 1 else (),
        length_bytes=min(lengths, default=4),
    )


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, content start and content end of each box, up to the first invalid one."""
    for _ in range(MAX_ITEMS):
        if start + 8 > end:
            return
        size, kind = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        content = start + 8
        if size == 1:
            size = int.from_bytes(data[content : content + 8], "big")
            content += 8
        following = end if size == 0 else start + size
        if following < content or following > end:
            return
        yield kind, content, following
        start = following


def _primary(box: _Reader) -> int:
    return box.number(2 if box.version() == 0 else 4)


def _kinds(data: bytes, start: int, end: int) -> dict[int, bytes]:
    """The type of each item."""
    box = _Reader(data, start, end)
    box.number(4 + (2 if box.data[start] == 0 else 4))
    kinds = {}
    for kind, first, last in _boxes(data, box.position, end):
        if kind == b"infe" and (version := (entry := _Reader(data, first, last)).version()) >= 2:
            item = entry.number(2 if version == 2 else 4)
            entry.number(2)
            kinds[item] = entry.number(4).to_bytes(4, "big")
    return kinds


def _places(
    box: _Reader, index_data: tuple[int, int], length: int
) -> dict[int, tuple[Extent, ...]]:
    """The extents of each item stored in the file itself."""
    version = box.version()
    sizes = box.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    places = {}
    total = 0
    for _ in range(box.number(2 if version < 2 else 4)):
        item = box.number(2 if version < 2 else 4)
        method = box.number(2) & 15 if version else 0
        elsewhere = box.number(2)
        base = box.number(base_size)
        count = box.number(2)
        total += count + 1
        if total > MAX_ITEMS:
            raise PhotoUnreadable(f"the photo has more than {MAX_ITEMS} items")
        extents = []
        for _ in range(count):
            box.number(index_size)
            start = base + box.number(offset_size)
            size = box.number(length_size)
            if method == 1:
                start += index_data[0]
            extents.append(Extent(start, start + size if size else max(start, length)))
        if method <= 1 and not elsewhere:
            places[item] = tuple(extents)
    return places


def _tiles(data: bytes, start: int, end: int) -> dict[int, list[int]]:
    """The items that each derived item is made of."""
    size = 2 if _Reader(data, start, end).version() == 0 else 4
    tiles = {}
    for kind, first, last in _boxes(data, start + 4, end):
        if kind == b"dimg":
            box = _Reader(data, first, last)
            item = box.number(size)
            tiles[item] = [box.number(size) for _ in range(box.number(2))]
    return tiles


def _length_bytes(data: bytes, start: int, end: int) -> set[int]:
    """The widths of NAL unit lengths in all decoder configurations, in bytes."""
    return {
        1 + (data[first + 21] & 3)
        for kind, *properties in _boxes(data, start, end)
        if kind == b"ipco"
        for kind, first, last in _boxes(data, *properties)
        if kind == b"hvcC" and last - first > 21
    }
