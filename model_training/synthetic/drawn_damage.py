"""Drawn damage: scratches, dents, and spacing along panel borders.

A supplement only: a network trained on drawn damage alone does not work on real
photos.  Spacing is the exception, since no public photos of it exist.

Photos are H x W x 3 uint8, BGR; masks H x W uint8, 0 or 1; sizes are relative to
the photo's long side (``size``: the vehicle's share of
it).  Every function returns a new photo and the damage's mask,
a loose hull like those that people draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from model_training.data.panel_borders import Path, normals, smoothed

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Floats = NDArray[np.float32]
Random = np.random.Generator


def noise(shape: tuple[int, ...], rng: Random, octaves: int = 4) -> Floats:
    """Fractal noise of ``shape`` (height, width), float32, mean 0, deviation about 1."""
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        cells = 2 ** (octave + 2)
        grid = rng.standard_normal((cells, cells)).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / 1.6**octave
    return total / 1.4


def draw_scratch(
    photo: Photo, centre: tuple[float, float], rng: Random, size: float = 1.0
) -> tuple[Photo, Mask]:
    """A bundle of scratches around ``centre`` (x, y), in primer, bright or dark colour."""
    side = max(photo.shape[:2])
    length = side * size * rng.uniform(0.06, 0.35)
    x0, y0, x1, y1 = _box(photo, centre, length * 0.75)
    patch = photo[y0:y1, x0:x1].astype(np.float32)
    alpha: Floats = np.zeros(patch.shape[:2], np.float32)
    angle = rng.normal(0, 0.35) + (rng.uniform(0, math.pi) if rng.random() < 0.3 else 0.0)
    along = np.array([math.cos(angle), math.sin(angle)])
    spread = side * rng.uniform(0.002, 0.03)
    for _ in range(rng.integers(1, 11)):
        line = _line(length * rng.uniform(0.25, 1), along, side, rng)
        line += np.array(centre) - (x0, y0) + rng.normal(0, spread, 2)
        drawn = np.zeros_like(alpha, np.uint8)
        thickness = max(1, round(side / 500 * rng.choice([0.6, 1, 1, 1.6, 2.4])))
        points = np.round(line * 8).astype(np.int32)
        cv2.polylines(drawn, [points], False, 255, thickness, cv2.LINE_AA, 3)
        alpha = np.maximum(alpha, drawn.astype(np.float32) / 255 * rng.uniform(0.35, 1))
    if rng.random() < 0.35:  # scuffed paint between the lines
        reach = max(3, round(side * 0.012)) | 1
        near = cv2.dilate((alpha > 0.2).astype(np.uint8), np.ones((reach, reach)))
        scuffed = near * (noise(alpha.shape, rng, 6) > rng.uniform(0.2, 0.9))
        soft = cv2.GaussianBlur(scuffed.astype(np.float32), (0, 0), side / 500)
        alpha = np.maximum(alpha, soft * rng.uniform(0.3, 0.8))
    hull = _hull(alpha > 0.25, round(side * 0.006))
    alpha *= np.clip(noise(alpha.shape, rng, 6) * 0.35 + 0.85, 0.05, 1)
    painted = _blend(patch, _scratch_colour(patch, rng), alpha)
    return _put(photo, painted, hull, (x0, y0, x1, y1))


def draw_dent(
    photo: Photo, centre: tuple[float, float], rng: Random, size: float = 1.0
) -> tuple[Photo, Mask]:
    """A dent around ``centre`` (x, y) that bends reflections and swaps light and shade."""
    side = max(photo.shape[:2])
    radius = side * size * rng.uniform(0.03, 0.16) * np.array([1.0, rng.uniform(0.4, 1.0)])
    x0, y0, x1, y1 = _box(photo, centre, float(radius.max()) * 2.6)
    patch = photo[y0:y1, x0:x1].astype(np.float32)
    yy, xx = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    angle = rng.uniform(0, math.pi)
    dx, dy = xx - centre[0], yy - centre[1]
    u = (dx * math.cos(angle) + dy * math.sin(angle)) / radius[0]
    v = (-dx * math.sin(angle) + dy * math.cos(angle)) / radius[1]
    far = (u * u + v * v) * np.clip(1 + 0.25 * noise(u.shape, rng, 3), 0.4, 2)
    depth = np.exp(-far * 1.6).astype(np.float32)
    if rng.random() < 0.6:  # a crease
        waves = np.sin(u * rng.uniform(2, 6) + rng.uniform(0, 6))
        depth = depth * (1 + rng.uniform(0.3, 1.0) * waves * np.exp(-v * v * 2))
    depth = depth.astype(np.float32)
    slope_x = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3)
    slope_y = cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=3)
    steepest = max(1e-6, float(np.hypot(slope_x, slope_y).max()))
    bend = side * rng.uniform(0.01, 0.04) / steepest
    moved_x, moved_y = xx - x0 + slope_x * bend, yy - y0 + slope_y * bend
    bent = cv2.remap(
        patch,
        moved_x.astype(np.float32),
        moved_y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    light = rng.uniform(-2.4, -0.7)
    shade = (slope_x * math.cos(light) + slope_y * math.sin(light)) / steepest
    bent += (shade * rng.uniform(30, 110))[..., None] * (bent / 255 * 0.6 + 0.4)
    mask = (far < rng.uniform(0.9, 1.4)).astype(np.uint8)
    return _put(photo, bent, mask, (x0, y0, x1, y1))


def draw_spacing(photo: Photo, border: Path, rng: Random) -> tuple[Photo, Mask]:
    """A gap along a panel ``border``: one panel is moved, and the dark body shows behind it.

    ``border`` is N x 2 (x, y); part of it is opened as a wedge or a bulge, and
    the moved panel's edge catches light or casts a shadow.
    """
    side = max(photo.shape[:2])
    path = _part(border, rng)
    widest = side * rng.uniform(0.008, 0.028)
    t = np.linspace(0, 1, len(path), dtype=np.float32)
    wedge = t if rng.random() < 0.5 else 1 - t
    bulge = np.sin(np.pi * t).clip(0) ** rng.uniform(0.5, 1)
    width = widest * (0.25 + 0.75 * (wedge if rng.random() < 0.6 else bulge))
    ends = np.clip(np.minimum(t, 1 - t) * len(path) / max(4.0, side * 0.01), 0, 1)
    width = (width * ends).astype(np.float32)
    reach = side * rng.uniform(0.03, 0.1)
    low = np.floor(path.min(0) - reach - widest).astype(int).clip(0)
    high = np.ceil(path.max(0) + reach + widest).astype(int) + 1
    x0, y0 = int(low[0]), int(low[1])
    x1, y1 = min(int(high[0]), photo.shape[1]), min(int(high[1]), photo.shape[0])
    patch = photo[y0:y1, x0:x1].astype(np.float32)
    yy, xx = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    nearest, offset, across = _nearest(path, xx, yy)
    if rng.random() < 0.5:  # which panel moves
        offset, across = -offset, -across
    open_to = width[nearest]
    beyond = offset - open_to
    push = np.where(offset > 0, open_to * np.exp(-np.maximum(beyond, 0) / (reach / 3)), 0)
    inside = np.clip(np.minimum(offset + 0.5, 0.5 - beyond), 0, 1) * (open_to > 0.4)
    outside = np.hypot(xx - path[nearest, 0], yy - path[nearest, 1]) > np.abs(offset) * 1.05 + 1.5
    push[outside] = 0
    inside[outside] = 0
    moved = cv2.remap(
        patch,
        (xx - x0 - across[..., 0] * push).astype(np.float32),
        (yy - y0 - across[..., 1] * push).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    near = ~outside
    opened = np.minimum(open_to / max(widest, 1e-6), 1)
    lip = np.exp(-((beyond - side * 0.002) ** 2) / (2 * (side * 0.0022) ** 2)) * near * opened
    moved += (lip * rng.uniform(-30, 75))[..., None]
    shadow = np.exp(-np.abs(offset) / (side * 0.008)) * (offset < 0) * near * opened
    moved *= 1 - (shadow * rng.uniform(0, 0.5))[..., None]
    lifted = np.exp(-np.maximum(beyond, 0) / (reach / 2)) * (beyond > 0) * near * opened
    moved *= 1 + (lifted * rng.uniform(-0.25, 0.25))[..., None]
    deep = rng.uniform(4, 45) * np.array([1, rng.uniform(0.85, 1.1), rng.uniform(0.85, 1.15)])
    depth = deep * (1 + 0.35 * noise(inside.shape, rng, 5)[..., None])
    painted = _blend(moved, depth.astype(np.float32), inside.astype(np.float32))
    loose = side * 0.009
    mask = ((offset > -loose) & (beyond < loose) & ~outside).astype(np.uint8)
    mask &= (open_to > 0.15 * widest).astype(np.uint8)
    reach_px = max(3, round(side * 0.006)) | 1
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((reach_px, reach_px), np.uint8))
    return _put(photo, painted, mask, (x0, y0, x1, y1))


def _part(border: Path, rng: Random) -> Path:
    count = len(border)
    share = rng.uniform(0.5, 1.0)
    begin = int(rng.uniform(0, 1 - share) * count)
    part = border[begin : begin + max(8, int(share * count))]
    # One point per pixel, at whatever scale the border was found.
    steps = np.r_[0, np.cumsum(np.linalg.norm(np.diff(part, axis=0), axis=1))]
    at = np.linspace(0, steps[-1], max(8, round(float(steps[-1]))))
    even = np.column_stack([np.interp(at, steps, part[:, i]) for i in (0, 1)])
    return smoothed(even.astype(np.float32), min(4, len(even) // 3))


def _nearest(path: Path, xx: Floats, yy: Floats) -> tuple[NDArray[np.intp], Floats, Floats]:
    """For every pixel: nearest point of ``path``, signed offset across it, and its normal."""
    spots = np.ones(xx.shape, np.uint8)
    x0, y0 = xx[0, 0], yy[0, 0]
    inner = np.round(path - (x0, y0)).astype(int).clip(0, [xx.shape[1] - 1, xx.shape[0] - 1])
    spots[inner[:, 1], inner[:, 0]] = 0
    _, labels = cv2.distanceTransformWithLabels(
        spots, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index = np.zeros(int(labels.max()) + 1, np.intp)
    index[labels[inner[:, 1], inner[:, 0]]] = np.arange(len(path))
    nearest = index[labels]
    across = normals(path)[nearest]
    gap = np.stack([xx, yy], -1) - path[nearest]
    return nearest, (gap * across).sum(-1).astype(np.float32), across


def _line(length: float, along: Floats, side: int, rng: Random) -> NDArray[np.float64]:
    q = np.linspace(-0.5, 0.5, 14) * length
    bow = rng.uniform(-0.4, 0.4) / max(length, 1) * q * q
    across = np.array([-along[1], along[0]])
    wobble = rng.normal(0, side * 0.0008, (14, 2)).cumsum(0) * 0.5
    return q[:, None] * along + bow[:, None] * across + wobble


def _scratch_colour(patch: Floats, rng: Random) -> Floats:
    paint = np.median(patch.reshape(-1, 3), axis=0)
    colours: Sequence[NDArray[np.floating]] = (
        np.full(3, rng.uniform(200, 250)),
        np.full(3, rng.uniform(150, 200)),
        paint * rng.uniform(0.2, 0.5),
        np.full(3, rng.uniform(20, 60)),
        np.clip(paint * 1.5 + 40, 0, 255),
    )
    colour = colours[int(rng.integers(len(colours)))]
    return np.asarray(colour + rng.normal(0, 6, 3), np.float32)


def _box(photo: Photo, centre: tuple[float, float], reach: float) -> tuple[int, int, int, int]:
    height, width = photo.shape[:2]
    x0, y0 = max(0, int(centre[0] - reach)), max(0, int(centre[1] - reach))
    x1, y1 = min(width, int(centre[0] + reach) + 2), min(height, int(centre[1] + reach) + 2)
    return x0, y0, x1, y1


def _hull(spots: NDArray[np.bool_], margin: int) -> Mask:
    mask = np.zeros(spots.shape, np.uint8)
    points = np.column_stack(np.nonzero(spots)[::-1]).astype(np.int32)
    if len(points) >= 3:
        cv2.fillConvexPoly(mask, cv2.convexHull(points), 1)
        reach = 2 * max(1, margin) + 1
        mask = cv2.dilate(mask, np.ones((reach, reach), np.uint8))
    return mask


def _blend(below: Floats, above: Floats, alpha: Floats) -> Floats:
    return below * (1 - alpha[..., None]) + above * alpha[..., None]


def _put(
    photo: Photo, patch: Floats, mask: Mask, box: tuple[int, int, int, int]
) -> tuple[Photo, Mask]:
    x0, y0, x1, y1 = box
    drawn = photo.copy()
    drawn[y0:y1, x0:x1] = np.clip(patch, 0, 255).astype(np.uint8)
    whole = np.zeros(photo.shape[:2], np.uint8)
    whole[y0:y1, x0:x1] = mask
    return drawn, whole
