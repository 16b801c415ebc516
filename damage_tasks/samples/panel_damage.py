"""Damage to panels: dents bend them, scratches mark them.

Each kind first bends the relief (`bend`), so that the panel's reflections follow,
and later marks the finished picture (`mark`), which returns the damaged area.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.samples import car_geometry
from damage_tasks.samples.camera import Patch, Points, Window
from damage_tasks.samples.canvas import Canvas
from damage_tasks.samples.surroundings import Linear, fractal_noise

Cover = NDArray[np.bool_]


class PanelDamage(Protocol):
    """One damaged area, placed on the car."""

    @property
    def spot(self) -> tuple[float, float]:
        """Its centre in mm on the car's side."""

    def bend(self, canvas: Canvas) -> None:
        """Change the relief before the panels are painted."""

    def mark(self, canvas: Canvas, body: Linear) -> Cover:
        """Draw into the picture, whose painted panels are ``body``; returns the damaged area."""


@dataclass(frozen=True, slots=True)
class Dent:
    """A hollow with a raised rim and sharp folds across it."""

    spot: tuple[float, float]
    reach: tuple[float, float]
    depth: float
    turn: float
    folds: tuple[tuple[float, float, float], ...]  # angle, offset, strength
    wobble: NDArray[np.float64]

    @classmethod
    def placed(cls, rng: np.random.Generator, view: car_geometry.View) -> Dent:
        """A dent somewhere on the paint that ``view`` shows."""
        along = rng.uniform(110, 220)
        folds = tuple(
            (rng.uniform(-0.6, 0.6), rng.uniform(-0.35, 0.35), rng.uniform(0.25, 0.55))
            for _ in range(rng.integers(1, 4))
        )
        return cls(
            _on_paint(rng, view),
            (along, along * rng.uniform(0.45, 0.75)),
            along * rng.uniform(0.13, 0.19),
            rng.uniform(-0.7, 0.7),
            folds,
            rng.normal(0, 0.13, 5),
        )

    def bend(self, canvas: Canvas) -> None:
        """Press the panel in."""
        window = canvas.window(self.spot, 2.2 * self.reach[0])
        u, v, far = self._frame(canvas, window)
        shape = -self.depth * np.clip(1 - far * far, 0, None) ** 2
        shape += 0.16 * self.depth * np.exp(-(((far - 1.12) / 0.16) ** 2))
        for angle, offset, strength in self.folds:
            across = (v * np.cos(angle) + u * np.sin(angle)) / self.reach[1] - offset
            across += 0.12 * np.sin(2.2 * u / self.reach[0] + 5 * offset)
            ridge = np.exp(-np.abs(across) / 0.13)
            shape += strength * self.depth * ridge * np.clip(1 - far, 0, 1)
        canvas.relief[window] += shape

    def mark(self, canvas: Canvas, body: Linear) -> Cover:
        """Return the damaged area; the reflections already show the dent."""
        window = canvas.window(self.spot, 2.2 * self.reach[0])
        cover = np.zeros(body.shape, bool)
        cover[window] = self._frame(canvas, window)[2] < 1.02
        return cover & (body > 0.5)

    def _frame(self, canvas: Canvas, window: Window) -> tuple[Linear, Linear, Linear]:
        dx, dy = canvas.x[window] - self.spot[0], canvas.y[window] - self.spot[1]
        u = dx * np.cos(self.turn) + dy * np.sin(self.turn)
        v = dy * np.cos(self.turn) - dx * np.sin(self.turn)
        angle = np.arctan2(v / self.reach[1], u / self.reach[0])
        edge = np.ones_like(u)
        for k, size in enumerate(self.wobble.tolist(), 1):
            edge += size / k * np.sin(k * angle + 7 * size * k)
        return u, v, np.hypot(u / self.reach[0], v / self.reach[1]) / edge


