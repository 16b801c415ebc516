"""Evaluation of a bundle on labelled photos, through the code that the product runs.

Clean cars are scored twice: as whole photos, and as close-up crops, since most
damaged photos are close-ups and a score could cheat on that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from damage_tasks.inspection import Verdict
from damage_tasks.vision.measurement import Conclusion, conclude
from damage_tasks.vision.segmenter import Segmentation, Segmenter
from model_store.manifest import Gate
from model_training.data.augmentation import close_up, spoil
from model_training.data.labelled_photos import CLASS_IDS, LabelledPhoto
from model_training.data.vehicle_masks import imagenet_classifier
from model_training.evaluation.detection_metrics import Overlap, bootstrap, false_alarms, roc_auc
from model_training.evaluation.evaluation_report import print_report
from model_training.synthetic.drawn_spacing import cars_with_spacing, opened_borders

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]

RECALLS = (0.90, 0.95, 0.99)
QUALITY_PHOTOS = 60
SPACING_SEED = 77  # another than thresholds are chosen with
CAR_SEED, CARS = 70_000, 40  # neither golden photos nor cars of a training
AREAS = (("below 2 %", 0.0, 0.02), ("2 to 10 %", 0.02, 0.1), ("10 % and more", 0.1, 1.1))
SIDE = 640  # photos are compared at up to this long side, so that none outweighs the rest


@dataclass(slots=True)
class Tally:
    """What has been counted so far."""

    overlaps: dict[str, Overlap] = field(default_factory=dict)
    by_photo: list[tuple[float, float, float]] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)
    gate: dict[str, list[float]] = field(default_factory=dict)
    ended: dict[str, list[bool]] = field(default_factory=dict)
    verdicts: dict[str, list[bool]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    areas: list[float] = field(default_factory=list)  # of the damaged photos

    def overlap(self, name: str) -> Overlap:
        return self.overlaps.setdefault(name, Overlap())


def evaluate(
    segmenter: Segmenter,
    photos: Sequence[LabelledPhoto],
    out: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Figures of ``segmenter``'s bundle on ``photos``; writes JSON to ``out``, prints a table.

    Masks are compared at up to 640 px with the masks of the product's own verdict:
    what a gate or the decision ends counts as undamaged.  Every photo's area
    counts alike ("pooled"); ``native`` counts pixels of the photo instead.
    Spacing is measured on drawn damage.  Raises `ExtraMissing` without the
    ImageNet weights that its drawing needs.
    """
    manifest = segmenter.bundle.manifest
    has_spacing = "spacing" in {network.type for network in manifest.segmenters()}
    classifier = imagenet_classifier() if has_spacing else None  # first, since it may be missing
    tally = Tally()
    cleans: list[Photo] = []
    for labelled in _shown(photos, "evaluating", console):
        photo, ids = labelled.read()
        group = "damaged" if labelled.damaged else "clean"
        conclusion = _inspect(segmenter, photo, group, tally)
        if labelled.damaged:
            _compare(conclusion.mask, ids, labelled.kind == "typed", segmenter, tally)
            tally.areas.append(float((ids > 0).mean()))
        else:
            cleans.append(photo)
    rng = np.random.default_rng(9)
    for photo in _shown(cleans, "close-ups", console):
        _inspect(segmenter, close_up(photo, rng), "close_up", tally)
    report = _report(segmenter, tally)
    if classifier is not None:
        shown = _shown(cleans, "drawn spacing", console)
        views = opened_borders(shown, SPACING_SEED, classifier)
        report["spacing_drawn"] = spacing_on_drawn(segmenter, views)
        cars = _shown(range(CAR_SEED, CAR_SEED + CARS), "drawn cars", console)
        report["spacing_drawn_cars"] = spacing_on_drawn(segmenter, cars_with_spacing(cars))
    report["quality"] = quality_on_spoilt(segmenter, cleans[:QUALITY_PHOTOS])
    if out is not None:
        out.write_text(json.dumps(_without_nan(report), indent=1) + "\n", encoding="utf-8")
    if console is not None:
        print_report(report, console)
    return report


def spacing_on_drawn(segmenter: Segmenter, views: Iterable[tuple[Photo, Mask]]) -> dict[str, float]:
    """IoU of the spacing network on ``views`` with drawn spacing and its mask (0 or 1).

    The masks are those of the network's own policy, whatever the gate says, since
    one drawn gap on a whole car is often too small for the gate.  ``passed`` is the
    share that the gates let by.
    """
    always = without_gates(segmenter)
    ending = [gate for gate in segmenter.bundle.manifest.gates() if gate.ends_with != "none"]
    overlap, passed, count = Overlap(), 0, 0
    for photo, truth in views:
        found = always.segment(photo)
        mask = _resized(found.masks["spacing"].pixels.astype(np.uint8), truth.shape) > 0
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
    """The same bundle with gates that end nothing."""
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
    """AUC of the ``quality`` gate: photos as they are against the same photos spoilt."""
    if "quality" not in {gate.name for gate in segmenter.bundle.manifest.gates()}:
        return {}
    rng = np.random.default_rng(seed)
    good = [segmenter.segment(photo).scores["quality"] for photo in photos]
    bad = [segmenter.segment(spoil(photo, rng)).scores["quality"] for photo in photos]
    return {"auc": roc_auc(good, bad), "photos": float(len(photos))}


