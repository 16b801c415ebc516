"""The figures by which bundles are compared at a glance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_store.manifest import BundleManifest, RedactionManifest

# Names of the figures in ``metrics["validation"]`` of a manifest.
POOLED_IOU = "any damage, pooled IoU"
MISSED = "damaged photos classified as clean"
FALSE_ALARMS = "false alarms at the manifest's threshold"

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(?: (%))?(?: \(|$)")


@dataclass(frozen=True, slots=True)
class MainFigures:
    """Shares from 0 to 1; None if nobody has measured them.

    ``recall``: damaged photos with the verdict damaged; of a redaction bundle, the faces or
    plates found, whichever share is lower.  ``iou``: overlap of damage of any type.
    ``false_alarms``: clean photos with the verdict damaged; of a redaction bundle, photos
    redacted without need.
    """

    recall: float | None = None
    iou: float | None = None
    false_alarms: float | None = None


def main_figures(manifest: BundleManifest, evaluation: Mapping[str, Any] | None) -> MainFigures:
    """The figures in ``manifest``, or in ``evaluation``, what `model_training evaluate` wrote."""
    if isinstance(manifest, RedactionManifest):
        measured = [network.metrics for network in manifest.networks]
        return MainFigures(
            recall=min(_values(measured, "recall"), default=None),
            false_alarms=max(_values(measured, "needlessly_redacted_photos"), default=None),
        )
    texts = manifest.metrics.get("validation")
    if isinstance(texts, Mapping):
        return _figures(*(_number(texts.get(name)) for name in (MISSED, POOLED_IOU, FALSE_ALARMS)))
    if evaluation and isinstance(evaluation.get("figures"), Mapping):
        found = evaluation["figures"]
        return _figures(*(_value(found.get(key)) for key in ("missed", "any_iou", "false_alarms")))
    return MainFigures()


def _figures(missed: float | None, iou: float | None, false_alarms: float | None) -> MainFigures:
    recall = None if missed is None else round(1 - missed, 6)
    return MainFigures(recall, iou, false_alarms)


def _number(text: Any) -> float | None:
    """The value of a figure such as "5.3 % (3.4 to 8.2 %)"; None of "-"."""
    found = _NUMBER.match(text) if isinstance(text, str) else None
    if found is None:
        return None
    return round(float(found[1]) / (100 if found[2] else 1), 6)


def _value(figure: Any) -> float | None:
    value = figure.get("value") if isinstance(figure, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _values(measured: list[dict[str, Any]], name: str) -> list[float]:
    values = [_value(figures.get(name)) for figures in measured]
    return [value for value in values if value is not None]
