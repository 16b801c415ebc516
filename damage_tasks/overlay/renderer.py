"""Renders the image for inspectors: the photo, outlined damaged areas and a legend below.

Outlines run just outside each damaged area, so that no damaged pixel is painted over, and
labels are placed next to it.  Colour, line pattern and text each identify the type.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from damage_tasks.damage import Damage
from damage_tasks.inspection import Verdict
from damage_tasks.overlay.labels import draw_labels
from damage_tasks.overlay.legend import legend_strip
from damage_tasks.overlay.outlines import (
    Pen,
    Picture,
    Points,
    Style,
    frame_corners,
    outline_around,
    style_of,
)
from damage_tasks.resize import fitting, shrink

# Even a photo of a few pixels needs room for a label and a readable legend.
MIN_CANVAS_SIZE_PX = (240, 96)


def render_overlay(
    photo: Picture,
    damages: Sequence[Damage],
    *,
    photo_size: tuple[int, int],
    types: Sequence[str],
    verdict: Verdict,
    damage_score: float,
    side: int = 1024,
) -> Picture:
    """Draw the outlines and numbers of damaged areas, and a legend; ``photo`` is not modified.

    ``photo`` is uint8, H x W x 3, BGR, and may have been decoded at a reduced
    scale; damages are in pixels of the full photo, whose (width, height) is
    ``photo_size``.  ``types`` are the bundle's damage types, class id 1 first;
    a type missing from it is drawn in the next free style.
    ``damage_score`` is 0 to 1.

    Returns uint8 BGR: the photo at the top left with a longer side of ``side``
    pixels (never enlarged; 0 keeps the size), the legend below it, and
    dark margins if the photo is smaller than 240 x 96.  Damages are numbered
    from 1 in the given order.  Raises `ValueError` when ``photo`` has the wrong dtype
    or shape.
    """
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        raise ValueError(f"a photo must be uint8 H x W x 3, not {photo.dtype} {photo.shape}")
    picture = shrink(photo, fitting(photo, side)) if side else photo
    height, width = picture.shape[:2]
    stage_width = max(width, MIN_CANVAS_SIZE_PX[0])
    stage_height = max(height, MIN_CANVAS_SIZE_PX[1])
    pen = Pen.fitting(stage_width, stage_height)
    class_ids = _class_ids(types, damages)
    legend = legend_strip(damages, class_ids, verdict, damage_score, pen, stage_width)

    canvas: Picture = np.zeros((stage_height + len(legend), stage_width, 3), np.uint8)
    canvas[:height, :width] = picture
    canvas[stage_height:] = legend

    scale = np.array([width / photo_size[0], height / photo_size[1]])
    outlines = [_outline(damage, scale, pen, (width, height)) for damage in damages]
    styles = [style_of(class_ids[damage.type]) for damage in damages]
    around = _draw_outlines(canvas[:height, :width], outlines, styles, pen)
    draw_labels(canvas[:stage_height], damages, around, styles, pen)
    return canvas


def _class_ids(types: Sequence[str], damages: Sequence[Damage]) -> dict[str, int]:
    names = dict.fromkeys([*types, *(damage.type for damage in damages)])
    return {name: number for number, name in enumerate(names, 1)}


def _outline(damage: Damage, scale: Points, pen: Pen, size: tuple[int, int]) -> Points:
    """The line around ``damage`` on a picture of ``size`` (width, height)."""
    polygon = np.array(damage.polygon or [damage.bbox[:2]])
    return outline_around((polygon + 0.5) * scale - 0.5, pen, size)


def _draw_outlines(
    picture: Picture, outlines: Sequence[Points], styles: Sequence[Style], pen: Pen
) -> list[Points]:
    """Draw each outline, or only the corners of its frame; returns the points drawn around."""
    height, width = picture.shape[:2]
    frames = [frame_corners(outline, pen, (width, height)) for outline in outlines]
    ticks = [(tick, s.unbroken()) for f, s in zip(frames, styles, strict=True) for tick in f]
    rings = [(o, s) for o, s, f in zip(outlines, styles, frames, strict=True) if not f]
    pen.draw(picture, rings)
    pen.draw(picture, ticks, closed=False)
    return [
        np.array([tick[1] for tick in frame]) if frame else outline
        for frame, outline in zip(frames, outlines, strict=True)
    ]


def encode_jpeg(picture: Picture, quality: int = 85) -> bytes:
    """Encode a picture (uint8, H x W x 3, BGR) as JPEG; ``quality`` is 1 to 100."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def class_mask_png(mask: Picture) -> bytes:
    """Encode a class mask (uint8, H x W, 0 for background, otherwise class ids) losslessly.

    The PNG has one 8-bit channel whose values are the class ids, so
    ``cv2.imread(path, cv2.IMREAD_UNCHANGED)`` returns the same array.  Raises
    `ValueError` when ``mask`` has the wrong dtype or shape.
    """
    if mask.dtype != np.uint8 or mask.ndim != 2 or not mask.size:
        raise ValueError(f"a class mask must be uint8 H x W, not {mask.dtype} {mask.shape}")
    return cv2.imencode(".png", mask)[1].tobytes()
