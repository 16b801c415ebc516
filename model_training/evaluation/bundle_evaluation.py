"""Evaluation of a bundle on labelled photos, using the code that the product runs.

Clean cars are scored twice, as whole photos and as close-up crops, because most
damaged photos are close-ups and a score could exploit that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from damage_tasks.vision.segmenter import Segmenter
from model_training.data.augmentation import close_up
from model_training.data.labelled_photos import LabelledPhoto
from model_training.data.vehicle_masks import imagenet_classifier
from model_training.evaluation.breakdown import AREA_RATIO_RANGES, Breakdown, breakdown
from model_training.evaluation.confidence_intervals import figures, figures_as_json
from model_training.evaluation.detection_metrics import false_alarms, roc_auc
from model_training.evaluation.evaluation_report import print_report
from model_training.evaluation.photo_result import (
    Overlap,
    PhotoResult,
    damage_gate,
    examine,
    iou,
)
from model_training.evaluation.synthetic_metrics import (
    QUALITY_PHOTOS,
    quality_on_spoilt,
    spacing_on_cars,
    spacing_on_drawn,
)
from model_training.synthetic.spacing_for_evaluation import opened_borders

Photo = NDArray[np.uint8]

RECALLS = (0.90, 0.95, 0.99)
SPACING_SEED = 77  # different from the one for choosing thresholds
CLOSE_UP_SEED = 9
PHOTO_GROUPS = ("damaged", "clean", "close_up")


def evaluate(
    segmenter: Segmenter,
    photos: Sequence[LabelledPhoto],
    console: Console | None = None,
    *,
    synthetic: bool = True,
) -> dict[str, Any]:
    """Figures of ``segmenter``'s bundle on ``photos``; prints them to ``console``.

    Masks are compared at up to 640 px with the masks of the product's own verdict:
    photos that a gate or the decision ends count as undamaged.  Every photo's area
    has the same weight ("pooled"); ``native`` counts pixels of the photo instead.  With
    ``synthetic``, spacing is also measured on drawn damage, and quality on spoilt
    photos.  Raises `ExtraMissing` without the ImageNet weights needed for drawing
    spacing.
    """
    manifest = segmenter.bundle.manifest
    has_spacing = synthetic and "spacing" in {network.type for network in manifest.segmenters()}
    classifier = imagenet_classifier() if has_spacing else None  # first, because it may be missing
    results, cleans = examine_all(segmenter, photos, console)
    report = report_of(segmenter, results)
    if classifier is not None:
        shown = _shown(cleans, "drawn spacing", console)
        views = opened_borders(shown, SPACING_SEED, classifier)
        report["spacing_drawn"] = spacing_on_drawn(segmenter, views)
        report["spacing_drawn_cars"] = spacing_on_cars(segmenter, console)
    if synthetic:
        report["quality"] = quality_on_spoilt(segmenter, cleans[:QUALITY_PHOTOS])
    if console is not None:
        print_report(report, console)
    return report


def write_report(report: Mapping[str, Any], out: Path) -> None:
    """Write ``report`` as JSON; values that could not be measured are null."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(_without_nan(report), indent=1) + "\n", encoding="utf-8")


def results_of(report: Mapping[str, Any]) -> list[PhotoResult]:
    """The results of single photos in ``report``."""
    return [PhotoResult(**entry) for entry in report["by_photo"]]


def examine_all(
    segmenter: Segmenter, photos: Sequence[LabelledPhoto], console: Console | None = None
) -> tuple[list[PhotoResult], list[Photo]]:
    """A result for every damaged photo, and two for every clean one: whole, and a close-up.

    Also the clean photos' pixels (H x W x 3 uint8, BGR).  Drawn cars and scenery are
    left out.
    """
    results, cleans, labelled_cleans = [], [], []
    for labelled in _shown([p for p in photos if p.judged], "evaluating", console):
        photo, ids = labelled.read()
        results.append(examine(segmenter, labelled, photo, ids)[0])
        if not labelled.damaged:
            cleans.append(photo)
            labelled_cleans.append(labelled)
    rng = np.random.default_rng(CLOSE_UP_SEED)
    pairs = list(zip(labelled_cleans, cleans, strict=True))
    for labelled, photo in _shown(pairs, "close-ups", console):
        crop = close_up(photo, rng)
        nothing = np.zeros(crop.shape[:2], np.uint8)
        results.append(examine(segmenter, labelled, crop, nothing, "close_up")[0])
    return results, cleans


