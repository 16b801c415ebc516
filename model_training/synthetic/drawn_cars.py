"""A folder of drawn car photos with known damage, in our own data set format."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from damage_tasks.samples.car_photo import draw_sample
from model_training.data.labelled_photos import split_by_id

# Far from the seeds of the published samples.
FIRST_SEED = 100_000
MANIFEST_COLUMNS = ("id", "image", "mask", "kind", "split")
DAMAGE_COMBINATIONS: tuple[tuple[str, ...], ...] = (
    (),
    (),
    (),
    ("scratch",),
    ("dent",),
    ("spacing",),
    ("spacing",),
    ("breakage",),
    ("dent", "scratch"),
)


def write_drawn_cars(
    folder: Path, count: int, seed: int = FIRST_SEED, console: Console | None = None
) -> Path:
    """Draw ``count`` cars into ``folder``; returns the path of its ``manifest.csv``.

    Photos are 640 px wide or high, some slightly dark or blurred, JPEG; masks contain
    class ids.  The result depends only on ``seed``.
    """
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = []
    numbers = range(seed, seed + count)
    for number in track(numbers, "drawn cars", console=console, disable=console is None):
        rng = np.random.default_rng(number)
        size = (640, 480) if rng.random() < 0.75 else (480, 640)
        sample = draw_sample(
            number,
            size=size,
            damages=DAMAGE_COMBINATIONS[number % len(DAMAGE_COMBINATIONS)],
            stops=float(rng.normal(0, 0.5)),
            blur=float(max(0.0, rng.normal(-0.3, 0.8))),
        )
        photo_id = f"drawn_{number}"
        row = {"id": photo_id, "kind": "drawn", "split": split_by_id(photo_id)}
        row |= {"image": f"images/{photo_id}.jpg", "mask": f"masks/{photo_id}.png"}
        cv2.imwrite(str(folder / row["image"]), sample.photo, [cv2.IMWRITE_JPEG_QUALITY, 92])
        cv2.imwrite(str(folder / row["mask"]), sample.mask)
        rows.append(row)
    table = folder / "manifest.csv"
    with table.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, MANIFEST_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return table
