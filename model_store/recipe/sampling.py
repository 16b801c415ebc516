"""Training samples: which photo is looked at next, how closely, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_store.recipe import drawing
from model_store.recipe.labels import (
    ANY,
    TYPE_BITS,
    VEHICLE,
    VEHICLE_KNOWN,
    Batch,
    Sample,
    label_of,
    labelled,
    pasted,
    stack,
)
from model_store.recipe.panels import Path, find_panel_borders
from model_store.recipe.photos import BREAKAGE, DENT, SCRATCH, SPACING, LabelledPhoto
from model_store.recipe.views import ViewSettings, cut, perspective, photometric, spoil, view_matrix

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Random = np.random.Generator

# Kinds of sample, as shares in `Mix`.
DAMAGED, CLEAN_CLOSE, CLEAN_WHOLE, BACKGROUND, DRAWN, DRAWN_CAR = range(6)


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the kinds of sample, and how they are drawn; the shares sum to 1."""

    damaged: float = 0.54
    clean_close: float = 0.17
    clean_whole: float = 0.09
    background: float = 0.04
    drawn: float = 0.11
    drawn_cars: float = 0.05
    drawn_spacing: float = 0.55  # share of drawn samples that open a panel border
    spoilt: float = 0.07
    pasted: float = 0.2  # share of views with a part of another pasted in
    damaged_close: float = 0.2  # share of damaged photos cut like close-ups
    # (height, width) of a batch; close to each other in area
    sizes: tuple[tuple[int, int], ...] = ((256, 256), (224, 288), (224, 288), (288, 224))


@dataclass(slots=True)
class Entry:
    """A photo in memory: pixels, label byte, vehicle and, once needed, panel borders."""

    photo: Photo
    label: Mask
    kind: str
    vehicle: Mask | None
    damage_px: int
    borders: list[Path] | None = None


@dataclass(slots=True)
class Pool:
    """All training photos in memory and how likely each is drawn.

    ``priority`` is shared with the training process, which raises it for clean
    photos that look damaged to the network (hard negatives).
    """

    entries: list[Entry]
    priority: Tensor
    damaged: list[int] = field(default_factory=list)
    clean: list[int] = field(default_factory=list)
    scenery: list[int] = field(default_factory=list)
    drawn: list[int] = field(default_factory=list)

    @classmethod
    def read(
        cls,
        photos: Sequence[LabelledPhoto],
        vehicles: dict[str, Mask] | None = None,
        longest: int = 640,
    ) -> Pool:
        """Read ``photos`` at up to ``longest`` px; ``vehicles`` are 0/1 masks by photo id."""
        entries = [_entry(photo, (vehicles or {}).get(photo.id), longest) for photo in photos]
        pool = cls(entries, torch.ones(len(entries)).share_memory_())
        for index, entry in enumerate(entries):
            groups = {"negative": pool.clean, "scenery": pool.scenery, "drawn": pool.drawn}
            groups.get(entry.kind, pool.damaged).append(index)
            if entry.kind in ("typed", "untyped"):
                pool.priority[index] = _rarity(entry)
        return pool

    def choose(self, indices: Sequence[int], rng: Random) -> int:
        """One of ``indices``, in proportion to its priority."""
        weights = self.priority.numpy()[np.asarray(indices)].astype(np.float64)
        return int(rng.choice(indices, p=weights / weights.sum()))


