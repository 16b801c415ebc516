"""The benchmark's photos, drawn by the product at the sizes that phones send.

Real photos cannot be shipped.  A drawn scene is smoother than a real one, which
would make its JPEG cheaper to decode, so sensor noise is added until each photo's
file is as large as a phone's photo of that size.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import cv2
import numpy as np

from benchmarks.machine_facts import cores

FOLDER = Path("var/benchmarks/photos-1")
DRAWN_SIZE_PX = (1600, 1200)  # larger drawings would take too long
SIZES = {"2mp": (1600, 1200), "12mp": (4032, 3024)}
# Standard deviation of the noise; with it the photos have 0.5 and 3.5 MB, as phones' do.
GRAIN = {"2mp": 5.0, "12mp": 7.0}
JPEG_QUALITY_PERCENT = 90
DAMAGES: tuple[tuple[str, ...], ...] = (
    ("scratch",), ("dent",), ("breakage",), ("spacing",),
    ("dent", "scratch"), ("breakage",), ("scratch",), ("dent",),
)  # fmt: skip
CLEAN_PHOTOS = 16


@dataclass(frozen=True, slots=True)
class Album:
    """Paths of JPEGs by size (``2mp``, ``12mp``) and kind (``damaged``, ``clean``)."""

    folder: Path

    def paths(self, size: str, kind: str) -> list[Path]:
        """The photos of one size and kind, always in the same order."""
        return sorted((self.folder / size).glob(f"{kind}-*.jpg"))

    def sequence(self, size: str, mix: str, count: int, seed: int = 0) -> list[Path]:
        """``count`` photos in random order: all ``damaged``, or ``realistic`` (a tenth damaged)."""
        damaged, clean = self.paths(size, "damaged"), self.paths(size, "clean")
        if mix == "damaged":
            kinds = [damaged] * 10
        elif mix == "clean":
            kinds = [clean] * 10
        else:
            kinds = [damaged] + [clean] * 9
        random = Random(seed)
        taken = {id(damaged): 0, id(clean): 0}
        photos: list[Path] = []
        while len(photos) < count:
            ten = list(kinds)
            random.shuffle(ten)
            for kind in ten:
                photos.append(kind[taken[id(kind)] % len(kind)])
                taken[id(kind)] += 1
        return photos[:count]


def open_album(folder: Path = FOLDER, advance: Callable[[int, int], None] | None = None) -> Album:
    """The album in ``folder``; if missing, it is drawn first, which takes a minute or two.

    ``advance`` is called with the number of scenes drawn and their total.
    """
    done = folder / "done.json"
    if not done.exists():
        scenes = [(f"damaged-{n:02d}", 4100 + n, kinds) for n, kinds in enumerate(DAMAGES)]
        scenes += [(f"clean-{n:02d}", 4200 + n, ()) for n in range(CLEAN_PHOTOS)]
        for size in SIZES:
            (folder / size).mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(cores()) as pool:
            for number, _ in enumerate(pool.map(partial(_draw, folder), scenes), 1):
                if advance:
                    advance(number, len(scenes))
        done.write_text(json.dumps({"scenes": len(scenes), "drawn": DRAWN_SIZE_PX}))
    return Album(folder)


def _draw(folder: Path, scene: tuple[str, int, tuple[str, ...]]) -> None:
    from damage_tasks.samples import draw_sample

    name, seed, damages = scene
    cv2.setNumThreads(1)
    sample = draw_sample(seed, size=DRAWN_SIZE_PX, damages=damages)
    rng = np.random.default_rng(seed)
    for size, (width, height) in SIZES.items():
        photo = sample.photo
        if (width, height) != DRAWN_SIZE_PX:
            photo = np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_CUBIC))
        grain = rng.normal(0, GRAIN[size], (height, width, 1)).astype(np.float32)
        noisy = np.clip(photo + grain, 0, 255).astype(np.uint8)
        jpeg = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY_PERCENT])[1]
        (folder / size / f"{name}.jpg").write_bytes(jpeg.tobytes())
