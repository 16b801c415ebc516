"""Figures that labelled photos cannot provide: drawn spacing, and spoilt photos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from damage_tasks.vision.segmenter import Segmenter
from model_store.manifest import Gate
from model_training.data.augmentation import spoil
from model_training.evaluation.detection_metrics import Overlap, roc_auc
from model_training.evaluation.photo_result import resized
from model_training.synthetic.spacing_for_evaluation import cars_with_spacing

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]

QUALITY_PHOTOS = 60
CAR_SEED, CARS = 70_000, 40  # different from golden photos and training cars


def spacing_on_cars(segmenter: Segmenter, console: Console | None = None) -> dict[str, float]:
    """`spacing_on_drawn` on drawn cars."""
    seeds = track(
        range(CAR_SEED, CAR_SEED + CARS), "drawn cars", console=console, disable=console is None
    )
    return spacing_on_drawn(segmenter, cars_with_spacing(seeds))


def spacing_on_drawn(segmenter: Segmenter, views: Iterable[tuple[Photo, Mask]]) -> dict[str, float]:
    """IoU of the spacing network on ``views`` with drawn spacing and its mask (0 or 1).

    The masks come from the network's own policy, regardless of the gate, because
    a single drawn gap on a whole car is often too small for the gate.  ``passed`` is the
    share that the gates let through.
    """
    always = without_gates(segmenter)
    ending = [gate for gate in segmenter.bundle.manifest.gates() if gate.ends_with != "none"]
    overlap, passed, count = Overlap(), 0, 0
    for photo, truth in views:
        found = always.segment(photo)
        mask = resized(found.masks["spacing"].pixels.astype(np.uint8), truth.shape) > 0
        overlap.add(mask, truth > 0, 1 / truth.size)
        passed += all(found.scores[gate.name] >= gate.threshold for gate in ending)
        count += 1
    if not count:
        return {}
    return {
        "photos": float(count),
        "iou": overlap.iou,
        "dice": overlap.dice,
        "passed": passed / count,
    }


def without_gates(segmenter: Segmenter) -> Segmenter:
    """The same bundle with gates that never end an inspection."""
    manifest = segmenter.bundle.manifest
    open_networks = tuple(
        network.model_copy(update={"ends_with": "none", "code": None})
        if isinstance(network, Gate)
        else network
        for network in manifest.networks
    )
    changed = manifest.model_copy(update={"networks": open_networks})
    return Segmenter(replace(segmenter.bundle, manifest=changed), engine=segmenter.engine)


def quality_on_spoilt(
    segmenter: Segmenter, photos: Sequence[Photo], seed: int = 5
) -> dict[str, float]:
    """AUC of the ``quality`` gate: original photos against the same photos spoilt."""
    if "quality" not in {gate.name for gate in segmenter.bundle.manifest.gates()}:
        return {}
    rng = np.random.default_rng(seed)
    good = [segmenter.segment(photo).scores["quality"] for photo in photos]
    bad = [segmenter.segment(spoil(photo, rng)).scores["quality"] for photo in photos]
    return {"auc": roc_auc(good, bad), "photos": float(len(photos))}
