"""How many labelled faces and plates a redaction bundle covers, and what else it redacts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damage_tasks.redaction.redactor import Redactor
from damage_tasks.redaction.regions import area_mask
from model_store.manifest import Subject
from model_training.data.labelled_photos import LabelledPhoto
from model_training.data.private_regions import SUBJECTS, PrivateRegion, of_subject
from model_training.evaluation.detection_metrics import wilson

# Outlines are drawn by hand; with three quarters covered, neither a plate nor a face is legible.
COVERED = 0.75
# A region that touches a labelled one by this share is about it.
OVERLAPPING = 0.1


@dataclass(slots=True)
class Counts:
    """Counts of one subject: outlines and those covered, regions and those at an outline."""

    labelled: int = 0
    covered: int = 0
    redacted: int = 0
    right: int = 0
    needless_photos: int = 0  # without the subject, but with a region
    photos_without: int = 0

    def figures(self) -> dict[str, Any]:
        """Recall and precision with 95 % intervals; null where nothing was counted."""
        return {
            "recall": _share(self.covered, self.labelled),
            "precision": _share(self.right, self.redacted),
            "needlessly_redacted_photos": _share(self.needless_photos, self.photos_without),
        }


@dataclass(slots=True)
class RedactionEvaluation:
    """Counts by subject over ``photos`` photos that somebody looked at."""

    photos: int = 0
    counts: dict[Subject, Counts] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """The figures of each subject, with JSON types only."""
        return {subject: counts.figures() for subject, counts in self.counts.items()}


def evaluate_redaction(
    redactor: Redactor,
    photos: Iterable[LabelledPhoto],
    labels: Mapping[str, Sequence[PrivateRegion]],
) -> RedactionEvaluation:
    """Redact those of ``photos`` that have labels, and compare.  Raises `PhotosError`."""
    networks = redactor.bundle.manifest.networks
    subjects = [s for s in SUBJECTS if any(n.subject == s for n in networks)]
    result = RedactionEvaluation(counts={subject: Counts() for subject in subjects})
    for photo in photos:
        if photo.id not in labels:
            continue
        pixels, _ = photo.read()
        size = (pixels.shape[1], pixels.shape[0])
        found = redactor.find(pixels)
        result.photos += 1
        for subject, counts in result.counts.items():
            labelled = [r.mask(*size) for r in of_subject(labels[photo.id], subject)]
            redacted = [area_mask([r], size) > 0 for r in found if r.subject == subject]
            _count(counts, labelled, redacted)
    return result


def _count(
    counts: Counts, labelled: list[NDArray[np.bool_]], redacted: list[NDArray[np.bool_]]
) -> None:
    covered = np.logical_or.reduce(redacted) if redacted else None
    for mask in labelled:
        counts.labelled += 1
        counts.covered += covered is not None and float(covered[mask].mean()) >= COVERED
    for mask in redacted:
        if not mask.any():
            continue
        counts.redacted += 1
        counts.right += any(float(label[mask].mean()) >= OVERLAPPING for label in labelled)
    if not labelled:
        counts.photos_without += 1
        counts.needless_photos += bool(redacted)


def _share(hits: int, count: int) -> dict[str, Any] | None:
    if not count:
        return None
    low, high = wilson(hits, count)
    return {"value": hits / count, "low": low, "high": high, "hits": hits, "count": count}
