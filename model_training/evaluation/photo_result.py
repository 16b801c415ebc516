"""A bundle's result for one labelled photo, compared with the truth."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.inspection import Verdict
from damage_tasks.vision.measurement import conclude
from damage_tasks.vision.segmenter import Segmenter
from model_store.manifest import Manifest
from model_training.data.labelled_photos import CLASS_IDS, LabelledPhoto

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]

# Photos are compared with at most this long side, so that none dominates.
COMPARED_LONG_SIDE_PX = 640
UNDAMAGED = "undamaged"
UNTYPED = "unknown type"
TRUTH_NAMES = (UNDAMAGED, *CLASS_IDS, UNTYPED)  # by class id of a label's mask

# (intersection, predicted, true) as shares of the photo
Overlap = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """One view of a labelled photo, examined as in the product.

    ``view``: the "whole" photo or a "close_up" crop of a clean one.  ``area``: the
    share of the photo that is damaged.  ``brightness``: mean grey value, 0 to 255.
    ``gate_score``: that of `damage_gate`.  ``found``: whether the verdict is damaged.
    ``ended_by``: the gate that ended the inspection, or "".  ``any``: overlap of the damage
    of all types, and ``native`` the same in the photo's own pixels; ``types``: by type, for
    photos with typed damage; ``confusion``: share of the photo by true and then predicted
    type.  ``cpu_s``: processor time of the networks; ``seconds``: wall time of the inspection.
    """

    id: str
    source: str
    domain: str
    group: str
    kind: str
    view: Literal["whole", "close_up"]
    damaged: bool
    area: float
    brightness: float
    score: float
    gate_score: float
    found: bool
    ended_by: str
    cpu_s: float
    seconds: float
    any: Overlap = (0.0, 0.0, 0.0)
    native: Overlap = (0.0, 0.0, 0.0)
    types: Mapping[str, Overlap] = field(default_factory=dict)
    confusion: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def cluster(self) -> str:
        """The unit of resampling: photos of one claim are not independent evidence."""
        return self.group or self.id

    @property
    def iou(self) -> float:
        """IoU of the photo's damage of all types, 0 to 1; 0 if there is none."""
        return iou(self.any)

    def as_json(self) -> dict[str, Any]:
        """Plain values, rounded."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def examine(
    segmenter: Segmenter,
    labelled: LabelledPhoto,
    photo: Photo,
    ids: Mask,
    view: Literal["whole", "close_up"] = "whole",
) -> tuple[PhotoResult, Mask]:
    """The result for ``photo`` (H x W x 3 uint8, BGR) and the predicted mask.

    ``ids``: the true class ids (H x W uint8).  The mask holds class ids of the labels
    (`photos.CLASS_IDS`), at the size of `compared_size`.
    """
    began, cpu = time.perf_counter(), time.process_time()
    found = segmenter.segment(photo)
    cpu = time.process_time() - cpu
    size = (photo.shape[1], photo.shape[0])
    conclusion = conclude(found, size, segmenter.decision, segmenter.types)
    seconds = time.perf_counter() - began
    predicted = _label_ids(conclusion.mask, segmenter.types)
    true, mask = (resized(m, compared_size(ids.shape)) for m in (ids, predicted))
    typed = labelled.kind == "typed"
    result = PhotoResult(
        id=labelled.id,
        source=labelled.source,
        domain=labelled.domain,
        group=labelled.group,
        kind=labelled.kind,
        view=view,
        damaged=labelled.damaged,
        area=float((ids > 0).mean()),
        brightness=float(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY).mean()),
        score=found.damage_score,
        gate_score=found.scores[damage_gate(segmenter.bundle.manifest)],
        found=conclusion.verdict is Verdict.DAMAGED,
        ended_by=found.decided_by if found.ended is not None else "",
        cpu_s=cpu,
        seconds=seconds,
        any=_overlap(mask > 0, true > 0),
        native=_overlap(resized(predicted, ids.shape) > 0, ids > 0),
        types=_by_type(mask, true, segmenter.types) if typed else {},
        confusion=_confusion(mask, true) if typed else {},
    )
    return result, mask


def damage_gate(manifest: Manifest) -> str:
    """The first gate that may end an inspection as clean; if there is none, the decision's."""
    clean = (gate.name for gate in manifest.gates() if gate.ends_with == "clean")
    return next(clean, manifest.decision.gate)


def iou(overlap: Overlap) -> float:
    """Intersection over union, 0 to 1; 0 if both are empty."""
    intersection, predicted, true = overlap
    union = predicted + true - intersection
    return intersection / union if union else 0.0


def compared_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width at which masks of a photo of ``shape`` are compared."""
    scale = min(1.0, COMPARED_LONG_SIDE_PX / max(shape[:2]))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def resized(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Class ids (H x W uint8) scaled to ``shape`` without interpolation."""
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _label_ids(mask: Mask, types: tuple[str, ...]) -> Mask:
    """Convert a bundle's class ids to the labels' ids; other types become "untyped" damage."""
    table = np.zeros(256, np.uint8)
    for place, name in enumerate(types, 1):
        table[place] = CLASS_IDS.get(name, TRUTH_NAMES.index(UNTYPED))
    return np.asarray(table[mask], np.uint8)


def _overlap(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Overlap:
    return float((mask & truth).mean()), float(mask.mean()), float(truth.mean())


def _by_type(mask: Mask, true: Mask, types: tuple[str, ...]) -> dict[str, Overlap]:
    return {
        name: _overlap(mask == CLASS_IDS[name], true == CLASS_IDS[name])
        for name in types
        if name in CLASS_IDS
    }


def _confusion(mask: Mask, true: Mask) -> dict[str, dict[str, float]]:
    count = len(TRUTH_NAMES)
    flat = np.bincount(true.ravel().astype(np.int64) * count + mask.ravel(), minlength=count**2)
    shares = flat.reshape(count, count) / true.size
    return {
        name: {other: float(shares[i, j]) for j, other in enumerate(TRUTH_NAMES) if shares[i, j]}
        for i, name in enumerate(TRUTH_NAMES)
        if shares[i].any()
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, tuple) else value