def report_of(segmenter: Segmenter, results: Sequence[PhotoResult]) -> dict[str, Any]:
    """All figures that ``results`` yield, as plain values; NaN if undefined."""
    manifest = segmenter.bundle.manifest
    groups = {name: [r for r in results if _group(r) == name] for name in PHOTO_GROUPS}
    groups = {name: found for name, found in groups.items() if found}
    damaged = groups.get("damaged", [])
    scores = {name: [r.score for r in found] for name, found in groups.items()}
    gate_scores = {name: [r.gate_score for r in found] for name, found in groups.items()}
    return {
        "bundle": {
            "name": manifest.name,
            "version": manifest.version,
            "digest": segmenter.bundle.digest,
            "measured": manifest.decisive_digest,
        },
        "photos": {name: len(found) for name, found in groups.items()},
        "figures": figures_as_json(figures(results)),
        "breakdown": breakdown_as_json(breakdown(results)),
        "overlap": _overlaps(damaged),
        "recall_at_decision": _mean([r.found for r in damaged]),
        "recall_by_area": _recall_by_area(damaged),
        "damage_gate": damage_gate(manifest),
        "views": {
            view: {
                "auc": roc_auc(scores.get("damaged", []), scores.get(view, [])),
                "auc_gate": roc_auc(gate_scores.get("damaged", []), gate_scores.get(view, [])),
                "false_alarms": {
                    str(recall): false_alarms(
                        scores.get("damaged", []), scores.get(view, []), recall
                    )
                    for recall in RECALLS
                },
                "false_alarms_at_decision": _mean([r.found for r in groups.get(view, [])]),
            }
            for view in ("clean", "close_up")
        },
        "ended_by_gate": {
            name: _mean([bool(r.ended_by) for r in found]) for name, found in groups.items()
        },
        "seconds_per_photo": {
            name: float(np.median([r.seconds for r in found])) for name, found in groups.items()
        },
        "scores": {name: _rounded(found) for name, found in scores.items()},
        "gate_scores": {name: _rounded(found) for name, found in gate_scores.items()},
        "by_photo": [result.as_json() for result in results],
    }


def breakdown_as_json(found: Breakdown) -> dict[str, Any]:
    """Plain values for a report."""
    return {
        kind: {value: figures_as_json(group) for value, group in groups.items()}
        for kind, groups in found.items()
    }


def _group(result: PhotoResult) -> str:
    if result.damaged:
        return "damaged"
    return "clean" if result.view == "whole" else "close_up"


def _overlaps(damaged: Sequence[PhotoResult]) -> dict[str, dict[str, Any]]:
    """Pooled IoU and Dice of all damage, of each type, and in the photos' own pixels."""
    if not damaged:
        return {}
    found = {"any": [r.any for r in damaged]}
    for result in damaged:
        for name, overlap in result.types.items():
            found.setdefault(name, []).append(overlap)
    pooled = {name: _pooled(overlaps) for name, overlaps in sorted(found.items())}
    return {**pooled, "native.any": _pooled([r.native for r in damaged])}


def _pooled(overlaps: Sequence[Overlap]) -> dict[str, Any]:
    intersection, predicted, true = (float(v) for v in np.sum(overlaps, axis=0))
    total = predicted + true
    return {
        "iou": iou((intersection, predicted, true)),
        "dice": 2 * intersection / total if total else 0.0,
        "photos": sum(overlap[2] > 0 for overlap in overlaps),
    }


def _recall_by_area(damaged: Sequence[PhotoResult]) -> dict[str, tuple[int, int]]:
    """How many damaged photos were found, and how many there are, by damaged share."""
    counts = {}
    for name, low, high in AREA_RATIO_RANGES:
        inside = [result.found for result in damaged if low <= result.area < high]
        counts[name] = (sum(inside), len(inside))
    return counts


def _shown(values: Sequence[Any], title: str, console: Console | None) -> Iterable[Any]:
    return track(values, title, console=console, disable=console is None)


def _mean(values: Sequence[float] | Sequence[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 5) for value in values]


def _without_nan(value: Any) -> Any:
    """Replace NaN, which JSON lacks, by null."""
    if isinstance(value, Mapping):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and np.isnan(value) else value
