"""The car's surroundings: skies, skylines and garages that paint and glass reflect."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Linear = NDArray[np.float32]

# Directions are mapped like a mirror ball seen from far away: column for x (left to
# right), row for y (up to down), both from -1 to 1.  No trigonometry per pixel.
ENVIRONMENT_MAP_SIDE_PX = 400
SCENES = ("sunny", "overcast", "evening", "garage")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The car's surroundings in linear BGR (1 is white in the shade of the sky).

    ``sharp`` is what clear coat and glass reflect, ``soft`` what metallic flakes
    collect; both are float32 mirror balls.  ``sun`` is the direction to the sun and
    ``sunlight`` its strength; ``backdrop`` stands behind the car, 160 x 320.
    """

    sharp: Linear
    soft: Linear
    sky: Linear
    ground: Linear
    sun: Linear
    sunlight: Linear
    backdrop: Linear


def draw_surroundings(rng: np.random.Generator, scene: str) -> Surroundings:
    """Draw one of `SCENES`."""
    garage = scene == "garage"
    zenith, horizon, sunlight = {
        "sunny": (_bgr(0.75, 0.48, 0.27), _bgr(1.05, 0.98, 0.90), _bgr(1.7, 1.95, 2.1)),
        "overcast": (_bgr(0.80, 0.76, 0.72), _bgr(1.05, 1.03, 1.0), _bgr(0.2, 0.2, 0.2)),
        "evening": (_bgr(0.50, 0.36, 0.30), _bgr(0.72, 0.90, 1.10), _bgr(0.5, 0.95, 1.35)),
        "garage": (_bgr(0.10, 0.11, 0.11), _bgr(0.22, 0.24, 0.24), _bgr(0.1, 0.1, 0.1)),
    }[scene]
    asphalt = (0.09 if garage else 0.17) * _bgr(0.97, 1.0, 1.02) * float(rng.uniform(0.8, 1.15))
    side = ENVIRONMENT_MAP_SIDE_PX
    y, x = np.mgrid[1 : -1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    up = np.clip(y, 0, 1)[:, :, None]
    ball = horizon * (1 - up) ** 1.5 + zenith * (1 - (1 - up) ** 1.5)
    floor = asphalt * (1 + 0.55 * sunlight[1] / 2) * _floor_pattern(rng, x, y)[:, :, None]
    if garage:
        strip = _bgr(3.2, 3.6, 3.4)
        for row in np.arange(0.25, 0.95, rng.uniform(0.16, 0.24)):
            lit = np.clip(6 * np.sin(x * 9 + row * 7) + 2.4, 0, 1)
            ball += (np.exp(-(((y - row) / 0.012) ** 4)) * lit)[:, :, None] * strip
            # A sealed floor reflects the lamps, dim and blurred.
            floor += (0.03 * np.exp(-(((y + row) / 0.05) ** 2)) * lit)[:, :, None] * strip
    else:
        clouds = np.clip(fractal_noise(rng, side, side, 130, 5) * 0.5 + 0.1, 0, 1)[:, :, None] * up
        ball += clouds * horizon * (0.2 if scene == "overcast" else 0.55)
    ball = _with_skyline(rng, ball, x, y, dim=0.45 if garage else 1.0)
    ball = np.where(y[:, :, None] < 0, floor, ball)
    if rng.random() < 0.5:
        # The photographer is visible in the middle of the mirror.
        body = np.hypot((x - 0.03) / 0.10, (y + 0.22) / 0.42) ** 4
        ball *= 1 - 0.55 * np.exp(-body)[:, :, None]
    sun = np.array([rng.uniform(-0.6, 0.6), rng.uniform(0.5, 0.75), 0], np.float32)
    sun[2] = np.sqrt(1 - float(sun @ sun)) if sun @ sun < 0.95 else 0.22
    if scene in ("sunny", "evening"):
        glare = np.exp(-((x - sun[0]) ** 2 + (y - sun[1]) ** 2) / 0.0016)
        ball += glare[:, :, None] * sunlight * 6
    ball = ball.astype(np.float32)
    return Surroundings(
        sharp=cv2.GaussianBlur(ball, (0, 0), 1.2).astype(np.float32),
        soft=_gathered(ball),
        sky=ball[: side // 2].mean(axis=(0, 1)),
        ground=asphalt.astype(np.float32),
        sun=sun,
        sunlight=sunlight,
        backdrop=_car_park(rng) if garage else _street(rng, horizon),
    )


def mirrored(ball: Linear, rx: Linear, ry: Linear) -> Linear:
    """The reflection for rays in directions (rx, ry): float32 H x W x 3."""
    half = np.float32((ball.shape[0] - 1) / 2)
    columns, rows = (rx + 1) * half, (1 - ry) * half
    shown = cv2.remap(ball, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return shown.astype(np.float32)


def fractal_noise(
    rng: np.random.Generator, height: int, width: int, cell: float, octaves: int = 4
) -> Linear:
    """Smooth noise, H x W, with mean 0 and deviation 1; ``cell`` px is its coarsest scale."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        grain = max(1.0, cell / 2**octave)
        shape = int(height / grain) + 3, int(width / grain) + 3
        coarse = rng.standard_normal(shape, dtype=np.float32) / 2**octave
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    total -= total.mean()
    return np.asarray(total / max(float(total.std()), 1e-6), np.float32)


def _bgr(*values: float) -> Linear:
    return np.array(values, np.float32)


def _floor_pattern(rng: np.random.Generator, x: Linear, y: Linear) -> Linear:
    """The ground as reflected by paint: bright far away, dark in the car's shadow, with kerbs."""
    near = np.clip(-y + 0.05 * x * x, 0, 1)
    floor = (1.25 - near**0.8) * (1 + 0.10 * fractal_noise(rng, x.shape[0], x.shape[1], 60))
    for kerb in rng.uniform(0.02, 0.45, 3).tolist():
        stripe = np.exp(-(((near - kerb) / rng.uniform(0.006, 0.03)) ** 2))
        floor *= 1 + rng.uniform(-0.45, 0.7) * stripe
    return np.asarray(floor, np.float32)


def _with_skyline(
    rng: np.random.Generator, ball: Linear, x: Linear, y: Linear, dim: float
) -> Linear:
    """Draw trees and houses on the horizon, paler with distance."""
    column = x[0]
    for reach, shade in ((0.20, 0.62), (0.12, 0.42), (0.05, 0.25)):
        edges = np.sort(rng.uniform(-1, 1, rng.integers(4, 9)))
        plot = np.searchsorted(edges, column)
        tops = (rng.uniform(0.15, 1, len(edges) + 1) * reach)[plot]
        trees = (rng.random(len(edges) + 1) < 0.5)[plot]
        tops = tops * (1 + 0.25 * trees * fractal_noise(rng, 1, len(column), 24, 5)[0])
        tints = rng.uniform(0.7, 1.15, (len(edges) + 1, 3)) * (1, 1.1, 1)
        colour = (tints[plot] * shade * 0.5 * dim).astype(np.float32)
        standing = (
            np.clip((tops.astype(np.float32) - y) * 90, 0, 1)[:, :, None] * (y >= 0)[:, :, None]
        )
        ball = ball + (colour[None] - ball) * standing
    return ball


def _street(rng: np.random.Generator, sky: Linear) -> Linear:
    """Houses, trees and parked cars out of focus, standing on the horizon."""
    picture = np.empty((160, 320, 3), np.float32)
    picture[:] = sky * 0.95
    for _ in range(rng.integers(6, 12)):
        x, width = int(rng.integers(-40, 300)), int(rng.integers(30, 110))
        top = int(rng.integers(0, 110))
        tint = rng.uniform(0.05, 0.42) * rng.uniform(0.8, 1.2, 3)
        cv2.rectangle(picture, (x, top), (x + width, 160), tint.tolist(), -1)
        for row in range(top + 8, 140, 22):
            for left in range(x + 6, x + width - 9, 18):
                pane = (tint * rng.uniform(0.3, 1.7)).tolist()
                cv2.rectangle(picture, (left, row), (left + 9, row + 12), pane, -1)
    for _ in range(rng.integers(2, 6)):
        middle = np.array([rng.integers(0, 320), rng.integers(60, 140)])
        for _ in range(25):
            green = (np.array([0.045, 0.12, 0.085]) * rng.uniform(0.3, 1.7)).tolist()
            leaf = (middle + rng.normal(0, 14, 2)).astype(int).tolist()
            cv2.circle(picture, leaf, int(rng.integers(4, 12)), green, -1)
    for _ in range(rng.integers(0, 4)):
        x = int(rng.integers(-30, 300))
        tint = (rng.uniform(0.02, 0.4) * rng.uniform(0.6, 1.3, 3)).tolist()
        cv2.ellipse(picture, (x, 158), (42, 20), 0, 180, 360, tint, -1)
        cv2.ellipse(picture, (x, 146), (22, 16), 0, 180, 360, (0.05, 0.05, 0.05), -1)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(1.5, 4)), np.float32)


def _car_park(rng: np.random.Generator) -> Linear:
    """A concrete wall with a painted band, pillars and a lamp or two, out of focus."""
    picture = np.empty((160, 320, 3), np.float32)
    picture[:] = (0.075, 0.08, 0.08)
    picture[: rng.integers(20, 50)] = (0.03, 0.033, 0.033)
    band = rng.uniform(0.03, 0.3, 3).tolist()
    cv2.rectangle(picture, (0, 122), (320, 134), band, -1)
    for x in range(int(rng.integers(-30, 30)), 320, int(rng.integers(80, 130))):
        cv2.rectangle(picture, (x, 0), (x + 22, 160), (0.11, 0.115, 0.115), -1)
        cv2.rectangle(picture, (x, 118), (x + 22, 138), (0.03, 0.22, 0.28), -1)
    for _ in range(rng.integers(1, 3)):
        x, y = int(rng.integers(0, 260)), int(rng.integers(8, 40))
        cv2.rectangle(picture, (x, y), (x + 60, y + 3), (1.6, 1.8, 1.7), -1)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.6), np.float32)


def _gathered(ball: Linear) -> Linear:
    small = cv2.resize(ball, (64, 64), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), 7.0, borderType=cv2.BORDER_REPLICATE)
    return soft.astype(np.float32)
