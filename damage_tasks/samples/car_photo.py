"""Draws one car photo: chooses view, car, light and damage, and combines them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damage_tasks.inspection import Verdict
from damage_tasks.samples import car_geometry
from damage_tasks.samples.bodywork import coat, draw_fittings, draw_panels, shape_panels
from damage_tasks.samples.broken_glass import Breakage
from damage_tasks.samples.camera import Camera
from damage_tasks.samples.camera_response import develop
from damage_tasks.samples.canvas import PAINTS, Canvas
from damage_tasks.samples.loose_panels import Spacing
from damage_tasks.samples.panel_damage import Dent, PanelDamage, Scratch
from damage_tasks.samples.surroundings import SCENES, draw_surroundings
from damage_tasks.samples.wheels_glass_and_street import (
    draw_glass,
    draw_lamps,
    draw_street,
    draw_wheels,
)

# In class-id order, from 1.
TYPES = ("scratch", "dent", "spacing", "breakage")
_KINDS: dict[str, Callable[[np.random.Generator, car_geometry.View], PanelDamage]] = {
    "scratch": Scratch.placed,
    "dent": Dent.placed,
    "spacing": Spacing.placed,
    "breakage": Breakage.placed,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A drawn photo and its true damage.

    ``photo`` is uint8 H x W x 3 BGR; ``mask`` is uint8 H x W, 0 for background,
    else the class id of `TYPES`; ``types`` lists those in the mask, in that order.
    """

    name: str
    photo: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    expected: Verdict
    types: tuple[str, ...]


def draw_sample(
    seed: int,
    *,
    size: tuple[int, int] = (1600, 1200),
    damages: Sequence[str] | None = None,
    view: str | None = None,
    stops: float = 0.0,
    blur: float = 0.0,
) -> Sample:
    """Draw the car photo for ``seed``; the same arguments give the same pixels.

    ``size`` is (width, height) in pixels.  ``damages`` are names of `TYPES`, empty
    for a clean car; by default the seed decides.  ``view`` is a key of
    `damage_tasks.samples.car_geometry.VIEWS`, by default one that can show the damage.
    ``stops`` under- or over-exposes and ``blur`` (pixels) blurs the photo.

    Raises `ValueError` for an unknown type or view, or when the view cannot show
    some of the damage.
    """
    rng = np.random.default_rng(seed)
    if damages is None:
        damages = [[], ["scratch"], ["dent"], ["spacing"], ["breakage"], ["dent", "scratch"]][
            rng.integers(6)
        ]
    name, shown = _chosen_view(rng, damages, view)
    paint = PAINTS[rng.integers(len(PAINTS))]
    harms = [_KINDS[kind](rng, shown) for kind in damages]
    canvas = Canvas(
        _camera(rng, shown, harms, size),
        draw_surroundings(rng, SCENES[rng.integers(len(SCENES))]),
        paint,
        rng,
        has_strip=bool(rng.random() < 0.35),
    )
    mask = _draw(canvas, damages, harms)
    photo = develop(canvas.light, rng, stops=stops, blur=blur)
    if rng.random() < 0.5:
        photo, mask = (np.ascontiguousarray(a[:, ::-1]) for a in (photo, mask))
    found = tuple(kind for class_id, kind in enumerate(TYPES, 1) if (mask == class_id).any())
    return Sample(
        name="-".join([paint.name, name, *(found or ("clean",))]),
        photo=photo,
        mask=mask,
        expected=Verdict.DAMAGED if found else Verdict.CLEAN,
        types=found,
    )


def _chosen_view(
    rng: np.random.Generator, damages: Sequence[str], view: str | None
) -> tuple[str, car_geometry.View]:
    if unknown := set(damages) - set(TYPES):
        raise ValueError(f"unknown damage type: {', '.join(sorted(unknown))}")
    able = [
        name
        for name, shown in car_geometry.VIEWS.items()
        if (shown.gap or "spacing" not in damages)
        and (shown.pane or "breakage" not in damages)
        and (shown.dents or "dent" not in damages)
    ]
    if view is not None and view not in able:
        raise ValueError(f"the view {view!r} is unknown or cannot show {', '.join(damages)}")
    name = view or able[rng.integers(len(able))]
    return name, car_geometry.VIEWS[name]


def _camera(
    rng: np.random.Generator,
    shown: car_geometry.View,
    harms: Sequence[PanelDamage],
    size: tuple[int, int],
) -> Camera:
    """A camera where a person would stand: in front of the panel, or closer to the damage."""
    spot, span = np.array(shown.spot), rng.uniform(*shown.span)
    if size[0] < size[1]:
        span *= 0.75
    if harms:
        spot = 0.4 * spot + 0.6 * np.mean([harm.spot for harm in harms], axis=0)
        span *= rng.uniform(0.65, 0.92)
    return Camera.looking_at(
        (float(spot[0]), float(spot[1])),
        span,
        size,
        yaw=rng.uniform(*shown.yaw),
        height=rng.uniform(1100, 1450),
        roll=rng.normal(0, 0.02),
    )


def _draw(
    canvas: Canvas, damages: Sequence[str], harms: Sequence[PanelDamage]
) -> NDArray[np.uint8]:
    """Draw the whole picture; returns the mask of class ids."""
    shape_panels(canvas)
    for harm in harms:
        harm.bend(canvas)
    painted = coat(canvas)
    draw_street(canvas)
    draw_wheels(canvas)
    body = draw_panels(canvas, painted)
    draw_glass(canvas)
    draw_lamps(canvas)
    mask = np.zeros(canvas.relief.shape, np.uint8)
    for kind, harm in zip(damages, harms, strict=True):
        mask[harm.mark(canvas, body)] = TYPES.index(kind) + 1
    mask[draw_fittings(canvas, painted) > 0.5] = 0
    return mask
