"""Outlines visible on any paint: styles, line widths and the path around a damaged area.

Colours are from Okabe and Ito ("Color Universal Design", 2008,
https://jfly.uni-koeln.de/color/), ordered so that the first ones stay furthest
apart under simulated protanopia, deuteranopia and tritanopia.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Points = NDArray[np.floating]
Colour = tuple[int, int, int]
Line = tuple[Points, "Style"]

DARK_COLOUR: Colour = (28, 28, 28)
LIGHT_COLOUR: Colour = (245, 245, 245)
# BGR: sky blue, vermillion, yellow, reddish purple, orange, blue, bluish green.
PALETTE: tuple[Colour, ...] = (
    (233, 180, 86),
    (0, 94, 213),
    (66, 228, 240),
    (167, 121, 204),
    (0, 159, 230),
    (178, 114, 0),
    (115, 158, 0),
)
# Dashes as (begin, end) within a period, in line widths.  The numbers of colours (seven) and
# patterns (four) are coprime, so a combination repeats only after 28 types.
DASH_PATTERNS: tuple[tuple[int, tuple[tuple[int, int], ...]], ...] = (
    (1, ()),
    (9, ((0, 6),)),
    (13, ((0, 6), (9, 10))),
    (4, ((0, 1),)),
)
_FRACTION_BITS = 4
_DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))


@dataclass(frozen=True, slots=True)
class Style:
    """How one damage type is drawn: BGR colour and dashes, if any."""

    colour: Colour
    period: int
    dashes: tuple[tuple[int, int], ...]

    def unbroken(self) -> Style:
        """The same colour as a solid line."""
        return replace(self, period=1, dashes=())


def style_of(class_id: int) -> Style:
    """The style of a damage type by class id (1 and up); the same for every bundle."""
    return Style(
        PALETTE[(class_id - 1) % len(PALETTE)], *DASH_PATTERNS[(class_id - 1) % len(DASH_PATTERNS)]
    )


@dataclass(frozen=True, slots=True)
class Pen:
    """Line widths and distances in pixels, scaled to the picture's size."""

    text: int
    core: int
    halo: int

    @classmethod
    def fitting(cls, width: int, height: int) -> Pen:
        """A pen for a picture of ``width`` x ``height`` pixels."""
        # 2.6 % of the width is 9 px on a phone that shows the picture 360 px wide.
        text = max(11, round(min(0.026 * width, 0.07 * height)))
        core = max(1, round(text / 9))
        return cls(text, core, max(1, round(core / 3)))

    @property
    def line(self) -> int:
        """Width of a line including its light and dark halo."""
        return self.core + 4 * self.halo

    @property
    def offset(self) -> float:
        """Distance from the damage's edge to the middle of its outline; leaves paint visible."""
        return self.line / 2 + self.core + 1.5

    def draw(self, picture: Picture, lines: list[Line], closed: bool = True) -> None:
        """Draw ``lines`` with a light and a dark halo into ``picture``."""
        every = [_fixed(points) for points, _ in lines]
        _strokes(picture, every, DARK_COLOUR, self.line, closed)
        _strokes(picture, every, LIGHT_COLOUR, self.core + 2 * self.halo, closed)
        dashed = [_fixed(points) for points, style in lines if style.dashes]
        _strokes(picture, dashed, DARK_COLOUR, self.core, closed)
        for points, style in lines:
            joined = closed and not style.dashes
            parts = self._dashes(points, style, closed) if style.dashes else [_fixed(points)]
            _strokes(picture, parts, style.colour, self.core, joined)

    def _dashes(self, points: Points, style: Style, closed: bool) -> list[NDArray[np.int32]]:
        track = np.vstack([points, points[:1]]) if closed else points
        along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(track, axis=0).T))])
        periods = max(1, round(along[-1] / self.core / style.period))
        ticks = np.linspace(0, along[-1], periods * style.period + 1)
        even = np.stack([np.interp(ticks, along, axis) for axis in track.T], axis=1)
        starts = np.arange(periods)[:, None] * style.period
        return [
            dash
            for begin, end in style.dashes
            for dash in _fixed(even[starts + np.arange(begin, end + 1)])
        ]


def outline_around(polygon: Points, pen: Pen, size: tuple[int, int]) -> Points:
    """A smooth closed line at distance ``pen.offset`` around ``polygon``.

    ``polygon`` is N x 2 (x, y) in pixels of a picture of ``size`` (width, height).
    The line, M x 2, stays inside that picture.
    """
    limit = np.array(size) - 1.0
    # A raster of three cells per offset is fine enough for a smooth line, and its cost does not
    # grow with the picture.  The disc reaches one cell further, because rounding and smoothing
    # may shrink the outline by that much.
    cell = pen.offset / 3
    cells = np.rint(np.clip(polygon, 0, limit) / cell).astype(np.int32)
    corner = cells.min(axis=0) - 8
    columns, rows = cells.max(axis=0) - corner + 9
    region = np.zeros((rows, columns), np.uint8)
    cv2.fillPoly(region, [cells - corner], (1,))
    found, _ = cv2.findContours(cv2.dilate(region, _DISC), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rim = (max(found, key=len)[:, 0, :] + corner) * cell
    wrapped = np.vstack([rim[-2:], rim, rim[:2]])
    smooth = np.mean([wrapped[i : len(rim) + i] for i in range(5)], axis=0)
    # Joints take half the drawing time, so keep only those that the eye can see.
    smooth = cv2.approxPolyDP(smooth.astype(np.float32), 0.15 * pen.core, True)[:, 0, :]
    margin = np.minimum(pen.line / 2, limit / 2)
    return np.clip(smooth, margin, limit - margin)


def frame_corners(outline: Points, pen: Pen, size: tuple[int, int]) -> list[Points]:
    """Four corner ticks around an outline too small to notice at a glance; otherwise none.

    They replace the outline, which would hide such a small damage.  Each
    tick has its corner in the middle, and the corners are in order around the outline.
    """
    low, high = outline.min(axis=0), outline.max(axis=0)
    if max(high - low) > 1.3 * pen.text:
        return []
    limit = np.array(size) - 1.0
    margin = np.minimum(pen.line / 2, limit / 2)
    reach, tick = 1.2 * pen.text, 0.5 * pen.text
    left, top = np.clip((low + high) / 2 - reach, margin, limit - margin)
    right, bottom = np.clip((low + high) / 2 + reach, margin, limit - margin)
    return [
        np.array([(x, y + down), (x, y), (x + along, y)])
        for x, y, along, down in (
            (left, top, tick, tick),
            (right, top, -tick, tick),
            (right, bottom, -tick, -tick),
            (left, bottom, tick, -tick),
        )
    ]


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.rint(points * (1 << _FRACTION_BITS)).astype(np.int32)


def _strokes(
    picture: Picture, lines: list[NDArray[np.int32]], colour: Colour, width: int, closed: bool
) -> None:
    if lines:
        cv2.polylines(picture, lines, closed, colour, width, cv2.LINE_AA, _FRACTION_BITS)
