"""Golden photos: small drawn pictures with the results that the bundle must produce.

The worker examines them before it serves; a different result means that the machine,
the engine or the weights differ from what was shipped.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
from rich.console import Console

from damage_tasks.inspection import Verdict
from damage_tasks.photos import decode
from damage_tasks.samples.car_photo import Sample, draw_sample
from damage_tasks.vision.measurement import Conclusion, conclude
from damage_tasks.vision.segmenter import Segmenter
from model_training.data.label_formats.photo_finder import PHOTO_SUFFIXES

GOLDEN_FOLDER = "golden"
PHOTO_SIZE_PX = (640, 480)
FIRST_SEED = 50_000  # used neither for published samples nor for training
MAX_DRAWINGS_PER_PHOTO = 40
KINDS: dict[str, tuple[str, ...]] = {
    "clean": (),
    "scratch": ("scratch",),
    "dent": ("dent",),
    "breakage": ("breakage",),
}
SCORE_TOLERANCE = 0.1
AREA_TOLERANCE = 0.02


def write_golden(
    out: Path, segmenter: Segmenter, console: Console | None = None
) -> list[dict[str, Any]]:
    """Draw the golden photos into ``out/golden``; returns their entries for the manifest.

    For each kind, uses the first drawn photo whose verdict and type the bundle
    gets clearly right.  If it gets none right, uses the photo whose score is
    furthest from the threshold, with the wrong result, and warns on ``console``:
    it still proves that a machine computes the same as this one.
    """
    folder = out / GOLDEN_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for name, damages in KINDS.items():
        entry, right = _golden(name, damages, folder, segmenter)
        entries.append(entry)
        if not right and console:
            console.print(
                f"golden photo {name}: "
                f"the bundle gets none of {MAX_DRAWINGS_PER_PHOTO} drawn cars right",
                style="yellow",
            )
    return entries


def golden_entries(out: Path, segmenter: Segmenter) -> list[dict[str, Any]]:
    """Manifest entries for the photos in ``out/golden``, with the bundle's results for them."""
    paths = sorted(
        path for path in (out / GOLDEN_FOLDER).glob("*") if path.suffix.lower() in PHOTO_SUFFIXES
    )
    return [_entry(path.name, path.read_bytes(), segmenter) for path in paths]


def _golden(
    name: str, damages: tuple[str, ...], folder: Path, segmenter: Segmenter
) -> tuple[dict[str, Any], bool]:
    """The entry for a photo of one kind, and whether the bundle gets it right."""
    path = folder / f"{name}.jpg"
    best, furthest = b"", -1.0
    entry: dict[str, Any] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + MAX_DRAWINGS_PER_PHOTO):
        sample = draw_sample(seed, size=PHOTO_SIZE_PX, damages=damages)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
        data = cv2.imencode(".jpg", sample.photo, quality)[1].tobytes()
        new = _entry(path.name, data, segmenter)
        right = _is_right(sample, new, segmenter)
        margin = abs(new["damage_score"] - segmenter.decision.threshold)
        if right or margin > furthest:
            best, furthest, entry = data, margin, new
        if right:
            break
    path.write_bytes(best)
    return entry, right


def _entry(name: str, data: bytes, segmenter: Segmenter) -> dict[str, Any]:
    """The manifest entry for the photo ``data``, with the bundle's result for it."""
    photo = decode(data, side=segmenter.side)
    found = segmenter.segment(photo.pixels)
    size = (photo.width, photo.height)
    conclusion = conclude(found, size, segmenter.decision, segmenter.types)
    return {
        "photo": f"{GOLDEN_FOLDER}/{name}",
        "sha256": hashlib.sha256(data).hexdigest(),
        "verdict": str(conclusion.verdict),
        "damage_score": found.damage_score,
        "score_tolerance": SCORE_TOLERANCE,
        "areas": _areas(conclusion, segmenter),
        "area_tolerance": AREA_TOLERANCE,
        "scores": dict(found.scores),
    }


def _is_right(sample: Sample, entry: dict[str, Any], segmenter: Segmenter) -> bool:
    """Whether verdict and type are right, and the score far enough from the threshold."""
    score, areas, threshold = entry["damage_score"], entry["areas"], segmenter.decision.threshold
    if entry["verdict"] != sample.expected:
        return False
    if sample.expected is Verdict.CLEAN:
        return bool(score < threshold - SCORE_TOLERANCE)
    return (
        score > threshold + SCORE_TOLERANCE
        and bool(areas)
        and max(areas, key=lambda name: areas[name]) in sample.types
    )


def _areas(conclusion: Conclusion, segmenter: Segmenter) -> dict[str, float]:
    shares = {
        name: float((conclusion.mask == place).mean())
        for place, name in enumerate(segmenter.types, 1)
    }
    return {name: share for name, share in shares.items() if share > 0}
