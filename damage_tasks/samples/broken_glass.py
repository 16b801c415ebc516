"""Broken panes: windows crumble around a hole, lamp covers break into shards."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.samples import car_geometry
from damage_tasks.samples.camera import Patch, Points
from damage_tasks.samples.canvas import Canvas
from damage_tasks.samples.surroundings import Linear

_BITS = 4


@dataclass(frozen=True, slots=True)
class Breakage:
    """A pane hit by a small object: a hole, radial cracks and a web of splinters."""

    pane: str
    spot: tuple[float, float]
    reach: float
    hole: float
    seeds: Points  # splinter centres, in mm from the spot

    @classmethod
    def placed(cls, rng: np.random.Generator, view: car_geometry.View) -> Breakage:
        """A hit on the pane that ``view`` shows."""
        lamp = view.pane == "headlight"
        reach = rng.uniform(120, 175) if lamp else rng.uniform(480, 620)
        hole = reach * rng.uniform(0.34, 0.46) if lamp else rng.uniform(55, 105)
        around = (50.0, 15.0) if lamp else (110.0, 25.0)
        spot = car_geometry.PANES[view.pane].mean(axis=0) + rng.uniform(-1, 1, 2) * around
        # Safety glass breaks into crumbs, a lamp's plastic into shards.
        grain, growth = (15.0, 0.22) if lamp else (10.0, 0.05)
        rings = [np.zeros((1, 2))]
        radius = grain
        while radius < reach:
            count = max(6, round(2 * np.pi * radius / (grain + growth * radius)))
            ways = 2 * np.pi * (np.arange(count) + rng.uniform(-0.35, 0.35, count)) / count
            far = radius * rng.uniform(0.9, 1.1, count)
            ways += rng.uniform(0, 2 * np.pi)
            rings.append(np.stack([far * np.cos(ways), far * np.sin(ways)], axis=1))
            radius += grain + growth * radius
        return cls(view.pane, (float(spot[0]), float(spot[1])), reach, hole, np.vstack(rings))

    def bend(self, canvas: Canvas) -> None:
        """Do nothing: panes are not part of the panels' relief."""

    def mark(self, canvas: Canvas, body: Linear) -> NDArray[np.bool_]:
        """Draw splinters, cracks and the hole; ``body`` is unused."""
        rng, smooth = canvas.rng, 3 if self.pane == "headlight" else 0
        pane = canvas.area(car_geometry.PANES[self.pane], smooth=smooth)
        shape = pane.share.shape
        tint, web, hole, broken = (np.zeros(shape, np.uint8) for _ in range(4))
        # The hole is ragged: its radius varies with the direction.
        ragged = rng.normal(0, 0.12, 7)
        for seed, facet in zip(self.seeds, self._facets(canvas, pane), strict=True):
            far, way = float(np.hypot(*seed)), float(np.arctan2(seed[1], seed[0]))
            rim = 1 + sum(r * np.sin((k + 2) * way + 9 * r) for k, r in enumerate(ragged))
            cv2.fillPoly(broken, [facet], (255,), cv2.LINE_AA, _BITS)
            if far < self.hole * rim * rng.uniform(0.9, 1.1):
                cv2.fillPoly(hole, [facet], (255,), cv2.LINE_AA, _BITS)
                continue
            milky = 60 + 110 * np.exp(-(far - self.hole) / (0.25 * self.reach))
            cv2.fillPoly(tint, [facet], (float(milky * rng.uniform(0.2, 1.3)),), cv2.LINE_AA, _BITS)
            # Cracks get thinner with distance, and some end early.
            if rng.random() < 1.4 - 0.7 * far / self.reach:
                strong = float(np.clip(255 * (1.1 - 0.6 * far / self.reach), 50, 255))
                cv2.polylines(web, [facet], True, (strong,), 1, cv2.LINE_AA, _BITS)
        thick = max(1, round(1.1 * canvas.scale))
        for way in rng.uniform(0, 2 * np.pi, rng.integers(8, 15)):
            ray = self._fixed(canvas, self._ray(rng, float(way)), pane)
            cv2.polylines(web, [ray], False, (210,), thick, cv2.LINE_AA, _BITS)
        glow = float(canvas.around.sky.mean())
        white = (0.85 * glow, 0.9 * glow, 0.86 * glow)
        canvas.lay(white, _part(pane, tint, 0.55))
        self._open(canvas, pane, hole, glow)
        web[hole > 128] = 0
        canvas.lay(white, _part(pane, web, 0.85))
        cover = np.zeros(canvas.relief.shape, bool)
        cover[pane.window] = (broken > 128) & (pane.share > 0.5)
        return cover

    def _open(self, canvas: Canvas, pane: Patch, hole: NDArray[np.uint8], glow: float) -> None:
        """Draw the dark interior, and the pane's thickness along the rim of the hole."""
        inside = canvas.light[pane.window] * 0.10 + 0.006
        canvas.lay(inside, _part(pane, hole, 1.0))
        deep = max(1, round(4 * canvas.scale))
        lit = cv2.subtract(hole, np.roll(hole, (-deep, deep // 2), (0, 1)))
        canvas.lay((0.35 * glow, 0.45 * glow, 0.38 * glow), _part(pane, lit, 0.75))

    def _facets(self, canvas: Canvas, pane: Patch) -> list[NDArray[np.int32]]:
        pixels = canvas.camera.pixels(self.seeds + self.spot)
        reach = 1.5 * self.reach * canvas.scale
        low, high = pixels.min(axis=0) - reach, pixels.max(axis=0) + reach
        box = [int(n) for n in (*low, *np.ceil(high - low))]
        mesh = cv2.Subdiv2D((box[0], box[1], box[2], box[3]))
        vertices = [mesh.insert((float(x), float(y))) for x, y in pixels]
        cells, _ = mesh.getVoronoiFacetList(vertices)
        # The outermost splinters would be infinite, so they end where the cracks do.
        middle = canvas.camera.pixels(np.array([self.spot]))[0]
        facets = []
        for cell in cells:
            away = np.asarray(cell) - middle
            far = np.maximum(np.hypot(*away.T), 1e-6)[:, None]
            kept = middle + away * np.minimum(1, 1.05 * self.reach * canvas.scale / far)
            facets.append(_fixed(kept, pane))
        return facets

    def _fixed(self, canvas: Canvas, points: Points, pane: Patch) -> NDArray[np.int32]:
        return _fixed(canvas.camera.pixels(points), pane)

    def _ray(self, rng: np.random.Generator, way: float) -> Points:
        far = np.linspace(0.9 * self.hole, self.reach * rng.uniform(0.4, 1.1), 24)
        ways = way + np.cumsum(rng.normal(0, 0.014, 24))
        return np.stack([far * np.cos(ways), far * np.sin(ways)], axis=1) + self.spot


def _fixed(pixels: Points, pane: Patch) -> NDArray[np.int32]:
    corner = (pane.window[1].start, pane.window[0].start)
    return np.rint((pixels - corner) * (1 << _BITS)).astype(np.int32)


def _part(pane: Patch, mask: NDArray[np.uint8], strength: float) -> Patch:
    share = mask.astype(np.float32) * pane.share * np.float32(strength / 255)
    return Patch(pane.window, share)