class Samples:
    """Batches without end; batch ``i`` depends on ``seed`` and ``i`` alone.

    (And on the pool's priorities, which the training changes.)
    """

    def __init__(self, pool: Pool, batch: int, seed: int, mix: Mix, views: ViewSettings) -> None:
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
        group = {DAMAGED: pool.damaged, DRAWN_CAR: pool.drawn}.get(kind, pool.clean)
        if kind == BACKGROUND and pool.scenery and rng.random() < 0.6:
            group = pool.scenery
        index = pool.choose(group, rng)
        entry = pool.entries[index]
        photo, label = entry.photo, entry.label
        clean = float(kind in (CLEAN_CLOSE, CLEAN_WHOLE, BACKGROUND))
        if kind == DRAWN:
            photo, label = draw_damage(entry, mix.drawn_spacing, rng)
        chance = {CLEAN_CLOSE: 1.0, CLEAN_WHOLE: 0.0, BACKGROUND: 1.0, DRAWN: 0.6}
        close = rng.random() < chance.get(kind, mix.damaged_close)
        centre = _centre(label, kind, rng)
        matrix = view_matrix(photo.shape[:2], size, centre, self.views, rng, close)
        view, cut_label = cut(photo, label, matrix, size)
        if kind in (DAMAGED, DRAWN) or rng.random() < 0.5:
            bent = self.camera(image=view, mask=cut_label)
            view, cut_label = bent["image"], bent["mask"]
        view = self.light(image=view)["image"]
        spoilt = rng.random() < mix.spoilt
        if spoilt:
            view = spoil(view, rng)
        zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        damage_px = entry.damage_px if kind != DRAWN else int((label & ANY > 0).sum())
        return labelled(
            view, cut_label, entry.kind, damage_px * zoom**2, spoilt, zoom, index, clean
        )

    def _kind(self, rng: Random) -> int:
        mix, pool = self.mix, self.pool
        shares = np.zeros(6)
        shares[DAMAGED] = mix.damaged * bool(pool.damaged)
        shares[CLEAN_CLOSE] = mix.clean_close * bool(pool.clean)
        shares[CLEAN_WHOLE] = mix.clean_whole * bool(pool.clean)
        shares[BACKGROUND] = mix.background * bool(pool.clean)
        shares[DRAWN] = mix.drawn * bool(pool.clean)
        shares[DRAWN_CAR] = mix.drawn_cars * bool(pool.drawn)
        return int(rng.choice(6, p=shares / shares.sum()))


def draw_damage(entry: Entry, spacing_share: float, rng: Random) -> tuple[Photo, Mask]:
    """``entry``'s clean photo with one to three drawn damages, and its label."""
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
            photo, mask = drawing.draw_spacing(photo, border, rng)
            bit = TYPE_BITS[SPACING]
        else:
            i = int(rng.integers(len(xs)))
            scratch = rng.random() < 0.5
            draw = drawing.draw_scratch if scratch else drawing.draw_dent
            photo, mask = draw(photo, (float(xs[i]), float(ys[i])), rng, float(min(side, 1)))
            bit = TYPE_BITS[SCRATCH if scratch else DENT]
        label[mask > 0] |= ANY | bit
    return photo, label


def _entry(photo: LabelledPhoto, vehicle: Mask | None, longest: int) -> Entry:
    pixels, ids = photo.read(longest)
    if vehicle is not None:
        size = (pixels.shape[1], pixels.shape[0])
        vehicle = cv2.resize(vehicle, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    label = label_of(photo, ids, vehicle)
    return Entry(pixels, label, photo.kind, vehicle, int((ids > 0).sum()))


def _rarity(entry: Entry) -> float:
    """Photos of rarer types are drawn more often."""
    if (entry.label & TYPE_BITS[BREAKAGE]).any():
        return 2.0
    return 1.4 if (entry.label & TYPE_BITS[SCRATCH]).any() else 1.0


def _centre(label: Mask, kind: int, rng: Random) -> tuple[float, float]:
    """Where to look: mostly at damage, on clean photos at the vehicle, or beside it."""
    height, width = label.shape
    wanted: NDArray[np.bool_] | None = None
    if kind in (DAMAGED, DRAWN, DRAWN_CAR) and rng.random() < 0.75:
        wanted = label & ANY > 0
    elif kind == BACKGROUND:
        wanted = (label & VEHICLE_KNOWN > 0) & (label & VEHICLE == 0)
    elif rng.random() < 0.7:
        wanted = label & VEHICLE > 0
    if wanted is not None:
        spots = np.flatnonzero(wanted)
        if len(spots):
            y, x = divmod(int(spots[int(rng.integers(len(spots)))]), width)
            return float(x), float(y)
    return float(rng.uniform(0.1, 0.9) * width), float(rng.uniform(0.1, 0.9) * height)


def _box(size: tuple[int, int], rng: Random) -> tuple[int, int, int, int]:
    """A box (x, y, width, height) of 30 to 70 % of each side, in multiples of 16 px."""
    height, width = (max(16, int(side * rng.uniform(0.3, 0.7)) // 16 * 16) for side in size)
    x = int(rng.integers(0, (size[1] - width) // 16 + 1)) * 16
    y = int(rng.integers(0, (size[0] - height) // 16 + 1)) * 16
    return x, y, width, height
