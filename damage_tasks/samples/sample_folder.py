"""A folder of sample photos in the formats that users send, with their truth."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.samples.car_photo import TYPES, Sample, draw_sample


@dataclass(frozen=True, slots=True)
class _Plan:
    """One photo of the folder: its content, and the special properties of its file."""

    seed: int
    damages: tuple[str, ...]
    view: str | None = None
    suffix: str = ".jpg"
    special: str = ""


# Seeds with good-looking photos; a third of the cars are clean.
_PLANS = (
    _Plan(104, ("scratch",), "door"),
    _Plan(207, ()),
    _Plan(301, ("dent",), "rear-door"),
    _Plan(401, ("breakage",), "window"),
    _Plan(506, ("spacing",), "door", suffix=".png"),
    _Plan(603, ()),
    _Plan(703, ("scratch",), "rear-door", special="rotated"),
    _Plan(803, ("dent", "scratch"), "rear-door", suffix=".webp"),
    _Plan(901, (), special="blurred"),
    _Plan(1006, ("dent",), "door", special="dark"),
    _Plan(1105, ("breakage",), "bumper"),
    _Plan(1207, ()),
)


def write_samples(
    folder: Path | str, count: int = 12, *, size: tuple[int, int] = (1280, 960)
) -> list[Path]:
    """Write ``count`` sample photos and their ``truth.json`` into ``folder``; returns the photos.

    ``size`` is (width, height) in pixels, swapped for the photo that is stored sideways.

    Each dozen contains all damage types, four clean cars, a dark photo, a blurred
    one, one stored sideways with an EXIF orientation, a PNG and a WebP; the rest
    are upright JPEGs.  A missing folder is created, and files with the
    same names are overwritten with the same bytes.

    ``truth.json`` is a list with one object per photo: file, expected (a verdict),
    types, width and height in pixels after EXIF rotation, special (``rotated``,
    ``dark``, ``blurred`` or empty), seed, and damages, each with type, bbox
    (x, y, width, height) and area_ratio (0 to 1).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    photos, truth = [], []
    for number in range(count):
        round_, place = divmod(number, len(_PLANS))
        plan = _PLANS[place]
        seed = plan.seed + 10_000 * round_
        sample = draw_sample(
            seed,
            size=size[::-1] if plan.special == "rotated" else size,
            damages=plan.damages,
            view=plan.view,
            stops=-3.2 if plan.special == "dark" else 0.0,
            blur=0.007 * max(size) if plan.special == "blurred" else 0.0,
        )
        words = [f"{number + 1:02d}", sample.name, plan.special]
        path = folder / ("-".join(filter(None, words)) + plan.suffix)
        path.write_bytes(_encoded(sample.photo, plan))
        photos.append(path)
        truth.append(
            {"file": path.name, **_truth_of(sample), "special": plan.special, "seed": seed}
        )
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")
    return photos


def _truth_of(sample: Sample) -> dict[str, Any]:
    height, width = sample.mask.shape
    damages = []
    for class_id, name in enumerate(TYPES, 1):
        shape = (sample.mask == class_id).astype(np.uint8)
        if shape.any():
            box = cv2.boundingRect(shape)
            damages.append(
                {
                    "type": name,
                    "bbox": list(box),
                    "area_ratio": round(float(shape.mean()), 5),
                }
            )
    return {
        "expected": sample.expected.value,
        "types": list(sample.types),
        "width": width,
        "height": height,
        "damages": damages,
    }


def _encoded(photo: NDArray[np.uint8], plan: _Plan) -> bytes:
    if plan.special == "rotated":
        sideways = cv2.rotate(photo, cv2.ROTATE_90_COUNTERCLOCKWISE)
        return _with_orientation(_jpeg(np.asarray(sideways, np.uint8)), 6)
    if plan.suffix == ".jpg":
        return _jpeg(photo)
    options = [cv2.IMWRITE_WEBP_QUALITY, 85] if plan.suffix == ".webp" else []
    return cv2.imencode(plan.suffix, photo, options)[1].tobytes()


def _jpeg(photo: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def _with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """``jpeg`` with an EXIF segment that contains only its orientation (TIFF tag 0x0112)."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    exif = b"Exif\0\0" + tiff
    # Directly after the start marker, as the EXIF standard requires.
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
