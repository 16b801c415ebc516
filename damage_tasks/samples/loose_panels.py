"""Loose panels: one stands off, and the gap next to it opens."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from damage_tasks.samples import car_geometry
from damage_tasks.samples.camera import Points
from damage_tasks.samples.canvas import BLACK, Canvas
from damage_tasks.samples.panel_damage import Cover
from damage_tasks.samples.surroundings import Linear


@dataclass(frozen=True, slots=True)
class Spacing:
    """A loose panel: its gap opens like a wedge, and its edge catches the light."""

    path: Points
    opening: float
    lift: float
    where: float  # the widest place along the gap, 0 to 1
    towards: float  # which of the two panels stands off, 1 or -1

    @property
    def spot(self) -> tuple[float, float]:
        """The widest place."""
        x, y = self.path[round(self.where * (len(self.path) - 1))]
        return float(x), float(y)

    @classmethod
    def placed(cls, rng: np.random.Generator, view: car_geometry.View) -> Spacing:
        """An open gap that ``view`` shows."""
        gap = car_geometry.GAPS[view.gap]
        even = np.linspace(0, len(gap) - 1, 60)
        path = np.stack([np.interp(even, np.arange(len(gap)), axis) for axis in gap.T], axis=1)
        opening, lift, where = rng.uniform(20, 32), rng.uniform(10, 16), rng.uniform(0.35, 0.7)
        return cls(path, opening, lift, where, float(rng.choice([-1, 1])))

    def bend(self, canvas: Canvas) -> None:
        """Raise the panel towards its free edge, where it ends abruptly."""
        rim, sideways = self._rims()[1], self._sideways()
        tongue = np.vstack([rim, (rim + sideways * 95 * self._width()[:, None])[::-1]])
        beyond = canvas.area(np.vstack([rim, (rim - sideways * 90)[::-1]]), soft=1.5)
        panel = np.ones_like(canvas.relief)
        panel[beyond.window] -= beyond.share
        canvas.raise_by(self.lift, canvas.area(tongue, soft=16).times(panel))

    def mark(self, canvas: Canvas, body: Linear) -> Cover:
        """Draw the dark gap between the panels, the seal in it and the bare edge."""
        near, far = self._rims()
        wedge = np.vstack([near, far[::-1]])
        canvas.lay((0.012, 0.012, 0.012), canvas.area(wedge, soft=0.8).times(body))
        seal = canvas.line(near + (far - near) * 0.3, 3.5, soft=1.2)
        canvas.lay((0.05, 0.05, 0.05), seal.times(body).times(0.7))
        wide = self._width() > 0.15
        edge = canvas.line(far[wide] + self._sideways()[wide] * 1.5, 2.2, soft=0.6)
        glint = np.array(canvas.paint.colour) * 0.9 + 0.22 * canvas.around.sky
        canvas.lay(glint.tolist(), edge.times(body).times(0.85))
        shadow = canvas.line(near[wide] - self._sideways()[wide] * 5, 9, soft=4)
        canvas.lay(BLACK, shadow.times(body).times(0.45))
        patch = canvas.area(wedge)
        cover = np.zeros(body.shape, np.uint8)
        cover[patch.window] = patch.share > 0.3
        kernel = 2 * max(1, round(7 * canvas.scale)) + 1
        return (cv2.dilate(cover, np.ones((kernel, kernel), np.uint8)) > 0) & (body > 0.5)

    def _width(self) -> Points:
        t = np.linspace(0, 1, len(self.path))
        return np.exp(-(((t - self.where) / 0.27) ** 2)) * np.clip(t * 12, 0, 1)

    def _sideways(self) -> Points:
        along = np.gradient(self.path, axis=0)
        along /= np.linalg.norm(along, axis=1)[:, None]
        return self.towards * np.stack([-along[:, 1], along[:, 0]], axis=1)

    def _rims(self) -> tuple[Points, Points]:
        sideways, width = self._sideways(), self._width()[:, None] * self.opening
        return self.path - sideways * 1.5, self.path + sideways * (1.5 + width)
