"""The reference of a bundle: how the photos look with which those in production are compared."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.photos.quality import judge_quality
from damage_tasks.production_quality.distributions import (
    FEWEST_PHOTOS,
    distribution_of,
    reference_of,
)
from damage_tasks.results.photo_sample import sample_photos
from model_store.manifest import MANIFEST_FILE, Reference, read_manifest
from model_training.bundling.manifest_file import write_manifest
from model_training.data.labelled_photos import LabelledPhoto, PhotosError

if TYPE_CHECKING:
    from damage_tasks.results.store import Inspections


def reference_of_photos(photos: Iterable[LabelledPhoto]) -> Reference:
    """Brightness, sharpness and size of real labelled photos.

    Not their scores and verdicts: labelled photos show far more damage than those in production.
    Raises `PhotosError` if a photo cannot be read or if there are too few.
    """
    measured = [_measured(photo) for photo in photos if photo.judged]
    _refuse_few(len(measured))
    columns: list[NDArray[np.float64]] = list(np.array(measured, np.float64).T)
    names = ("brightness", "blur", "megapixels")
    return Reference(
        source="validation",
        photos=len(measured),
        numbers={
            name: distribution_of(values) for name, values in zip(names, columns, strict=True)
        },
    )


def reference_of_production(
    store: Inspections, version: str, since: datetime, until: datetime
) -> Reference:
    """All figures of the photos that the bundle ``version`` examined from ``since`` to ``until``.

    Raises `PhotosError` if there are too few, `DatabaseUnavailable` or `DatabaseError`.
    """
    with store.transaction() as connection:
        sample = sample_photos(connection, since, until)
    photos = [photo for photo in sample.photos if photo.bundle == version]
    _refuse_few(len(photos))
    return reference_of(photos, since.date().isoformat(), until.date().isoformat())


def write_reference(folder: Path, reference: Reference) -> None:
    """Write ``reference`` to the manifest of the bundle in ``folder``.

    Raises `BundleError` or `BundleNotFound`.
    """
    read_manifest(folder)
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    manifest["reference"] = reference.model_dump(mode="json", exclude_defaults=True)
    write_manifest(folder, manifest)


def _measured(photo: LabelledPhoto) -> tuple[float, float, float]:
    pixels = cv2.imread(str(photo.path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise PhotosError(f"{photo.path}: cannot be decoded as a photo")
    height, width = pixels.shape[:2]
    quality = judge_quality(np.asarray(pixels, np.uint8))
    return quality.brightness, quality.blur, round(width * height / 1e6, 2)


def _refuse_few(number: int) -> None:
    if number < FEWEST_PHOTOS:
        raise PhotosError(f"too few photos for a reference: {number}; give {FEWEST_PHOTOS}")