@dataclass(frozen=True, slots=True)
class Scratch:
    """Strokes through the paint, roughly parallel, with a dull haze between them."""

    spot: tuple[float, float]
    length: float
    turn: float
    bow: float
    strokes: NDArray[np.float64]  # N x 6: begin, end, offset, lean, width, strength

    @classmethod
    def placed(cls, rng: np.random.Generator, view: car_geometry.View) -> Scratch:
        """A scratch somewhere on the paint that ``view`` shows."""
        count = int(rng.integers(20, 46))
        begin = rng.uniform(-0.5, 0.1, count)
        # Strokes of a single scraping object are close together.
        combs = rng.normal(0, 30, int(rng.integers(3, 7)))
        deep = rng.random(count) < 0.15
        strokes = np.stack(
            [
                begin,
                np.minimum(begin + rng.gamma(2.5, 0.2, count), rng.uniform(0.3, 0.58, count)),
                rng.choice(combs, count) + rng.normal(0, 5, count),
                rng.normal(0, 0.02, count),
                np.where(deep, rng.uniform(1.8, 3.6, count), 0.4 + rng.gamma(1.2, 0.45, count)),
                np.where(deep, rng.uniform(0.75, 1, count), rng.uniform(0.25, 0.9, count)),
            ],
            axis=1,
        )
        turn = float(rng.normal(0, 0.16))
        return cls(_on_paint(rng, view), rng.uniform(300, 620), turn, rng.normal(0, 26), strokes)

    def bend(self, canvas: Canvas) -> None:
        """Cut the widest strokes into the relief."""
        for stroke in self.strokes[self.strokes[:, 4] > 1.2]:
            groove = canvas.line(self._path(stroke), 2 * stroke[4], soft=1)
            canvas.raise_by(-0.25 * stroke[5], groove)

    def mark(self, canvas: Canvas, body: Linear) -> Cover:
        """Expose the primer, or the dark layer below light paint."""
        rng = canvas.rng
        light_coat = np.mean(canvas.paint.colour) > 0.3
        primer = np.array([0.10, 0.105, 0.115] if light_coat else [0.40, 0.41, 0.41])
        primer *= float(canvas.around.sky.mean()) * 1.3
        haze = self._haze(canvas)
        canvas.lay(primer.tolist(), haze.times(body).times(0.32 * self._streaks(canvas, haze)))
        harmed = np.zeros(body.shape, np.float32)
        worn = np.clip(0.85 + 0.35 * fractal_noise(rng, 1, 4096, 60, 3)[0], 0.1, 1)
        for stroke in self.strokes:
            cut = canvas.line(self._path(stroke), stroke[4], soft=0.3)
            t, _ = self._along(canvas, cut.window)
            ends = np.clip(np.minimum(t - stroke[0], stroke[1] - t) / 0.07, 0, 1)
            fading = worn[rng.integers(3500) + np.clip((t + 0.6) * 480, 0, 590).astype(int)]
            cut = cut.times(body).times(stroke[5] * ends * fading)
            canvas.lay((primer * rng.uniform(0.75, 1.3)).tolist(), cut)
            harmed[cut.window] = np.maximum(harmed[cut.window], cut.share)
        return _joined(harmed > 0.12, 14 * canvas.scale) & (body > 0.5)

    def _path(self, stroke: NDArray[np.float64]) -> Points:
        begin, end, offset, lean = stroke[:4]
        t = np.linspace(begin, end, 14)
        u, v = t * self.length, offset + lean * t * self.length + self._bowed(t)
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return np.stack(
            [self.spot[0] + u * cos - v * sin, self.spot[1] + u * sin + v * cos], axis=1
        )

    def _bowed(self, t: Points) -> Points:
        return self.bow * (4 * t * t - 0.5)

    def _along(self, canvas: Canvas, window: Window) -> tuple[Linear, Linear]:
        """Each pixel's position along (-0.5 to 0.5) and across (mm) the scrape."""
        dx, dy = canvas.x[window] - self.spot[0], canvas.y[window] - self.spot[1]
        t = (dx * np.cos(self.turn) + dy * np.sin(self.turn)) / self.length
        v = dy * np.cos(self.turn) - dx * np.sin(self.turn)
        return t.astype(np.float32), (v - self._bowed(t)).astype(np.float32)

    def _haze(self, canvas: Canvas) -> Patch:
        low, high = np.quantile(self.strokes[:, 2], [0.15, 0.85])
        rims = [
            self._path(np.array([begin, end, offset, 0]))
            for offset, begin, end in ((low, -0.42, 0.36), (high, 0.36, -0.42))
        ]
        return canvas.area(np.vstack(rims), soft=6)

    def _streaks(self, canvas: Canvas, haze: Patch) -> Linear:
        grain = fractal_noise(canvas.rng, 256, 32, 10, 3)
        t, across = self._along(canvas, haze.window)
        lines = cv2.remap(grain, (t + 0.5) * 31, across * 1.6 + 128, cv2.INTER_LINEAR)
        return np.clip(0.25 + 0.5 * lines, 0, 1).astype(np.float32)


def _on_paint(rng: np.random.Generator, view: car_geometry.View) -> tuple[float, float]:
    left, right, low, high = view.paint
    return float(rng.uniform(left, right)), float(rng.uniform(low, high))


def _joined(cover: Cover, reach: float) -> Cover:
    """``cover`` with gaps narrower than ``reach`` px closed: one area, not forty strokes."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(1, round(reach)) + 1,) * 2)
    return cv2.morphologyEx(cover.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0
