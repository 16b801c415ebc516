"""Painted panels: their shape, their paint, and their fittings."""

from __future__ import annotations

import cv2
import numpy as np

from damage_tasks.samples import car_geometry
from damage_tasks.samples.camera import Patch, Points
from damage_tasks.samples.canvas import BLACK, Canvas, Tint, normals, slopes
from damage_tasks.samples.surroundings import Linear, fractal_noise, mirrored


def shape_panels(canvas: Canvas) -> None:
    """Gaps, handles, wheel arches and the unevenness of real panels, as relief."""
    height, width = canvas.relief.shape
    for points in car_geometry.GAPS.values():
        canvas.raise_by(-3.2, canvas.line(points, 6.0, soft=2.2))
    for wheel in car_geometry.WHEELS:
        window = canvas.window(wheel, car_geometry.ARCH_RADIUS + 110)
        reach = np.hypot(canvas.x[window] - wheel[0], canvas.y[window] - wheel[1])
        flare = np.clip(reach - car_geometry.ARCH_RADIUS, -10, None) / 34
        canvas.relief[window] += 11 * np.exp(-flare * flare)
    for at in car_geometry.HANDLES:
        canvas.raise_by(-15, canvas.area(_cup(at), soft=13, smooth=3))
        canvas.raise_by(26, canvas.area(_handle_bar(at), soft=4.5, smooth=3))
    canvas.raise_by(60, canvas.area(car_geometry.MIRROR, soft=16, smooth=3))
    canvas.raise_by(-14, canvas.area(car_geometry.INTAKE, soft=6, smooth=2))
    if canvas.has_strip:
        canvas.raise_by(9, canvas.area(car_geometry.STRIP, soft=5))
    # Sheet metal is never flat: a clear coat reveals tenths of a millimetre.
    waves = fractal_noise(canvas.rng, height // 4 + 1, width // 4 + 1, 130 * canvas.scale / 4, 2)
    canvas.relief += 0.12 * cv2.resize(waves, (width, height), interpolation=cv2.INTER_CUBIC)
    canvas.relief += 0.005 * fractal_noise(canvas.rng, height, width, max(3, 7 * canvas.scale), 1)


def coat(canvas: Canvas) -> Linear:
    """The painted panel as it would look at every pixel of the picture: H x W x 3."""
    around, paint = canvas.around, canvas.paint
    whole = np.s_[0 : canvas.relief.shape[0], 0 : canvas.relief.shape[1]]
    right, up = slopes(canvas.relief, canvas.scale)
    right += car_geometry.turn_at(canvas.x)
    up += car_geometry.lean_at(canvas.x, canvas.y)
    normal = normals(right, up)
    rx, ry, facing = canvas.reflected(normal, whole)
    sun = np.clip(sum(n * s for n, s in zip(normal, around.sun, strict=True)), 0, 1)
    skyward = 0.5 + 0.5 * normal[1]
    flakes = mirrored(around.soft, rx, ry)
    glitter = 1 + paint.metallic * 0.05 * _tiled(canvas.rng, rx.shape)
    mirror = mirrored(around.sharp, rx, ry)
    fresnel = 0.075 + 0.925 * (1 - facing) ** 5
    # Little light reaches the sill, and road dust makes it dull.
    low = np.clip((470 - canvas.y) / 290, 0, 1)
    lit = 1 - 0.42 * low
    dust = 0.22 * low * low * np.clip(0.7 + 0.22 * _splashes(canvas), 0, 1)
    light = np.empty_like(canvas.light)
    flat, flaky = 0.8 * (1 - 0.75 * paint.metallic), 1.25 * paint.metallic
    for k in range(3):
        ambient = around.ground[k] * 0.9 * (1 - skyward) + around.sky[k] * skyward
        ambient += sun * around.sunlight[k]
        colour = paint.colour[k] * (flat * ambient + flaky * glitter * flakes[..., k])
        colour += fresnel * mirror[..., k]
        light[..., k] = (colour + dust * ((0.13, 0.16, 0.19)[k] * ambient - colour)) * lit
    return light


def _tiled(rng: np.random.Generator, shape: tuple[int, ...]) -> Linear:
    """White noise; repeating a tile is ten times faster and not noticeable."""
    tile = rng.standard_normal((251, 257), dtype=np.float32)
    return np.tile(tile, (shape[0] // 251 + 1, shape[1] // 257 + 1))[: shape[0], : shape[1]]


def _splashes(canvas: Canvas) -> Linear:
    height, width = canvas.relief.shape
    small = fractal_noise(canvas.rng, height // 2 + 1, width // 2 + 1, 24, 4)
    return np.asarray(cv2.resize(small, (width, height)), np.float32)


def draw_panels(canvas: Canvas, painted: Linear) -> Linear:
    """Draw the painted body; returns its coverage of each pixel."""
    body = np.zeros_like(canvas.relief)
    silhouette = canvas.area(car_geometry.BODY, smooth=2)
    body[silhouette.window] = silhouette.share
    for wheel in car_geometry.WHEELS:
        window = canvas.window(wheel, car_geometry.ARCH_RADIUS + 10)
        reach = np.hypot(canvas.x[window] - wheel[0], canvas.y[window] - wheel[1])
        body[window] *= np.clip((reach - car_geometry.ARCH_RADIUS) * canvas.scale + 0.5, 0, 1)
    whole = np.s_[0 : body.shape[0], 0 : body.shape[1]]
    canvas.lay(painted, Patch(whole, body))
    for name, points in car_geometry.GAPS.items():
        strength = 0.75 if name in ("flap", "bonnet") else 0.93
        canvas.lay(BLACK, canvas.line(points, 4.2, soft=0.7).times(body).times(strength))
    sill = canvas.area(car_geometry.SILL, soft=1).times(body)
    canvas.lay((0.02, 0.02, 0.02), sill.times(0.85))
    if canvas.has_strip:
        trim = canvas.area(car_geometry.STRIP)
        grey = 0.025 + 0.05 * np.clip(painted[trim.window], 0, 1).mean(axis=2, keepdims=True)
        canvas.lay(np.repeat(grey, 3, axis=2), trim)
    return body


def draw_fittings(canvas: Canvas, painted: Linear) -> Linear:
    """Draw handles, air intake and mirror over panels and glass; returns their coverage."""
    cover = np.zeros_like(canvas.relief)

    def fit(tint: Tint, patch: Patch) -> None:
        canvas.lay(tint, patch)
        cover[patch.window] = np.maximum(cover[patch.window], patch.share)

    for at in car_geometry.HANDLES:
        canvas.lay(BLACK, canvas.area(_handle_bar((at[0], at[1] - 16)), soft=6).times(0.8))
        fit(painted, canvas.area(_handle_bar(at), smooth=3))
    fit(BLACK, canvas.area(car_geometry.INTAKE, soft=2, smooth=2).times(0.95))
    for height in (322, 345, 368, 391):
        slat = np.array([(50, height + 6), (300, height - 6)], float)
        canvas.lay((0.035, 0.035, 0.035), canvas.line(slat, 6, soft=2).times(cover).times(0.7))
    canvas.lay(BLACK, canvas.area(car_geometry.MIRROR + np.array([12, -30]), soft=14).times(0.6))
    fit(painted, canvas.area(car_geometry.MIRROR, smooth=3))
    fit((0.015, 0.015, 0.015), canvas.area(car_geometry.MIRROR_FOOT, smooth=1))
    return cover


def _handle_bar(at: tuple[float, float]) -> Points:
    x, y = at
    return np.array([(x - 105, y - 15), (x - 105, y + 16), (x + 100, y + 20), (x + 100, y - 12)])


def _cup(at: tuple[float, float]) -> Points:
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    return np.stack([at[0] - 12 + 80 * np.cos(turn), at[1] - 4 + 38 * np.sin(turn)], axis=1)
