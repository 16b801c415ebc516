"""Training data besides labelled photos: vehicle masks, drawn cars, scenery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from model_training.data.label_formats.manifest_csv import read_folder
from model_training.data.label_formats.photo_finder import PHOTO_SUFFIXES
from model_training.data.labelled_photos import LabelledPhoto, PhotosError, of_split
from model_training.data.vehicle_masks import imagenet_classifier, vehicle_mask
from model_training.synthetic.drawn_cars import write_drawn_cars

Mask = NDArray[np.uint8]

LONG_SIDE_PX = 640  # the size at which `Pool` stores a photo
# A picture of a single colour does not show what a vehicle is not.
MIN_CONTRAST_GREY_LEVELS = 20.0


def vehicle_masks(
    photos: Sequence[LabelledPhoto], cache: Path, console: Console | None = None
) -> dict[str, Mask]:
    """Pseudo-labels of the vehicle on the clean photos among ``photos``, by id.

    Masks are H x W uint8, 0 or 1, at up to 640 px; ``cache`` stores them as PNG.
    Raises `ExtraMissing` without the ImageNet weights.
    """
    cache.mkdir(parents=True, exist_ok=True)
    clean = [photo for photo in photos if photo.kind == "negative"]
    missing = [photo for photo in clean if not (cache / f"{photo.id}.png").exists()]
    if missing:
        classifier = imagenet_classifier()
        for photo in track(missing, "vehicle masks", console=console, disable=console is None):
            pixels, _ = photo.read(LONG_SIDE_PX)
            cv2.imwrite(str(cache / f"{photo.id}.png"), vehicle_mask(classifier, pixels))
    masks = {}
    for photo in clean:
        mask = cv2.imread(str(cache / f"{photo.id}.png"), cv2.IMREAD_GRAYSCALE)
        if mask is not None:
            masks[photo.id] = np.asarray(mask, np.uint8)
    return masks


def drawn_cars(folder: Path, count: int, console: Console | None = None) -> list[LabelledPhoto]:
    """``count`` drawn cars for training, drawn into ``folder`` unless they already exist."""
    if not (folder / "manifest.csv").exists():
        write_drawn_cars(folder, count, console=console)
    return of_split(read_folder(folder), "train")


def scenery(folder: Path) -> list[LabelledPhoto]:
    """The pictures in ``folder`` as photos without a vehicle, except those of a single colour.

    Raises `PhotosError` when there are none.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in PHOTO_SUFFIXES:
            continue
        photo = LabelledPhoto(f"scenery_{path.stem}", path, "scenery")
        if photo.read(LONG_SIDE_PX)[0].std() > MIN_CONTRAST_GREY_LEVELS:
            found.append(photo)
    if not found:
        raise PhotosError(f"{folder}: no pictures")
    return found