def _inspect(segmenter: Segmenter, photo: Photo, group: str, tally: Tally) -> Conclusion:
    began = time.perf_counter()
    found: Segmentation = segmenter.segment(photo)
    conclusion = conclude(
        found, (photo.shape[1], photo.shape[0]), segmenter.decision, segmenter.types
    )
    tally.seconds.setdefault(group, []).append(time.perf_counter() - began)
    tally.scores.setdefault(group, []).append(found.damage_score)
    tally.gate.setdefault(group, []).append(found.scores[segmenter.decision.gate])
    tally.ended.setdefault(group, []).append(found.ended is not None)
    tally.verdicts.setdefault(group, []).append(conclusion.verdict is Verdict.DAMAGED)
    return conclusion


def _compare(mask: Mask, ids: Mask, typed: bool, segmenter: Segmenter, tally: Tally) -> None:
    native = _resized(mask, ids.shape)
    tally.overlap("native.any").add(native > 0, ids > 0)
    scale = min(1.0, SIDE / max(ids.shape))
    shape = (round(ids.shape[0] * scale), round(ids.shape[1] * scale))
    mask, ids = _resized(mask, shape), _resized(ids, shape)
    tally.overlap("any").add(mask > 0, ids > 0, 1 / ids.size)
    tally.by_photo.append(
        (
            float((mask > 0)[ids > 0].sum() / ids.size),
            float((mask > 0).mean()),
            float((ids > 0).mean()),
        )
    )
    if typed:
        for place, name in enumerate(segmenter.types, 1):
            if name in CLASS_IDS:
                tally.overlap(name).add(mask == place, ids == CLASS_IDS[name], 1 / ids.size)


def _resized(mask: Mask, shape: tuple[int, ...]) -> Mask:
    return np.asarray(
        cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST), np.uint8
    )


def _report(segmenter: Segmenter, tally: Tally) -> dict[str, Any]:
    manifest = segmenter.bundle.manifest
    damaged = tally.scores.get("damaged", [])
    report: dict[str, Any] = {
        "bundle": {
            "name": manifest.name,
            "version": manifest.version,
            "digest": segmenter.bundle.digest,
        },
        "photos": {group: len(scores) for group, scores in tally.scores.items()},
        "overlap": {
            name: {"iou": o.iou, "dice": o.dice, "photos": o.photos}
            for name, o in sorted(tally.overlaps.items())
        },
        "any_iou_interval": bootstrap(tally.by_photo),
        "recall_at_decision": _mean(tally.verdicts.get("damaged", [])),
        "recall_by_area": _recall_by_area(tally.areas, tally.verdicts.get("damaged", [])),
        "damage_gate": manifest.decision.gate,
        "views": {},
    }
    for group in ("clean", "close_up"):
        scores = tally.scores.get(group, [])
        report["views"][group] = {
            "auc": roc_auc(damaged, scores),
            "auc_gate": roc_auc(tally.gate.get("damaged", []), tally.gate.get(group, [])),
            "false_alarms": {str(r): false_alarms(damaged, scores, r) for r in RECALLS},
            "false_alarms_at_decision": _mean(tally.verdicts.get(group, [])),
        }
    report["ended_by_gate"] = {group: _mean(v) for group, v in tally.ended.items()}
    report["seconds_per_photo"] = {g: float(np.median(v)) for g, v in tally.seconds.items()}
    report["scores"] = {g: [round(s, 5) for s in v] for g, v in tally.scores.items()}
    report["gate_scores"] = {g: [round(s, 5) for s in v] for g, v in tally.gate.items()}
    return report


def _recall_by_area(areas: Sequence[float], found: Sequence[bool]) -> dict[str, tuple[int, int]]:
    """How many damaged photos were found, and how many there are, by damaged share."""
    counts = {}
    for name, low, high in AREAS:
        inside = [f for area, f in zip(areas, found, strict=True) if low <= area < high]
        counts[name] = (sum(inside), len(inside))
    return counts


def _shown(values: Sequence[Any], title: str, console: Console | None) -> Iterable[Any]:
    return track(values, title, console=console, disable=console is None)


def _mean(values: Sequence[float] | Sequence[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: what could not be measured is null."""
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and np.isnan(value) else value
