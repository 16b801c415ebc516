"""From masks to damaged areas: connected regions with outline, size, confidence and severity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.damage import Damage, severity_of
from damage_tasks.inspection import Verdict
from damage_tasks.vision.bounding_box import box_around

if TYPE_CHECKING:
    from damage_tasks.vision.segmenter import Segmentation
    from damage_tasks.vision.view_results import Mask
    from model_store.manifest import Decision

# Share of a region's size; a finer outline would not be more accurate than the mask.
OUTLINE_TOLERANCE_RATIO = 0.01
MAX_DAMAGES = 100


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The outcome of an inspection: verdict, damaged areas and class mask (H x W uint8 ids)."""

    verdict: Verdict
    damages: tuple[Damage, ...]
    mask: NDArray[np.uint8]


def conclude(
    found: Segmentation, photo_size: tuple[int, int], decision: Decision, types: Sequence[str]
) -> Conclusion:
    """The verdict and damaged areas of a photo of ``photo_size`` (width, height).

    A photo is damaged if its score reaches the decision's threshold and at least one
    region remains; otherwise no region counts.
    """
    width, height = found.size
    undamaged = np.zeros((height, width), np.uint8)
    if found.ended is not None:
        return Conclusion(found.ended, (), undamaged)
    if found.damage_score >= decision.threshold:
        damages, kept = measure_damages(found.masks, photo_size)
        if damages:
            mask = class_mask(kept, found.masks, types, found.size)
            return Conclusion(Verdict.DAMAGED, damages, mask)
    return Conclusion(Verdict.CLEAN, (), undamaged)


def measure_damages(
    masks: Mapping[str, Mask], photo_size: tuple[int, int]
) -> tuple[tuple[Damage, ...], dict[str, NDArray[np.bool_]]]:
    """The damaged areas in ``masks``, largest first, and the masks without the dropped regions.

    Outlines and areas refer to a photo of ``photo_size`` (width, height).
    Regions below their policy's ``min_area_ratio`` are dropped, as are the smallest
    if there are more than 100.
    """
    damages: list[Damage] = []
    kept = {}
    for type, mask in masks.items():
        found, pixels = _regions(type, mask, photo_size)
        damages += found
        kept[type] = pixels
    damages.sort(key=lambda damage: -damage.area_px)
    return tuple(damages[:MAX_DAMAGES]), kept


def class_mask(
    masks: Mapping[str, NDArray[np.bool_]],
    probabilities: Mapping[str, Mask],
    types: Sequence[str],
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    """One class id per pixel (H x W uint8): 1 + the type's index in ``types``, 0 for undamaged.

    Where masks overlap, the type whose probability is the largest multiple of its policy's
    threshold wins.
    ``size`` is (width, height).
    """
    ids = np.zeros(size[::-1], np.uint8)
    best = np.full(size[::-1], -np.inf, np.float32)
    for type, pixels in masks.items():
        where = box_around(pixels)
        if where is None:
            continue
        lead = probabilities[type].claims(where)
        wins = pixels[where] & (lead > best[where])
        np.copyto(ids[where], 1 + types.index(type), where=wins)
        np.copyto(best[where], lead, where=wins)
    return ids


def _regions(
    type: str, mask: Mask, photo_size: tuple[int, int]
) -> tuple[list[Damage], NDArray[np.bool_]]:
    height, width = mask.pixels.shape
    around = box_around(mask.pixels)
    if around is None:
        return [], mask.pixels
    top, left = (side.start for side in around)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.pixels[around].astype(np.uint8), connectivity=8
    )
    smallest = mask.policy.min_area_ratio * height * width
    kept = np.zeros(count, bool)
    kept[1:] = stats[1:, cv2.CC_STAT_AREA] >= max(1.0, smallest)
    damages = []
    for label in np.flatnonzero(kept):
        x, y, w, h, area = (int(value) for value in stats[label])
        region = labels[y : y + h, x : x + w] == label
        x, y = left + x, top + y
        window = np.s_[y : y + h, x : x + w]
        confidence = float(mask.probabilities[window][region].mean())
        ratio = area / (height * width)
        polygon = _outline(region, (x, y), (width, height), photo_size)
        damages.append(
            Damage(
                type=type,
                confidence=round(confidence, 3),
                severity=severity_of(type, ratio),
                area_px=max(1, round(ratio * photo_size[0] * photo_size[1])),
                area_ratio=round(ratio, 6),
                bbox=_box(x, y, w, h, (width, height), photo_size),
                polygon=polygon,
            )
        )
    if kept[1:].all():
        return damages, mask.pixels
    pixels = np.zeros_like(mask.pixels)
    pixels[around] = kept[labels]
    return damages, pixels


def _outline(
    region: NDArray[np.bool_],
    corner: tuple[int, int],
    size: tuple[int, int],
    photo_size: tuple[int, int],
) -> tuple[tuple[int, int], ...]:
    contours, _ = cv2.findContours(
        region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    contour = max(contours, key=len)
    tolerance = OUTLINE_TOLERANCE_RATIO * max(region.shape)
    contour = cv2.approxPolyDP(contour, max(0.75, tolerance), closed=True)
    # A contour runs through pixel centres.
    points = (contour[:, 0, :] + np.array(corner) + 0.5) * np.array(photo_size) / np.array(size)
    limit = np.array(photo_size) - 1
    return tuple((int(x), int(y)) for x, y in np.clip(np.floor(points), 0, limit))


def _box(
    x: int, y: int, w: int, h: int, size: tuple[int, int], photo_size: tuple[int, int]
) -> tuple[int, int, int, int]:
    across, down = photo_size[0] / size[0], photo_size[1] / size[1]
    left, top = int(x * across), int(y * down)
    right = min(photo_size[0], round((x + w) * across))
    bottom = min(photo_size[1], round((y + h) * down))
    return left, top, max(1, right - left), max(1, bottom - top)
