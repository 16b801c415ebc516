"""Images for the model card: drawn cars with the damage that a bundle finds on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.inspection import Verdict
from damage_tasks.overlay import render_overlay
from damage_tasks.samples.car_photo import draw_sample
from damage_tasks.vision.measurement import conclude
from damage_tasks.vision.segmenter import Segmenter

Photo = NDArray[np.uint8]

PHOTO_SIZE_PX = (640, 480)  # width and height
TILE_SIZE_PX = (480, 440)
# Chosen before any training, never by result.
EXAMPLE_SEEDS = range(60_001, 60_009)
FAILURE_SEEDS = range(60_009, 60_041)  # also searched for failures
MAX_FAILURES = 4


@dataclass(frozen=True, slots=True)
class Album:
    """How many drawn cars were examined, how many got a wrong verdict, and how many are shown."""

    clean: int
    alarms: int
    damaged: int
    missed: int
    shown: int


def draw_album(segmenter: Segmenter, folder: Path) -> Album:
    """Write ``examples.jpg`` and, if a verdict is wrong, ``failures.jpg``."""
    examples: list[Photo] = []
    failures: list[Photo] = []
    looked = {Verdict.CLEAN: 0, Verdict.DAMAGED: 0}
    wrong = {Verdict.CLEAN: 0, Verdict.DAMAGED: 0}
    for seed in (*EXAMPLE_SEEDS, *FAILURE_SEEDS):
        sample = draw_sample(seed, size=PHOTO_SIZE_PX)
        found = segmenter.segment(sample.photo)
        conclusion = conclude(found, PHOTO_SIZE_PX, segmenter.decision, segmenter.types)
        is_wrong = conclusion.verdict is not sample.expected
        looked[sample.expected] += 1
        wrong[sample.expected] += is_wrong
        if seed not in EXAMPLE_SEEDS and not (is_wrong and len(failures) < MAX_FAILURES):
            continue
        tile = _tile(
            render_overlay(
                sample.photo,
                conclusion.damages,
                photo_size=PHOTO_SIZE_PX,
                types=segmenter.types,
                verdict=conclusion.verdict,
                damage_score=found.damage_score,
            )
        )
        if seed in EXAMPLE_SEEDS:
            examples.append(tile)
        if is_wrong and len(failures) < MAX_FAILURES:
            failures.append(tile)
    _write(folder / "examples.jpg", examples)
    (folder / "failures.jpg").unlink(missing_ok=True)
    if failures:
        _write(folder / "failures.jpg", failures)
    return Album(
        clean=looked[Verdict.CLEAN],
        alarms=wrong[Verdict.CLEAN],
        damaged=looked[Verdict.DAMAGED],
        missed=wrong[Verdict.DAMAGED],
        shown=len(failures),
    )


def _tile(shown: Photo) -> Photo:
    scale = TILE_SIZE_PX[0] / shown.shape[1]
    shown = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.zeros((TILE_SIZE_PX[1], TILE_SIZE_PX[0], 3), np.uint8)  # legends differ in height
    tile[: min(len(shown), TILE_SIZE_PX[1])] = shown[: TILE_SIZE_PX[1]]
    return tile


def _write(path: Path, tiles: Sequence[Photo]) -> None:
    blank = np.zeros_like(tiles[0])
    rows = [[*tiles[i : i + 4]] for i in range(0, len(tiles), 4)]
    rows[-1] += [blank] * (len(rows[0]) - len(rows[-1]))
    picture = np.vstack([np.hstack(row) for row in rows])
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
