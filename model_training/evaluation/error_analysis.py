"""A bundle's errors by kind, and the confusion of damage types."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from model_training.evaluation.breakdown import types_of
from model_training.evaluation.photo_result import TRUTH_NAMES, UNDAMAGED, PhotoResult

SMALL_AREA_RATIO = 0.02  # of the photo
# Worst kind of error first.
ERROR_KINDS = (
    "missed",
    "missed, small",
    "false alarm",
    "elsewhere",
    "wrong type",
    "outlined too large",
    "outlined in part",
    "loose",
)
PHOTO_TABLE_COLUMNS = (
    "id", "source", "domain", "truth", "verdict", "error", "score", "iou",
    "true_area", "predicted_area", "ended_by", "brightness", "types",
)  # fmt: skip


def error_of(result: PhotoResult) -> str:
    """The kind of error in ``result``, one of `ERROR_KINDS`; "" if it is right.

    ``elsewhere``: less than a tenth of the damage is outlined; ``outlined too large``
    and ``in part``: the outline contains the damage or lies inside it;
    ``loose``: an IoU below 0.4 for none of these reasons.
    """
    if not result.damaged:
        return "false alarm" if result.found else ""
    if not result.found:
        return "missed, small" if result.area < SMALL_AREA_RATIO else "missed"
    intersection, predicted, true = result.any
    recall = intersection / true if true else 1.0
    precision = intersection / predicted if predicted else 0.0
    if recall < 0.1:
        return "elsewhere"
    if result.types and _right_type(result) < 0.5 * intersection:
        return "wrong type"
    if recall >= 0.7 and precision < 0.5:
        return "outlined too large"
    if recall < 0.5 and precision >= 0.7:
        return "outlined in part"
    return "loose" if result.iou < 0.4 else ""


def worst_first(results: Sequence[PhotoResult]) -> dict[str, list[PhotoResult]]:
    """The wrong results by kind of error, each list worst first."""
    found: dict[str, list[PhotoResult]] = {kind: [] for kind in ERROR_KINDS}
    for result in results:
        if error := error_of(result):
            found[error].append(result)
    for error, wrong in found.items():
        if error == "false alarm":
            wrong.sort(key=lambda result: -result.score)
        elif error.startswith("missed"):
            wrong.sort(key=lambda result: -result.area)
        else:
            wrong.sort(key=lambda result: result.iou)
    return {error: wrong for error, wrong in found.items() if wrong}


def confusion_rows(results: Sequence[PhotoResult]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the confusion of types: where each true type's area went, in percent.

    The row of undamaged area gives its size in whole photos instead of percent.
    """
    sums = {name: dict.fromkeys(TRUTH_NAMES, 0.0) for name in TRUTH_NAMES}
    for result in results:
        for true, row in result.confusion.items():
            for predicted, share in row.items():
                sums[true][predicted] += share
    columns = [name for name in TRUTH_NAMES if any(row[name] for row in sums.values())]
    rows = []
    for true, row in sums.items():
        total = sum(row.values())
        if not total:
            continue
        if true == UNDAMAGED:
            cells = [f"{row[name]:.1f}" for name in columns]
        else:
            cells = [f"{100 * row[name] / total:.0f} %" for name in columns]
        rows.append([true, *cells, f"{total:.1f}"])
    return ["true", *columns, "area, photos' worth"], rows


def write_photo_table(results: Sequence[PhotoResult], path: Path) -> None:
    """Write a CSV file with one row per whole photo."""
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(PHOTO_TABLE_COLUMNS)
        for result in results:
            if result.view != "whole":
                continue
            writer.writerow(
                [
                    result.id,
                    result.source,
                    result.domain,
                    "damaged" if result.damaged else "clean",
                    "damaged" if result.found else "clean",
                    error_of(result),
                    f"{result.score:.4f}",
                    f"{result.iou:.3f}" if result.damaged else "",
                    f"{result.area:.4f}",
                    f"{result.any[1]:.4f}",
                    result.ended_by,
                    f"{result.brightness:.0f}",
                    " ".join(types_of(result)),
                ]
            )


def _right_type(result: PhotoResult) -> float:
    return sum(row.get(true, 0.0) for true, row in result.confusion.items() if true != UNDAMAGED)
