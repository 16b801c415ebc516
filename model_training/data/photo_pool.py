"""All training photos in memory, and the probability of drawing each one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_training.data.labelled_photos import DENT, SCRATCH, SPACING, LabelledPhoto
from model_training.data.panel_borders import Path
from model_training.data.targets import TYPE_BITS, label_of

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Random = np.random.Generator


@dataclass(slots=True)
class PoolEntry:
    """A photo in memory: pixels, label byte, vehicle and, once needed, panel borders."""

    photo: Photo
    label: Mask
    kind: str
    vehicle: Mask | None
    damage_px: int
    weight: float = 1.0
    broken_parts: bool = False
    borders: list[Path] | None = None


@dataclass(slots=True)
class PhotoPool:
    """All training photos in memory, and the probability of drawing each one.

    ``priority`` is shared with the training process, which raises it for clean
    photos that look damaged to the network (hard negatives).
    """

    entries: list[PoolEntry]
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
        longest: int = 576,
    ) -> PhotoPool:
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
        """One of ``indices``, with probability proportional to its priority."""
        chosen = np.asarray(indices)
        weights = self.priority.numpy()[chosen].astype(np.float64)
        weights = weights * np.array([self.entries[index].weight for index in indices])
        return int(rng.choice(indices, p=weights / weights.sum()))


def _entry(photo: LabelledPhoto, vehicle: Mask | None, longest: int) -> PoolEntry:
    pixels, ids = photo.read(longest)
    if vehicle is not None:
        size = (pixels.shape[1], pixels.shape[0])
        vehicle = cv2.resize(vehicle, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    label = label_of(photo, ids, vehicle)
    return PoolEntry(
        pixels,
        label,
        photo.kind,
        vehicle,
        int((ids > 0).sum()),
        photo.weight,
        photo.broken_parts,
    )


def _rarity(entry: PoolEntry) -> float:
    """Weight by the rarity of the photo's types, so that rare ones are drawn more often."""
    if (entry.label & TYPE_BITS[SPACING]).any():
        return 6.0
    return 1.4 if (entry.label & (TYPE_BITS[SCRATCH] | TYPE_BITS[DENT])).any() else 1.0
