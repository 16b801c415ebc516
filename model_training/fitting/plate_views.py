"""Training views for the plates network: parts of photos with drawn plates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import albumentations as A
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_training.data.augmentation import ViewSettings, cut, photometric, view_matrix
from model_training.data.labelled_photos import LabelledPhoto
from model_training.data.private_regions import PrivateRegion, of_subject
from model_training.synthetic.plates_in_photos import BACKGROUND, PLATE, add_plates

Layer = NDArray[np.uint8]

LONG_SIDE_PX = 640
VIEW_PX = 192
SCALES = ViewSettings(
    long_side=LONG_SIDE_PX, smallest=0.5, largest=1.6, close_up=(1.4, 3.0), tilt=5.0, turned=0.04
)
CLOSE_UPS = 0.2  # share of the views
AT_PLATES = 0.6  # share of the views of labelled photos that show one of their plates


@dataclass(frozen=True, slots=True)
class PlatePhoto:
    """A photo (H x W x 3 uint8, BGR) with a layer of labels (H x W uint8).

    A layer contains `PLATE`, `BACKGROUND` where there surely is none, and 0 elsewhere.
    """

    pixels: Layer
    labels: Layer
    centres: tuple[tuple[float, float], ...]


class PlateViews:
    """Batches of views; the batch of a number is always the same."""

    def __init__(self, photos: Sequence[PlatePhoto], batch: int, seed: int) -> None:
        self.photos, self.batch, self.seed = photos, batch, seed

    def at(self, number: int) -> tuple[Tensor, Tensor]:
        """Views (N x 3 x H x W uint8, RGB) and their labels (N x H x W uint8)."""
        rng = np.random.default_rng((self.seed, number))
        change = A.Compose([photometric()], seed=int(rng.integers(2**31)))
        views, labels = zip(*(self._view(rng, change) for _ in range(self.batch)), strict=True)
        pixels = np.stack([np.ascontiguousarray(view[..., ::-1]) for view in views])
        return torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.from_numpy(np.stack(labels))

    def _view(self, rng: np.random.Generator, change: A.Compose) -> tuple[Layer, Layer]:
        photo = self.photos[int(rng.integers(len(self.photos)))]
        height, width = photo.pixels.shape[:2]
        centre = (float(rng.uniform(0, width)), float(rng.uniform(0, height)))
        if photo.centres and rng.random() < AT_PLATES:
            centre = photo.centres[int(rng.integers(len(photo.centres)))]
        size = (VIEW_PX, VIEW_PX)
        close_up = bool(rng.random() < CLOSE_UPS)
        matrix = view_matrix((height, width), size, centre, SCALES, rng, close_up)
        view, labels = cut(photo.pixels, photo.labels, matrix, size)
        add_plates(view, labels, rng)
        return np.asarray(change(image=view)["image"], np.uint8), labels


def read_plate_photos(
    photos: Sequence[LabelledPhoto], regions: Mapping[str, Sequence[PrivateRegion]]
) -> list[PlatePhoto]:
    """Read ``photos`` with their plates in ``regions``; the others may show unlabelled ones."""
    return [_read(photo, regions.get(photo.id)) for photo in photos]


def _read(photo: LabelledPhoto, regions: Sequence[PrivateRegion] | None) -> PlatePhoto:
    pixels, _ = photo.read(LONG_SIDE_PX)
    height, width = pixels.shape[:2]
    labels = np.full((height, width), 0 if regions is None else BACKGROUND, np.uint8)
    centres = []
    for plate in of_subject(regions or (), "plate"):
        mask = plate.mask(width, height)
        labels[mask] = PLATE
        rows, columns = np.nonzero(mask)
        centres.append((float(columns.mean()), float(rows.mean())))
    return PlatePhoto(pixels, labels, tuple(centres))
