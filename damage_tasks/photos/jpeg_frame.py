"""A JPEG's frame header, and whether the scans deliver all that it announces (ITU-T T.81)."""

from __future__ import annotations

from dataclasses import dataclass, field

from damage_tasks.errors import PhotoUnreadable, PhotoUnsupported

_PROGRESSIVE = 0xC2
_UNSUPPORTED = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "hierarchical JPEG"),
    **dict.fromkeys((0xC9, 0xCA), "arithmetic-coded JPEG"),
}
_END_OF_BLOCK = 0


@dataclass(frozen=True)
class Component:
    """A colour component of the picture and its sampling factors, 1 to 4."""

    id: int
    across: int
    down: int


@dataclass
class Frame:
    """The frame header's contents, and the coefficients that the scans have delivered."""

    width: int = 0
    height: int = 0
    progressive: bool = False
    several_scans: bool = False
    components: list[Component] = field(default_factory=list)
    # By component: how many low bits of each of the 64 coefficients are still missing.
    missing: dict[int, list[int]] = field(default_factory=dict)
    # By AC table: what the code that consists only of zeros means.
    zero_symbols: dict[int, int] = field(default_factory=dict)

    def begin(self, marker: int, content: bytes) -> None:
        if self.components:
            raise PhotoUnreadable("the photo has two frames")
        if marker in _UNSUPPORTED:
            raise PhotoUnsupported(f"{_UNSUPPORTED[marker]} is not supported")
        if len(content) < 6 or content[5] not in (1, 3, 4) or len(content) < 6 + 3 * content[5]:
            raise PhotoUnreadable("the photo's frame header is damaged")
        if content[0] == 12:
            raise PhotoUnsupported("JPEG with 12 bits per colour is not supported")
        self.progressive = marker == _PROGRESSIVE
        self.height = int.from_bytes(content[1:3], "big")
        self.width = int.from_bytes(content[3:5], "big")
        for id, sampling, _ in zip(*[iter(content[6 : 6 + 3 * content[5]])] * 3, strict=True):
            across, down = sampling >> 4, sampling & 15
            if not 1 <= across <= 4 or not 1 <= down <= 4:
                raise PhotoUnreadable("the photo's frame header is damaged")
            self.components.append(Component(id, across, down))
            self.missing[id] = [14] * 64

    def read_tables(self, content: bytes) -> None:
        """Record what zeros mean in the Huffman tables of a segment (T.81, B.2.4.2)."""
        position = 0
        while position + 17 < len(content):
            kind, count = content[position], sum(content[position + 1 : position + 17])
            if kind & 0x10:
                self.zero_symbols[kind & 15] = content[position + 17]
            position += 17 + count

    def zeros_are_usual(self, header: bytes) -> bool:
        """Whether flat areas of a picture produce long runs of zeros in a scan.

        They do if zeros encode the end of a block, as in tables optimised for the photo.  With the
        tables suggested by T.81, zeros decode to noise in each luminance block.  The scans of a
        progressive photo encode many empty blocks at once, except those of the DC coefficients.
        """
        tables = [selectors & 15 for selectors in header[2 : 1 + 2 * header[0] : 2]]
        symbols = {self.zero_symbols.get(table, _END_OF_BLOCK) for table in tables}
        if self.progressive:
            first_coefficient = header[-3]
            return first_coefficient == 0 or any(symbol & 15 == 0 for symbol in symbols)
        return symbols <= {_END_OF_BLOCK}

    def scan(self, content: bytes) -> bytes:
        """Record a scan's coefficients; returns its header, normalised for sequential scans."""
        count = content[0] if content else 0
        header = content[: 4 + 2 * count]
        if not count or len(header) < 4 + 2 * count:
            raise PhotoUnreadable("a scan header of the photo is damaged")
        first, last, bits = header[-3:]
        if not self.progressive:
            # Some cameras write other values, but nothing depends on them.
            first, last, bits = 0, 63, 0
            header = header[:-3] + bytes((first, last, bits))
        self.several_scans |= self.progressive or count < len(self.components)
        for id in header[1 : 1 + 2 * count : 2]:
            for coefficient in range(first, min(last, 63) + 1):
                if id in self.missing:
                    self.missing[id][coefficient] = bits & 15
        return header

    def check_complete(self) -> None:
        """Raises `PhotoUnreadable` if a coefficient of any component is missing."""
        if not self.components:
            raise PhotoUnreadable("the photo is truncated")
        if any(any(bits) for bits in self.missing.values()):
            raise PhotoUnreadable("the photo is truncated: scans are missing")
