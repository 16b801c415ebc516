"""A digest of labelled photos: equal if photos, labels and split are equal."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from model_store.manifest import TrainingData
from model_training.data.labelled_photos import LabelledPhoto, PhotosError


def digest_of(photos: Sequence[LabelledPhoto]) -> TrainingData:
    """The number of ``photos`` by split, and their digest (sha256, hex).

    Names and folders do not count, nor does the order.  Raises `PhotosError` if a file cannot be
    read.
    """
    lines = sorted(_line(photo) for photo in photos)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    counts = Counter(photo.split for photo in photos)
    return TrainingData(digest=digest, photos=dict(sorted(counts.items())))


def _line(photo: LabelledPhoto) -> str:
    if photo.mask_path is not None:
        label = _sha256(photo.mask_path)
    else:
        regions = sorted((region.class_id, region.corners) for region in photo.regions)
        label = hashlib.sha256(json.dumps(regions).encode()).hexdigest()
    parts = (photo.split, photo.kind, str(photo.broken_parts), _sha256(photo.path), label)
    return " ".join(parts) + "\n"


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PhotosError(f"{path}: {error.strerror}") from None
