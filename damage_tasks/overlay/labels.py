"""Numbered labels next to the damaged areas, placed so that they cover none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.damage import Damage
from damage_tasks.inspection import percent
from damage_tasks.overlay.outlines import DARK_COLOUR, LIGHT_COLOUR, Pen, Picture, Points, Style
from damage_tasks.overlay.text import text_width, write_text

# If the labels covered more of the picture than this, their text would hide the car: then
# only the numbers are drawn, and the legend explains them.
MAX_LABEL_AREA_RATIO = 0.12


@dataclass(frozen=True, slots=True)
class _Label:
    number: str
    words: str
    chip: int
    width: int
    height: int

    @classmethod
    def of(cls, number: int, words: str, pen: Pen) -> _Label:
        pad = round(0.7 * pen.text)
        chip = text_width(str(number), pen) + pad
        width = chip + text_width(words, pen) + pad if words else chip
        return cls(str(number), words, chip, width, round(1.5 * pen.text))


def draw_labels(
    stage: Picture,
    damages: Sequence[Damage],
    around: Sequence[Points],
    styles: Sequence[Style],
    pen: Pen,
) -> None:
    """Number each damaged area on the nearest free paint, with a leader line if needed.

    ``around`` holds, for each damaged area, the points of the line around it.
    """
    words = [f"{damage.type} {percent(damage.confidence)}" for damage in damages]
    labels = [_Label.of(n, w, pen) for n, w in enumerate(words, 1)]
    room = MAX_LABEL_AREA_RATIO * stage.shape[0] * stage.shape[1]
    crowded = sum(label.width * label.height for label in labels) > room
    if crowded or any(label.width > stage.shape[1] - pen.text for label in labels):
        labels = [_Label.of(n, "", pen) for n, _ in enumerate(damages, 1)]

    cell = max(3, pen.text // 3)
    regions = [_region(stage, points, cell) for points in around]
    taken = np.zeros((stage.shape[0] // cell, stage.shape[1] // cell), np.float32)
    for region in regions:
        taken += cv2.dilate(region, np.ones((3, 3)))
    places = []
    for label, region in zip(labels, regions, strict=True):
        columns, rows = -(-label.width // cell), -(-label.height // cell)
        column, row = _nearest_free(taken, region, columns, rows)
        taken[row : row + rows, column : column + columns] += len(labels)
        places.append((column * cell, row * cell))
    # All leaders first, so that none crosses a number.
    for label, place, points, style in zip(labels, places, around, styles, strict=True):
        _draw_leader(stage, label, place, points, style, pen)
    for label, place, style in zip(labels, places, styles, strict=True):
        _draw_plate(stage, label, place, style, pen)


def _region(stage: Picture, around: Points, cell: int) -> Picture:
    region = np.zeros((stage.shape[0] // cell, stage.shape[1] // cell), np.uint8)
    cv2.fillPoly(region, [(around / cell).astype(np.int32)], (1,))
    return region


def _nearest_free(
    taken: NDArray[np.float32], region: Picture, columns: int, rows: int
) -> tuple[int, int]:
    """Column and row at which a box covers the fewest taken cells and is nearest to ``region``."""
    covered = cv2.boxFilter(
        taken,
        cv2.CV_32F,
        (columns, rows),
        anchor=(0, 0),
        normalize=False,
        borderType=cv2.BORDER_CONSTANT,
    )
    distance = cv2.distanceTransform(1 - region, cv2.DIST_L2, 3)
    distance = cv2.erode(distance, np.ones((rows, columns), np.uint8), anchor=(0, 0))
    last_row, last_column = taken.shape[0] - rows, taken.shape[1] - columns
    at = np.argwhere(region)
    top, middle = at[:, 0].min(), at[:, 1].mean()
    y, x = np.ogrid[: last_row + 1, : last_column + 1]
    # Of equally near places, one above the damage reads best.
    drift = np.hypot(y + rows - top, x + columns / 2 - middle)
    cost = (1e4 * covered + distance)[: last_row + 1, : last_column + 1] + 0.05 * drift
    row, column = np.unravel_index(np.argmin(cost), cost.shape)
    return int(column), int(row)


def _draw_leader(
    stage: Picture, label: _Label, at: tuple[int, int], around: Points, style: Style, pen: Pen
) -> None:
    on_plate = np.clip(around, at, (at[0] + label.width, at[1] + label.height))
    gaps = np.hypot(*(around - on_plate).T)
    nearest = np.argmin(gaps)
    if gaps[nearest] > 0.6 * pen.text:
        leader = np.stack([on_plate[nearest], around[nearest]])
        pen.draw(stage, [(leader, style.unbroken())], closed=False)


def _draw_plate(stage: Picture, label: _Label, at: tuple[int, int], style: Style, pen: Pen) -> None:
    x, y = at
    corner = (x + label.width - 1, y + label.height - 1)
    cv2.rectangle(stage, at, corner, DARK_COLOUR, -1)
    cv2.rectangle(stage, at, (x + label.chip - 1, corner[1]), style.colour, -1)
    cv2.rectangle(stage, at, corner, DARK_COLOUR, pen.halo)
    base, inset = y + round(1.1 * pen.text), round(0.35 * pen.text)
    write_text(stage, label.number, (x + inset, base), pen, DARK_COLOUR)
    if label.words:
        write_text(stage, label.words, (x + label.chip + inset, base), pen, LIGHT_COLOUR)
