"""``python -m benchmarks.decoding_cost FOLDER``: the cost of checking photos while decoding.

Compares `decode`, which detects missing data, with Pillow, which conceals it, on the same
photos: CPU time of both by format, interleaved, fastest of several rounds.
"""

from __future__ import annotations

import io
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import pillow_heif
import typer
from PIL import Image

from damage_tasks.photos import decode
from damage_tasks.photos.quality import judge_quality
from damage_tasks.resize import fitting, shrink

pillow_heif.register_heif_opener()

SIDE_PX = 1024


def lenient(data: bytes) -> None:
    """The same work as `decode`, with Pillow and without checks."""
    picture = Image.open(io.BytesIO(data))
    longer = max(picture.size)
    reduction = next((n for n in (8, 4, 2) if longer / n >= SIDE_PX * 0.75), 1)
    if picture.format == "JPEG" and reduction > 1:
        picture.draft(None, (picture.width // reduction, picture.height // reduction))
        reduction = 1
    picture.getexif()
    pixels = picture.convert("RGB")
    if reduction > 1:
        pixels = pixels.reduce(reduction)
    bgr = np.asarray(cv2.cvtColor(np.asarray(pixels), cv2.COLOR_RGB2BGR), np.uint8)
    judge_quality(shrink(bgr, fitting(bgr, SIDE_PX)))


def main(
    folder: Path,
    photos: Annotated[int, typer.Option(min=1, help="Maximum number of photos.")] = 100,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
) -> None:
    """Print, by format, CPU milliseconds per photo, their difference and their ratio."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    paths = random.Random(1).sample(paths, min(photos, len(paths)))
    spent: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for path in paths:
        data = path.read_bytes()
        checked = plain = float("inf")
        for _ in range(rounds):
            start = time.process_time()
            decode(data, side=SIDE_PX, min_side=1)
            middle = time.process_time()
            lenient(data)
            checked = min(checked, middle - start)
            plain = min(plain, time.process_time() - middle)
        spent[path.suffix].append((checked, plain))
    typer.echo("| format | photos | checked, ms | plain, ms | difference, ms | ratio |")
    typer.echo("| --- | --- | --- | --- | --- | --- |")
    for suffix, times in sorted(spent.items()):
        checked, plain = (1000 * sum(column) / len(times) for column in zip(*times, strict=True))
        figures = f"{checked:.2f} | {plain:.2f} | {checked - plain:+.2f} | {checked / plain:.2f}"
        typer.echo(f"| {suffix} | {len(times)} | {figures} |")


if __name__ == "__main__":
    typer.run(main)
