"""Training samples: which photo is drawn next, how it is cropped, and its labels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from model_training.data.augmentation import (
    ViewSettings,
    cut,
    perspective,
    photometric,
    spoil,
    view_matrix,
)
from model_training.data.labelled_photos import DENT, SCRATCH, SPACING
from model_training.data.panel_borders import find_panel_borders
from model_training.data.photo_pool import PhotoPool, PoolEntry
from model_training.data.targets import (
    ANY,
    TYPE_BITS,
    VEHICLE,
    VEHICLE_KNOWN,
    Batch,
    Sample,
    labelled,
    pasted,
    stack,
)
from model_training.synthetic import drawn_damage
from model_training.synthetic.transplanting import transplant

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Random = np.random.Generator

# Kinds of sample, with shares in `SampleMix`.
DAMAGED, CLEAN_CLOSE, CLEAN_WHOLE, BACKGROUND, DRAWN, DRAWN_CAR, TRANSPLANTED, UNMARKED = range(8)


@dataclass(frozen=True, slots=True)
class SampleMix:
    """Shares of the kinds of sample, and how they are drawn; the shares sum to 1."""

    damaged: float = 0.50
    unmarked: float = 0.09  # undamaged parts of damaged photos
    clean_close: float = 0.12
    clean_whole: float = 0.10
    background: float = 0.02
    drawn: float = 0.06
    drawn_cars: float = 0.03
    transplanted: float = 0.08
    drawn_spacing: float = 0.55  # share of drawn samples that open a panel border
    spoilt: float = 0.07
    pasted: float = 0.3  # share of views with part of another one pasted in
    damaged_close: float = 0.2  # share of damaged photos cropped like close-ups
    # (height, width) of a batch; close to each other in area
    sizes: tuple[tuple[int, int], ...] = ((288, 288), (256, 320), (256, 320), (320, 256))


class Samples:
    """An endless sequence of batches; batch ``i`` depends only on ``seed`` and ``i``.

    (And on the pool's priorities, which change during training.)
    """

    def __init__(
        self, pool: PhotoPool, batch: int, seed: int, mix: SampleMix, views: ViewSettings
    ) -> None:
        self.pool, self.batch, self.seed = pool, batch, seed
        self.mix, self.views = mix, views
        self.light = photometric()
        self.camera = perspective()

    def at(self, number: int) -> Batch:
        """Batch ``number``."""
        rng = np.random.default_rng([self.seed, number])
        self.light.set_random_seed(int(rng.integers(2**31)))
        self.camera.set_random_seed(int(rng.integers(2**31)))
        size = self.mix.sizes[int(rng.integers(len(self.mix.sizes)))]
        samples = [self._sample(size, rng) for _ in range(self.batch)]
        mixed = [
            pasted(below, samples[i - 1], _box(size, rng))
            if rng.random() < self.mix.pasted
            else below
            for i, below in enumerate(samples)
        ]
        return stack(mixed)

    def _sample(self, size: tuple[int, int], rng: Random) -> Sample:
        mix, pool = self.mix, self.pool
        kind = self._kind(rng)
        groups = {DAMAGED: pool.damaged, UNMARKED: pool.damaged, DRAWN_CAR: pool.drawn}
        group = groups.get(kind, pool.clean)
        if kind == BACKGROUND and pool.scenery and rng.random() < 0.6:
            group = pool.scenery
        index = pool.choose(group, rng)
        entry = pool.entries[index]
        photo, label = entry.photo, entry.label
        clean = float(kind in (CLEAN_CLOSE, CLEAN_WHOLE, BACKGROUND))
        broken_parts, kind_of_label = entry.broken_parts, entry.kind
        if kind == DRAWN:
            photo, label = draw_damage(entry, mix.drawn_spacing, rng)
        elif kind == TRANSPLANTED:
            donor = pool.entries[pool.choose(pool.damaged, rng)]
            spot = _spot(label & VEHICLE > 0, rng) or (label.shape[1] // 2, label.shape[0] // 2)
            broken_parts = donor.broken_parts
            photo, label = transplant(photo, label, spot, (donor.photo, donor.label), rng)
            kind_of_label = donor.kind
        altered = kind in (DRAWN, TRANSPLANTED)
        chance = {
            CLEAN_CLOSE: 1.0,
            CLEAN_WHOLE: 0.0,
            BACKGROUND: 1.0,
            DRAWN: 0.6,
            TRANSPLANTED: 0.6,
            UNMARKED: 0.7,
        }
        close = rng.random() < chance.get(kind, mix.damaged_close)
        centre = _centre(label, kind, rng)
        matrix = view_matrix(photo.shape[:2], size, centre, self.views, rng, close)
        view, cut_label = cut(photo, label, matrix, size)
        if altered or kind == DAMAGED or rng.random() < 0.5:
            bent = self.camera(image=view, mask=cut_label)
            view, cut_label = bent["image"], bent["mask"]
        view = self.light(image=view)["image"]
        spoilt = rng.random() < mix.spoilt
        if spoilt:
            view = spoil(view, rng)
        zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        damage_px = int((label & ANY > 0).sum()) if altered else entry.damage_px
        return labelled(
            view,
            cut_label,
            kind_of_label,
            damage_px * zoom**2,
            spoilt,
            zoom,
            index,
            clean,
            broken_parts,
        )

    def _kind(self, rng: Random) -> int:
        mix, pool = self.mix, self.pool
        shares = np.zeros(8)
        shares[DAMAGED] = mix.damaged * bool(pool.damaged)
        shares[UNMARKED] = mix.unmarked * bool(pool.damaged)
        shares[CLEAN_CLOSE] = mix.clean_close * bool(pool.clean)
        shares[CLEAN_WHOLE] = mix.clean_whole * bool(pool.clean)
        shares[BACKGROUND] = mix.background * bool(pool.clean)
        shares[DRAWN] = mix.drawn * bool(pool.clean)
        shares[DRAWN_CAR] = mix.drawn_cars * bool(pool.drawn)
        shares[TRANSPLANTED] = mix.transplanted * bool(pool.clean and pool.damaged)
        return int(rng.choice(8, p=shares / shares.sum()))


def draw_damage(entry: PoolEntry, spacing_share: float, rng: Random) -> tuple[Photo, Mask]:
    """``entry``'s clean photo with one to three drawn damaged areas, and its label."""
    photo, label = entry.photo, entry.label.copy()
    if entry.borders is None:
        vehicle = entry.vehicle if entry.vehicle is not None else np.ones_like(label)
        entry.borders = find_panel_borders(entry.photo, vehicle)
    ys, xs = np.nonzero(entry.label & VEHICLE)
    if not len(xs):
        ys, xs = np.nonzero(np.ones_like(label))
    side = np.sqrt(max(len(xs), 1)) * 1.2 / max(photo.shape[:2])
    for _ in range(int(rng.integers(1, 4))):
        if entry.borders and rng.random() < spacing_share:
            border = entry.borders[int(rng.integers(len(entry.borders)))]
            photo, mask = drawn_damage.draw_spacing(photo, border, rng)
            bit = TYPE_BITS[SPACING]
        else:
            i = int(rng.integers(len(xs)))
            scratch = rng.random() < 0.5
            draw = drawn_damage.draw_scratch if scratch else drawn_damage.draw_dent
            photo, mask = draw(photo, (float(xs[i]), float(ys[i])), rng, float(min(side, 1)))
            bit = TYPE_BITS[SCRATCH if scratch else DENT]
        label[mask > 0] |= ANY | bit
    return photo, label


def _centre(label: Mask, kind: int, rng: Random) -> tuple[float, float]:
    """The crop's centre: mostly at damage, on clean photos at the vehicle, or next to it."""
    height, width = label.shape
    wanted: NDArray[np.bool_] | None = None
    if kind in (DAMAGED, DRAWN, DRAWN_CAR, TRANSPLANTED) and rng.random() < 0.75:
        wanted = label & ANY > 0
    elif kind == UNMARKED:
        wanted = _far_from_damage(label)
    elif kind == BACKGROUND:
        wanted = (label & VEHICLE_KNOWN > 0) & (label & VEHICLE == 0)
    elif rng.random() < 0.7:
        wanted = label & VEHICLE > 0
    if wanted is not None and (spot := _spot(wanted, rng)):
        return float(spot[0]), float(spot[1])
    return float(rng.uniform(0.1, 0.9) * width), float(rng.uniform(0.1, 0.9) * height)


def _far_from_damage(label: Mask) -> NDArray[np.bool_]:
    """Pixels at least a sixth of the photo's longer side away from any damage."""
    free = np.where(label & ANY > 0, 0, 1).astype(np.uint8)
    small = cv2.resize(free, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_NEAREST)
    distance = cv2.distanceTransform(small, cv2.DIST_L2, 3)
    far = (distance > max(small.shape) / 6).astype(np.uint8)
    size = (label.shape[1], label.shape[0])
    return np.asarray(cv2.resize(far, size, interpolation=cv2.INTER_NEAREST) > 0)


def _spot(wanted: NDArray[np.bool_], rng: Random) -> tuple[int, int] | None:
    spots = np.flatnonzero(wanted)
    if not len(spots):
        return None
    y, x = divmod(int(spots[int(rng.integers(len(spots)))]), wanted.shape[1])
    return x, y


def _box(size: tuple[int, int], rng: Random) -> tuple[int, int, int, int]:
    """A box (x, y, width, height) of 30 to 70 % of each side, in multiples of 16 px."""
    height, width = (max(16, int(side * rng.uniform(0.3, 0.7)) // 16 * 16) for side in size)
    x = int(rng.integers(0, (size[1] - width) // 16 + 1)) * 16
    y = int(rng.integers(0, (size[0] - height) // 16 + 1)) * 16
    return x, y, width, height
