"""The unfinished picture: linear light, relief, and each pixel's position on the car."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from damage_tasks.samples.camera import Camera, Patch, Points, Window, covered, stroked
from damage_tasks.samples.surroundings import Linear, Surroundings, mirrored

Triple = tuple[Linear, Linear, Linear]
Tint = Linear | tuple[float, float, float]
BLACK = (0.006, 0.006, 0.006)


@dataclass(frozen=True, slots=True)
class Paint:
    """A car colour: linear BGR, and its share of metallic flakes (0 to 1)."""

    name: str
    colour: tuple[float, float, float]
    metallic: float


PAINTS = (
    Paint("white", (0.72, 0.74, 0.74), 0.05),
    Paint("silver", (0.40, 0.40, 0.39), 0.75),
    Paint("grey", (0.085, 0.082, 0.078), 0.65),
    Paint("black", (0.008, 0.008, 0.008), 0.1),
    Paint("red", (0.022, 0.018, 0.36), 0.15),
    Paint("blue", (0.30, 0.085, 0.025), 0.5),
    Paint("green", (0.055, 0.10, 0.03), 0.5),
    Paint("beige", (0.22, 0.31, 0.37), 0.6),
)


@dataclass
class Canvas:
    """The drawing functions' shared state; ``light`` is H x W x 3, the other arrays H x W."""

    camera: Camera
    around: Surroundings
    paint: Paint
    rng: np.random.Generator
    has_strip: bool = False
    light: Linear = field(init=False)  # linear BGR
    relief: Linear = field(init=False)  # mm out of the surface
    x: Linear = field(init=False)  # mm along the car's side
    y: Linear = field(init=False)  # mm above the ground
    scale: float = field(init=False)  # pixels per mm in the middle of the picture

    def __post_init__(self) -> None:
        width, height = self.camera.size
        self.light = np.zeros((height, width, 3), np.float32)
        self.relief = np.zeros((height, width), np.float32)
        self.x, self.y = self.camera.side_plane()
        middle = float(self.x[height // 2, width // 2]), float(self.y[height // 2, width // 2])
        self.scale = self.camera.scale_at(middle)

    def lay(self, tint: Tint, patch: Patch) -> None:
        """Paint ``patch`` with ``tint``.

        ``tint`` is a single colour, or one per pixel of the picture or patch.
        """
        part = self.light[patch.window]
        colour = np.asarray(tint, np.float32)
        if colour.ndim == 3 and colour.shape[:2] != part.shape[:2]:
            colour = colour[patch.window]
        part += (colour - part) * patch.share[:, :, None]

    def raise_by(self, height: float, patch: Patch) -> None:
        """Raise the surface in ``patch`` by ``height`` mm."""
        self.relief[patch.window] += np.float32(height) * patch.share

    def area(self, polygon: Points, *, soft: float = 0.0, smooth: int = 0) -> Patch:
        """The patch of ``polygon`` (mm) with an edge ``soft`` mm wide."""
        return covered(self.camera, polygon, blur=soft * self.scale, smooth=smooth)

    def line(self, path: Points, width: float, *, soft: float = 0.0) -> Patch:
        """The patch of a line along ``path`` (mm), ``width`` mm wide."""
        return stroked(self.camera, path, width * self.scale, blur=soft * self.scale)

    def window(self, spot: tuple[float, float], reach: float) -> Window:
        """The part of the picture within ``reach`` mm of ``spot``."""
        turn = np.linspace(0, 2 * np.pi, 16)
        ring = np.stack([spot[0] + reach * np.cos(turn), spot[1] + reach * np.sin(turn)], axis=1)
        return self.camera.window(self.camera.pixels(ring), 2)

    def reflected(self, normal: Triple, window: Window) -> Triple:
        """Reflected rays (x, y) and the cosine between surface and view in ``window``."""
        eye = self.camera.eye.astype(np.float32)
        vx, vy = eye[0] - self.x[window], eye[1] - self.y[window]
        near = 1 / np.sqrt(vx * vx + vy * vy + eye[2] ** 2)
        vx, vy, vz = vx * near, vy * near, eye[2] * near
        facing = np.clip(normal[0] * vx + normal[1] * vy + normal[2] * vz, 0, 1)
        rx, ry = 2 * facing * normal[0] - vx, 2 * facing * normal[1] - vy
        # Rays that leave through the car's back hit the rim of the mirror ball.
        behind = 2 * facing * normal[2] < vz
        if behind.any():
            length = np.where(behind, np.hypot(rx, ry), 1)
            rx, ry = rx / length, ry / length
        return rx, ry, facing

    def shine(self, normal: Triple, window: Window, least: float = 0.07) -> Linear:
        """The surroundings reflected by a clear surface; ``least`` is the reflectance head-on."""
        rx, ry, facing = self.reflected(normal, window)
        share = least + (1 - least) * (1 - facing) ** 5
        return np.asarray(share[..., None] * mirrored(self.around.sharp, rx, ry), np.float32)


def normals(slope_x: Linear, slope_y: Linear) -> Triple:
    """Unit normals of a surface with the given slopes to the right and upwards."""
    length = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    return slope_x * length, slope_y * length, length


def slopes(relief: Linear, scale: float) -> tuple[Linear, Linear]:
    """Slopes of ``relief`` (mm) to the right and upwards, at ``scale`` pixels per mm."""
    step = -scale / 8
    right = cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=step)
    up = cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=-step)
    return right.astype(np.float32), up.astype(np.float32)
