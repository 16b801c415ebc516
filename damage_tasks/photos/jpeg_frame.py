"""What the frame of a JPEG announces, and whether its scans bring all of it (ITU-T T.81)."""

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
    """A colour of the picture and its sampling factors, 1 to 4."""

    id: int
    across: int
    down: int


@dataclass
class Frame:
    """What the frame header announces, and which coefficients the scans have brought."""

    width: int = 0
    height: int = 0
    progressive: bool = False
    several_scans: bool = False
    components: list[Component] = field(default_factory=list)
    # By component: how many low bits of each of the 64 coefficients have not come yet.
    missing: dict[int, list[int]] = field(default_factory=dict)
    # By AC table: what the code of zeros only stands for.
    zero_symbols: dict[int, int] = field(default_factory=dict)

    def begin(self, marker: int, content: bytes) -> None:
        if self.components:
            raise PhotoUnreadable("the photo has two frames")
        if marker in _UNSUPPORTED:
            raise PhotoUnsupported(f"{_UNSUPPORTED[marker]} is not supported")
        if len(content) < 6 or content[5] not in (1, 3, 4) or len(content) < 6 + 3 * content[5]:
            raise PhotoUnreadable("the photo's frame header is damaged")
        if content[0] == 12:
            raise PhotoUnsupported("JPEG of 12 bits a colour is not supported")
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
        """Note what zeros mean in the Huffman tables of a segment (T.81, B.2.4.2)."""
        position = 0
        while position + 17 < len(content):
            kind, count = content[position], sum(content[position + 1 : position + 17])
            if kind & 0x10:
                self.zero_symbols[kind & 15] = content[position + 17]
            position += 17 + count

    def zeros_are_usual(self, header: bytes) -> bool:
        """Whether flat parts of a picture make long runs of zeros in a scan.

        They do where zeros end a block, as in tables made for the photo.  In the tables
        that T.81 suggests they make noise of each block of luminance.
        """
        tables = [selectors & 15 for selectors in header[2 : 1 + 2 * header[0] : 2]]
        symbols = {self.zero_symbols.get(table, _END_OF_BLOCK) for table in tables}
        return self.progressive or symbols <= {_END_OF_BLOCK}

    def scan(self, content: bytes) -> bytes:
        """Count a scan's coefficients; its header, with what sequential scans must say."""
        count = content[0] if content else 0
        header = content[: 4 + 2 * count]
        if not count or len(header) < 4 + 2 * count:
            raise PhotoUnreadable("a scan's header is damaged")
        first, last, bits = header[-3:]
        if not self.progressive:
            # Some cameras write other values, which nothing depends on.
            first, last, bits = 0, 63, 0
            header = header[:-3] + bytes((first, last, bits))
        self.several_scans |= self.progressive or count < len(self.components)
        for id in header[1 : 1 + 2 * count : 2]:
            for coefficient in range(first, min(last, 63) + 1):
                if id in self.missing:
                    self.missing[id][coefficient] = bits & 15
        return header

    def check_complete(self) -> None:
        """Raises `PhotoUnreadable` where a coefficient of any component never came."""
        if not self.components:
            raise PhotoUnreadable("the photo is truncated")
        if any(any(bits) for bits in self.missing.values()):
            raise PhotoUnreadable("the photo is truncated: scans are missing")
