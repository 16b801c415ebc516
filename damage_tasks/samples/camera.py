"""A camera next to the car: projects points of the car's side and of the ground.

The world is in millimetres: x along the car's side (nose at 0), y up from the
ground, z out of the side towards the camera.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]
Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera directed at the car's side, the plane z = 0."""

    size: tuple[int, int]
    eye: NDArray[np.float64]
    matrix: NDArray[np.float64]  # 3 x 4, world to pixels

    @classmethod
    def looking_at(
        cls,
        spot: tuple[float, float],
        span: float,
        size: tuple[int, int],
        *,
        yaw: float = 0.0,
        height: float = 1350.0,
        roll: float = 0.0,
    ) -> Camera:
        """A camera at ``height`` mm, turned by ``yaw`` rad, showing ``span`` mm around ``spot``."""
        width, lines = size
        focal = 1.25 * max(size)
        distance = focal * span / width
        eye = np.array([spot[0] + distance * np.sin(yaw), height, distance * np.cos(yaw)])
        forward = np.array([*spot, 0.0]) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [np.sin(roll), np.cos(roll), 0.0])
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        turn = np.stack([right, down, forward])
        lens = np.array([[focal, 0, width / 2], [0, focal, lines / 2], [0, 0, 1.0]])
        return cls(size, eye, lens @ np.hstack([turn, (-turn @ eye)[:, None]]))

    def pixels(self, side_points: Points) -> Points:
        """Pixels (N x 2) of points (x, y) of the car's side."""
        seen = np.asarray(side_points, float) @ self.matrix[:, :2].T + self.matrix[:, 3]
        return seen[:, :2] / seen[:, 2:]

    def side_plane(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """For each pixel, the x and y in mm of the visible point of the car's side."""
        x, y, _ = self._plane(self.matrix[:, [0, 1, 3]])
        return x, y

    def ground_plane(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """For each pixel, the x and z in mm of the ground, and whether it shows ground."""
        return self._plane(self.matrix[:, [0, 2, 3]])

    def window(self, pixels: Points, margin: float) -> Window:
        """The part of the picture that contains ``pixels`` plus a ``margin``."""
        limit = np.array(self.size)
        low = np.clip(np.floor(pixels.min(axis=0) - margin), 0, limit).astype(int)
        high = np.clip(np.ceil(pixels.max(axis=0) + margin), low, limit).astype(int)
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))

    def scale_at(self, spot: tuple[float, float]) -> float:
        """Pixels per mm of the car's side at ``spot``."""
        near = self.pixels(np.array([spot, (spot[0], spot[1] + 10)]))
        return float(np.hypot(*(near[1] - near[0])) / 10)

    def _plane(
        self, homography: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        back = np.linalg.inv(homography)
        u = np.arange(self.size[0], dtype=np.float32)[None, :]
        v = np.arange(self.size[1], dtype=np.float32)[:, None]
        first, second, depth = (
            (row[0] * u + row[1] * v + row[2]).astype(np.float32) for row in back
        )
        return first / depth, second / depth, depth > 1e-9


@dataclass(frozen=True, slots=True)
class Patch:
    """A part of the picture and the coverage of each of its pixels, 0 to 1."""

    window: Window
    share: NDArray[np.float32]

    def times(self, factor: float | NDArray[np.float32]) -> Patch:
        """The same patch times ``factor``: a number, or one per pixel of picture or patch."""
        if isinstance(factor, np.ndarray) and factor.shape != self.share.shape:
            factor = factor[self.window]
        return Patch(self.window, (self.share * factor).astype(np.float32))


def covered(camera: Camera, polygon: Points, *, blur: float = 0.0, smooth: int = 0) -> Patch:
    """The area of ``polygon`` (N x 2, mm) in the picture; ``blur`` softens its edge, in px."""
    pixels = camera.pixels(rounded(polygon, smooth) if smooth else polygon)
    return _drawn(
        camera,
        pixels,
        blur,
        lambda mask, fixed: cv2.fillPoly(mask, [fixed], (255,), cv2.LINE_AA, _BITS),
    )


def stroked(camera: Camera, path: Points, width: float, *, blur: float = 0.0) -> Patch:
    """The area of a line of ``width`` px along ``path`` (N x 2, mm) in the picture."""
    thick = max(1, round(width))
    patch = _drawn(
        camera,
        camera.pixels(path),
        blur + thick / 3,
        lambda mask, fixed: cv2.polylines(mask, [fixed], False, (255,), thick, cv2.LINE_AA, _BITS),
        soften=blur,
    )
    return patch.times(min(1.0, width / thick))


_BITS = 4


def _drawn(
    camera: Camera,
    pixels: Points,
    reach: float,
    draw: Callable[[NDArray[np.uint8], NDArray[np.int32]], object],
    soften: float | None = None,
) -> Patch:
    window = camera.window(pixels, 3 * reach + 2)
    low = np.array([window[1].start, window[0].start])
    mask = np.zeros((window[0].stop - low[1], window[1].stop - low[0]), np.uint8)
    if not mask.size:
        return Patch(window, np.zeros(mask.shape, np.float32))
    shifted = np.clip((pixels - low) * (1 << _BITS), -(2**24), 2**24)
    draw(mask, np.rint(shifted).astype(np.int32))
    share = mask.astype(np.float32) / np.float32(255)
    blur = reach if soften is None else soften
    if blur > 0.3:
        share = cv2.GaussianBlur(share, (0, 0), blur).astype(np.float32)
    return Patch(window, share)


def rounded(polygon: Points, rounds: int, closed: bool = True) -> Points:
    """``polygon`` with its corners cut ``rounds`` times (Chaikin, 1974)."""
    points = np.asarray(polygon, float)
    for _ in range(rounds):
        ahead = np.roll(points, -1, axis=0) if closed else points[1:]
        here = points if closed else points[:-1]
        cut = np.stack([0.75 * here + 0.25 * ahead, 0.25 * here + 0.75 * ahead], axis=1)
        inner = cut.reshape(-1, 2)
        points = inner if closed else np.vstack([points[:1], inner, points[-1:]])
    return points
