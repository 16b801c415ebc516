"""Borders between body panels: thin dark lines on paint, as polylines."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Path = NDArray[np.float32]

# The search uses this long side, so that its pixel limits mean the same for every photo.
SEARCH_LONG_SIDE_PX = 480
MIN_LENGTH_PX = 28  # at SEARCH_LONG_SIDE_PX
MIN_CONTRAST_GREY_LEVELS = 7  # by which the line must be darker than both sides
MAX_SIDE_DIFFERENCE_GREY_LEVELS = 38  # between the sides' mean colours
MAX_ARC_TO_CHORD_RATIO = 1.35


def find_panel_borders(photo: Photo, vehicle: Mask) -> list[Path]:
    """Borders between panels, longest first: each N x 2 float32 (x, y), about 1 px apart.

    ``photo`` is H x W x 3 uint8, BGR; ``vehicle`` H x W uint8, 0 or 1.  A border
    is a thin dark line between paint of similar colour.
    """
    height, width = photo.shape[:2]
    scale = SEARCH_LONG_SIDE_PX / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    enlarged = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(photo, size, interpolation=enlarged)
    grey = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), (3, 3), 0)
    body = cv2.erode(cv2.resize(vehicle, size, interpolation=cv2.INTER_NEAREST), np.ones((9, 9)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    dark = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, kernel)
    if not body.any():
        return []
    limit = max(MIN_CONTRAST_GREY_LEVELS, float(np.percentile(dark[body > 0], 80)))
    lines = thin(((dark >= limit) & (body > 0)).astype(np.uint8))
    found = []
    smooth = cv2.GaussianBlur(small, (0, 0), 1.5).astype(np.float32)
    for path in trace(lines):
        for piece in _straight_pieces(path):
            if len(piece) >= MIN_LENGTH_PX and _between_panels(piece, smooth):
                found.append(piece / np.float32(scale))
    return sorted(found, key=len, reverse=True)


def thin(mask: Mask) -> Mask:
    """The skeleton of ``mask``, one pixel wide (Zhang & Suen, CACM 1984); uint8 0 or 1."""
    image = np.pad(mask.astype(bool), 1)
    while True:
        before = image.sum()
        for turn in (0, 1):
            n = _neighbours(image)
            count = sum(a.astype(np.uint8) for a in n)
            rises = sum((~a & b).astype(np.uint8) for a, b in zip(n, n[1:] + n[:1], strict=True))
            top, right, bottom, left = n[0], n[2], n[4], n[6]
            if turn == 0:
                corner = ~(top & right & bottom) & ~(right & bottom & left)
            else:
                corner = ~(top & right & left) & ~(top & bottom & left)
            inner = image[1:-1, 1:-1]
            inner &= ~((count >= 2) & (count <= 6) & (rises == 1) & corner)
        if image.sum() == before:
            return image[1:-1, 1:-1].astype(np.uint8)


def trace(lines: Mask) -> list[Path]:
    """The branches of a skeleton as paths N x 2 float32 (x, y), split at crossings."""
    neighbours = cv2.filter2D(lines, cv2.CV_8U, np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT)
    branches = lines & (neighbours <= 3).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(branches, connectivity=8)
    paths = []
    for label in range(1, count):
        x, y, w, h, area = stats[label]
        if area < MIN_LENGTH_PX // 2:
            continue
        ys, xs = np.nonzero(labels[y : y + h, x : x + w] == label)
        paths.append(_ordered(np.column_stack([xs + x, ys + y])))
    return paths


def normals(path: Path) -> NDArray[np.float32]:
    """Unit normals of ``path``: N x 2 float32."""
    ahead = np.gradient(path.astype(np.float32), axis=0)
    ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-6)
    return np.column_stack([-ahead[:, 1], ahead[:, 0]]).astype(np.float32)


def smoothed(path: Path, reach: int = 4) -> Path:
    """``path`` smoothed by a moving average over 2 * ``reach`` + 1 points."""
    padded = np.pad(
        path.astype(np.float32), ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd"
    )
    window = np.ones(2 * reach + 1, np.float32) / (2 * reach + 1)
    columns = [np.convolve(padded[:, i], window, "valid") for i in (0, 1)]
    return np.column_stack(columns).astype(np.float32)


def _neighbours(image: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The eight neighbours of every inner pixel, clockwise from the top."""
    height, width = image.shape
    steps = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    return [image[1 + y : height - 1 + y, 1 + x : width - 1 + x].copy() for y, x in steps]


def _ordered(points: NDArray[np.int_]) -> Path:
    """The pixels of one branch from end to end."""
    left = {(int(x), int(y)) for x, y in points}

    def next_to(place: tuple[int, int]) -> list[tuple[int, int]]:
        x, y = place
        near = [(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
        return sorted((p for p in near if p in left), key=lambda p: abs(p[0] - x) + abs(p[1] - y))

    ends = [p for p in left if len(next_to(p)) <= 1]
    place = min(ends or left)
    walk = [place]
    left.remove(place)
    while following := next_to(place):
        place = following[0]
        left.remove(place)
        walk.append(place)
    return np.array(walk, np.float32)


def _straight_pieces(path: Path) -> list[Path]:
    """``path`` smoothed, and halved repeatedly until it is nearly straight or too short."""
    if len(path) < MIN_LENGTH_PX:
        return []
    chord = float(np.linalg.norm(path[-1] - path[0]))
    if len(path) <= MAX_ARC_TO_CHORD_RATIO * max(chord, 1e-6) * 1.1:
        return [smoothed(path)]
    half = len(path) // 2
    return _straight_pieces(path[:half]) + _straight_pieces(path[half:])


def _between_panels(path: Path, photo: NDArray[np.float32]) -> bool:
    """Whether both sides of ``path`` have similar colours and are lighter than the path."""
    across = normals(path)

    def mean_at(offset: float) -> NDArray[np.float32]:
        xy = np.round(path + across * offset).astype(int)
        xy = xy.clip(0, [photo.shape[1] - 1, photo.shape[0] - 1])
        return photo[xy[:, 1], xy[:, 0]].mean(0)

    line, left, right = mean_at(0), mean_at(-6), mean_at(6)
    alike = float(np.abs(left - right).mean()) <= MAX_SIDE_DIFFERENCE_GREY_LEVELS
    darker = float(min((left - line).mean(), (right - line).mean())) >= MIN_CONTRAST_GREY_LEVELS
    return alike and darker and float(min(left.mean(), right.mean())) >= 25
