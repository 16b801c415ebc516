"""``python -m benchmarks.lost_data FOLDER``: how much lost data goes undetected.

Converts each photo of the folder to every format, removes or changes part of its data
at a random position, and counts the files that are decoded anyway.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import pillow_heif
import typer
from PIL import Image

from damage_tasks.errors import PhotoRejected
from damage_tasks.photos import decode
from tools.drawn_heic_files import heic_grid

pillow_heif.register_heif_opener()

SIDE_PX = 800
TILE_SIDE_PX = 256
TRIES_PER_LOSS = 2

Loss = Callable[[bytes, int, random.Random], bytes]


def _range(data: bytes, first: int, size: float, random: random.Random) -> tuple[int, int]:
    """A part of ``size`` bytes, or of that share if it is below 1; spares the last two bytes."""
    count = int(size if size >= 1 else (len(data) - first) * size)
    start = random.randrange(first, max(first + 1, len(data) - count - 2))
    return start, min(start + count, len(data) - 2)


def _missing(size: float) -> Loss:
    def lose(data: bytes, first: int, random: random.Random) -> bytes:
        start, end = _range(data, first, size, random)
        return data[:start] + data[end:]

    return lose


def _zeros(size: float) -> Loss:
    def lose(data: bytes, first: int, random: random.Random) -> bytes:
        start, end = _range(data, first, size, random)
        return data[:start] + bytes(end - start) + data[end:]

    return lose


def _overwritten(size: float) -> Loss:
    def lose(data: bytes, first: int, random: random.Random) -> bytes:
        start, end = _range(data, first, size, random)
        return data[:start] + random.randbytes(end - start) + data[end:]

    return lose


def _swapped(size: int) -> Loss:
    def lose(data: bytes, first: int, random: random.Random) -> bytes:
        blocks = [data[start : start + size] for start in range(first, len(data) - size, size)]
        if len(blocks) < 2:
            return data
        one, other = random.sample(range(len(blocks)), 2)
        blocks[one], blocks[other] = blocks[other], blocks[one]
        return data[:first] + b"".join(blocks) + data[first + len(blocks) * size :]

    return lose


def _truncated(data: bytes, first: int, random: random.Random) -> bytes:
    return data[: random.randrange(first, len(data) - 3)] + data[-2:]


def _one_bit(data: bytes, first: int, random: random.Random) -> bytes:
    place = random.randrange(first, len(data) - 2)
    return data[:place] + bytes((data[place] ^ 1 << random.randrange(8),)) + data[place + 1 :]


LOSSES: dict[str, tuple[Loss, ...]] = {
    "end lost, end marker present": (_truncated,),
    "part missing, 512 B to 30 %": (_missing(512), _missing(4096), _missing(0.3)),
    "hole of zeros, 64 B to 30 %": (_zeros(64), _zeros(512), _zeros(4096), _zeros(0.3)),
    "16 B missing or zero": (_missing(16), _zeros(16)),
    "512 B to 30 % overwritten": (_overwritten(512), _overwritten(4096), _overwritten(0.3)),
    "16 B overwritten": (_overwritten(16),),
    "two blocks swapped": (_swapped(512), _swapped(4096)),
    "one bit": (_one_bit,),
}


def _written(format: str, **options: object) -> Callable[[Image.Image], bytes]:
    def write(picture: Image.Image) -> bytes:
        file = io.BytesIO()
        picture.save(file, format, **options)
        return file.getvalue()

    return write


def _grid(picture: Image.Image) -> bytes:
    return heic_grid(picture.resize((3 * TILE_SIDE_PX, 2 * TILE_SIDE_PX)), TILE_SIDE_PX)


FORMATS: dict[str, tuple[Callable[[Image.Image], bytes], bytes]] = {
    "JPEG": (_written("JPEG", quality=85), b"\xff\xda"),
    "JPEG, tables of its own": (_written("JPEG", quality=90, optimize=True), b"\xff\xda"),
    "JPEG, restart markers": (_written("JPEG", quality=85, restart_marker_rows=1), b"\xff\xda"),
    "JPEG, progressive": (_written("JPEG", quality=85, progressive=True), b"\xff\xda"),
    "WebP": (_written("WEBP", quality=80), b"VP8 "),
    "WebP, lossless": (_written("WEBP", lossless=True, method=2), b"VP8L"),
    "HEIC, one picture": (_written("HEIF", quality=70), b"mdat"),
    "HEIC, tiles": (_grid, b"mdat"),
    "PNG": (_written("PNG", compress_level=1), b"IDAT"),
}
# Headers of the data that is damaged.
SKIPPED_BYTES = 24


def main(
    folder: Path,
    photos: Annotated[int, typer.Option(min=1, help="Maximum number of photos.")] = 40,
    seed: int = 1,
) -> None:
    """Print a Markdown table: the share of losses that went undetected."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png", ".webp"))
    paths = random.Random(seed).sample(paths, min(photos, len(paths)))
    unnoticed = {(format, loss): [0, 0] for format in FORMATS for loss in LOSSES}
    for path in paths:
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((SIDE_PX, SIDE_PX))
        for format, (write, start) in FORMATS.items():
            data = write(picture)
            first = data.index(start) + SKIPPED_BYTES
            seeded = random.Random(f"{seed} {path.name} {format}")
            for name, losses in LOSSES.items():
                for loss in losses * TRIES_PER_LOSS:
                    lost = loss(data, first, seeded)
                    if lost != data:
                        counts = unnoticed[format, name]
                        counts[0] += _examined(lost)
                        counts[1] += 1
    typer.echo(_row("", FORMATS))
    typer.echo("| --- " * (len(FORMATS) + 1) + "|")
    for name in LOSSES:
        cells = [unnoticed[format, name] for format in FORMATS]
        typer.echo(_row(name, [f"{n / of:.1%}" if of else "-" for n, of in cells]))


def _row(name: str, cells: Iterable[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"


def _examined(data: bytes) -> bool:
    try:
        decode(data, side=SIDE_PX // 2)
    except PhotoRejected:
        return False
    return True


if __name__ == "__main__":
    typer.run(main)
