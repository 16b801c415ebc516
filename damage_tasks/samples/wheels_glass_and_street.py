"""Everything except painted metal: the street, wheels, glass and lamps."""

from __future__ import annotations

import cv2
import numpy as np

from damage_tasks.samples import car_geometry
from damage_tasks.samples.camera import Points, Window, rounded
from damage_tasks.samples.canvas import BLACK, Canvas, Triple, normals, slopes
from damage_tasks.samples.surroundings import Linear, fractal_noise, mirrored


def draw_street(canvas: Canvas) -> None:
    """Draw the background, the ground and the car's shadow on it."""
    around, rng = canvas.around, canvas.rng
    height, width = canvas.relief.shape
    x, z, is_ground = canvas.camera.ground_plane()
    is_ground &= z > -16000
    horizon = height - int(is_ground[:, width // 2].sum())
    # A tilted camera's horizon is higher on one side, so the street extends below it.
    tall, reach = int(0.55 * width), min(height, horizon + height // 12)
    scenery = cv2.resize(around.backdrop, (width, max(tall, reach)))
    canvas.light[:reach] = scenery[len(scenery) - reach :]
    side = 512
    grain = 0.10 * fractal_noise(rng, side, side, 200, 4)
    grit = rng.standard_normal((side, side), dtype=np.float32)
    grain += 0.15 * np.asarray(cv2.GaussianBlur(grit, (0, 0), 0.9))
    rows = slice(max(0, int(np.argmax(is_ground.any(axis=1)))), height)
    seen, x, z = is_ground[rows], x[rows], z[rows]
    depth = np.where(seen, z, np.float32(-16000))

    def unfolded(length: Linear) -> Linear:
        # Forwards, then backwards: a mirrored tile has no seam.
        turns = length * np.float32(0.30 / (2 * side - 2))
        return np.abs(turns - np.rint(turns)) * np.float32(2 * side - 2)

    texture = cv2.remap(grain, unfolded(x), unfolded(depth), cv2.INTER_LINEAR)
    # Distant grains are smaller than a pixel and average out.
    texture *= np.clip(1.1 - np.abs(depth) / 6000, 0.1, 1)
    # Nose and tail are round, so the shadow there is shorter.
    round_off = 0.5 * np.clip(-depth, 0, 900)
    inside = np.minimum(x + 40 - round_off, 4260 - round_off - x)
    under = np.clip(inside / 420, 0, 1) * np.clip((depth + 2100) / 500, 0, 1)
    hard = 60 if around.sunlight[1] > 1 else 190
    shadow = under / (1 + np.exp(np.clip((depth - 150) / hard, -30, 30)))
    sunny = 1 + 0.55 * float(around.sunlight[1]) / 2
    ground = (1 + texture) * (1 - 0.93 * shadow) * sunny
    part = canvas.light[rows]
    part[seen] = ground[seen][:, None] * around.ground


def draw_wheels(canvas: Canvas) -> None:
    """Draw both wheels in their dark arches, as far as they are visible."""
    for at in car_geometry.WHEELS:
        window = canvas.window(at, car_geometry.ARCH_RADIUS + 6)
        if canvas.x[window].size:
            _draw_wheel(canvas, at, window)


def _draw_wheel(canvas: Canvas, at: tuple[float, float], window: Window) -> None:
    dx, dy = canvas.x[window] - at[0], canvas.y[window] - at[1]
    far, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    sky, ground = canvas.around.sky, canvas.around.ground
    liner = 0.006 + 0.012 * np.clip((far - car_geometry.TYRE_RADIUS) / 50, 0, 1) * np.clip(
        1 - dy / 300, 0, 1
    )
    picture = np.repeat(liner[..., None], 3, axis=2).astype(np.float32)

    def inside(reach: float) -> Linear:
        return np.clip((reach - far) * canvas.scale + 0.5, 0, 1)[..., None]

    lit = np.clip(0.35 + 0.65 * dy / car_geometry.TYRE_RADIUS, 0.08, 1)
    wall = 0.030 + 0.012 * np.cos((far - 270) / 9)
    tread = 0.022 + 0.018 * (np.sin(angle * 130) > 0.3)
    rubber = np.where(far > 303, tread, wall) * (0.45 + 0.65 * lit) * 1.4
    picture += (rubber[..., None] * sky - picture) * inside(car_geometry.TYRE_RADIUS)
    # Behind the spokes: the brake disc and darkness.
    disc = (0.10 * (0.6 + 0.4 * np.cos(2 * angle)))[..., None] * sky * inside(165)
    picture += (0.012 + disc - picture) * inside(car_geometry.RIM_RADIUS - 12)
    spread = 0.34 + 0.30 * np.clip(1 - far / 210, 0, 1)
    height = np.clip((np.cos(5 * (angle + 0.2)) - 1 + 2 * spread) * 3.2, 0, 1)
    height = np.maximum(height, np.clip(np.maximum((62 - far) / 8, (far - 203) / 8), 0, 1))
    soft = cv2.GaussianBlur(height.astype(np.float32), (0, 0), max(0.6, 5 * canvas.scale))
    right, up = slopes(np.asarray(26 * soft, np.float32), canvas.scale)
    normal = normals(right, up + np.float32(0.04))
    shine = mirrored(canvas.around.soft, 2 * normal[0] * normal[2], 2 * normal[1] * normal[2])
    metal = 0.33 * shine + 0.10 * ground + 0.02
    picture += (
        (metal - picture) * np.clip(height * 2.5, 0, 1)[..., None] * inside(car_geometry.RIM_RADIUS)
    )
    for k in range(5):
        way = 2 * np.pi * k / 5 + 0.83
        near = np.hypot(dx - 44 * np.cos(way), dy - 44 * np.sin(way))
        picture *= 1 - 0.85 * np.clip((9 - near) * canvas.scale, 0, 1)[..., None]
    picture *= (1.05 - 0.75 * np.clip((dy - 120) / 230, 0, 1))[..., None]
    part = canvas.light[window]
    part += (picture - part) * inside(car_geometry.ARCH_RADIUS + 4)


def draw_glass(canvas: Canvas) -> None:
    """Draw side windows: a dark cabin, the light of the far windows, and the reflected street."""
    low, high = car_geometry.GLASS_BOX
    box = np.array([low, (low[0], high[1]), high, (high[0], low[1])], float)
    window = canvas.camera.window(canvas.camera.pixels(box), 2)
    x, y = canvas.x[window], canvas.y[window]
    if not x.size:
        return
    shine = canvas.shine(_curved(x, y, 0.36), window)
    full = canvas.camera.size
    behind = cv2.resize(canvas.around.backdrop, full)[window]
    # Roof and doors block the light: only the far windows are bright.
    bright = np.clip(1 - np.abs(y - 1165) / 170, 0, 1) * (np.mod(x, 900) > 90)
    bright = cv2.GaussianBlur(bright.astype(np.float32), (0, 0), 8 * canvas.scale)
    cabin = 0.006 + behind * (0.02 + 0.22 * bright[..., None])
    seats = np.zeros_like(canvas.relief)
    for left in (1480.0, 1940.0, 2560.0, 2980.0):
        for shape in (car_geometry.SEAT, car_geometry.HEADREST):
            seat = canvas.area(shape + np.array([left, 0]), soft=9, smooth=3)
            seats[seat.window] = np.maximum(seats[seat.window], seat.share)
    cabin *= 1 - 0.72 * seats[window][..., None]
    panes = (car_geometry.FRONT_GLASS, car_geometry.REAR_GLASS)
    for pane in panes:
        canvas.lay((0.012, 0.012, 0.012), canvas.line(_closed(pane), 30))
    for pane, filling in (
        (car_geometry.PILLAR, 0.01 + shine),
        *((p, cabin + 1.6 * shine) for p in panes),
    ):
        patch = canvas.area(pane)
        if patch.share.size:
            canvas.lay(_cut(filling, window, patch.window), patch)
    for pane in panes:
        belt = pane[[0, -1]] + np.array([0, -8])
        canvas.lay((0.30, 0.30, 0.29), canvas.line(belt, 7, soft=1.5).times(0.75))


def draw_lamps(canvas: Canvas) -> None:
    """Draw headlight, tail light and the small indicator on the bumper."""
    for shape in (car_geometry.HEADLIGHT, car_geometry.TAIL_LIGHT):
        cover = canvas.area(shape, smooth=3)
        if not cover.share.size:
            continue
        canvas.lay(BLACK, canvas.line(_closed(rounded(shape, 3)), 8, soft=1))
        x, y = canvas.x[cover.window], canvas.y[cover.window]
        lens = _curved(x, y, 0.25)
        shine = 1.6 * canvas.shine((lens[0] - 0.35, lens[1], lens[2]), cover.window, 0.06)
        if shape is car_geometry.TAIL_LIGHT:
            ribs = 0.75 + 0.25 * np.sin(y * 0.35)
            canvas.lay(ribs[..., None] * np.array([0.012, 0.01, 0.28]) + shine, cover)
        else:
            canvas.lay(_headlight_inside(canvas, x, y) + shine, cover)
    canvas.lay((0.01, 0.12, 0.5), canvas.area(car_geometry.BLINKER, smooth=2))


def _headlight_inside(canvas: Canvas, x: Linear, y: Linear) -> Linear:
    """Two chrome reflectors in a dark housing, which reflect the street in bands."""
    inside = np.full((*x.shape, 3), 0.03, np.float32)
    inside += (0.05 * (1 + np.sin(x * 0.11)) * (y > 690))[..., None]
    glow = canvas.around.sky
    for cx, cy, radius in ((190.0, 668.0, 56.0), (330.0, 712.0, 48.0)):
        far = np.hypot(x - cx, y - cy) / radius
        bands = 0.5 + 0.5 * np.sin(7 * far + 3 * np.sin(np.arctan2(y - cy, x - cx)))
        bowl = glow * (0.12 + 0.55 * bands * np.clip(1.15 - far, 0, 1))[..., None]
        bulb = np.exp(-((far / 0.22) ** 2))[..., None] * glow * 0.9
        inside = np.where((far < 1)[..., None], bowl + bulb, inside)
        rim = np.exp(-(((far - 1.03) * radius / 3.5) ** 2))[..., None]
        inside = inside * (1 - 0.8 * rim) + 0.8 * rim * glow * 0.55
    return inside.astype(np.float32)


def _curved(x: Linear, y: Linear, lean: float) -> Triple:
    return normals(0.00006 * (x - 2100), lean + 0.0006 * (y - 1150))


def _cut(picture: Linear, window: Window, part: Window) -> Linear:
    """``part`` of a picture that fills ``window``."""
    top, left = window[0].start, window[1].start
    rows = slice(part[0].start - top, part[0].stop - top)
    return picture[rows, part[1].start - left : part[1].stop - left]


def _closed(shape: Points) -> Points:
    return np.vstack([shape, shape[:1]])
