"""The evaluation's figures as a table, beside the goals of the default bundle."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

GOALS = {
    "any damage, pooled IoU": ">= 0.58",
    "any damage, pooled Dice": ">= 0.73",
    "dent IoU": ">= 0.52",
    "scratch IoU": ">= 0.42",
    "breakage IoU": ">= 0.58",
    "AUC, whole clean cars": ">= 0.997",
    "AUC, close-ups of clean cars": ">= 0.995",
    "false alarms at 95 % recall, whole cars": "<= 1.5 %",
    "false alarms at 95 % recall, close-ups": "<= 3 %",
    "false alarms at 99 % recall, whole cars": "<= 10 %",
    "spacing IoU, drawn along panel borders": ">= 0.35",
}
VIEWS = {"clean": "whole cars", "close_up": "close-ups"}


def figures(report: dict[str, Any]) -> dict[str, str]:
    """The report's figures by name, as text, in the order in which they are read."""
    rows = _overlaps(report)
    for view, label in VIEWS.items():
        if {"damaged", view} <= report["photos"].keys():
            rows |= _view(report["views"][view], view, label)
    if "damaged" in report["photos"]:
        rows["recall at the decision's threshold"] = _percent(report["recall_at_decision"])
    for key, where in (("spacing_drawn", "along panel borders"), ("spacing_drawn_cars", "cars")):
        if drawn := report.get(key):
            rows[f"spacing IoU, drawn {where}"] = f"{drawn['iou']:.3f}"
            rows[f"spacing Dice, drawn {where}"] = (
                f"{drawn['dice']:.3f} ({drawn['photos']:.0f} views)"
            )
    if report.get("quality"):
        rows["quality AUC, photos against the same spoilt"] = f"{report['quality']['auc']:.4f}"
    for group, share in report["ended_by_gate"].items():
        rows[f"ended by a gate, {VIEWS.get(group, group)}"] = _percent(share)
    for group, seconds in report["seconds_per_photo"].items():
        rows[f"median time a photo, {VIEWS.get(group, group)}"] = f"{1000 * seconds:.0f} ms"
    return rows


def _overlaps(report: dict[str, Any]) -> dict[str, str]:
    rows: dict[str, str] = {}
    overlap = report["overlap"]
    if "any" in overlap:
        low, high = report["any_iou_interval"]
        rows["any damage, pooled IoU"] = f"{overlap['any']['iou']:.3f} ({low:.2f} to {high:.2f})"
        rows["any damage, pooled Dice"] = f"{overlap['any']['dice']:.3f}"
        rows["any damage, pooled IoU in the photos' own pixels"] = (
            f"{overlap['native.any']['iou']:.3f}"
        )
    for name, value in overlap.items():
        if not name.endswith("any") and value["photos"]:
            rows[f"{name} IoU"] = f"{value['iou']:.3f}"
            rows[f"{name} Dice"] = f"{value['dice']:.3f} ({value['photos']} photos)"
    return rows


def _view(found: dict[str, Any], view: str, label: str) -> dict[str, str]:
    title = "whole clean cars" if view == "clean" else "close-ups of clean cars"
    rows = {f"AUC, {title}": f"{found['auc']:.4f} (gate alone {found['auc_gate']:.4f})"}
    for recall, share in found["false_alarms"].items():
        rows[f"false alarms at {100 * float(recall):.0f} % recall, {label}"] = _percent(share)
    rows[f"false alarms at the decision's threshold, {label}"] = _percent(
        found["false_alarms_at_decision"]
    )
    return rows


def print_report(report: dict[str, Any], console: Console) -> None:
    """Print the figures as a table, with the goals where there are any."""
    bundle = report["bundle"]
    table = Table(title=f"{bundle['name']} {bundle['version']} ({bundle['digest'][:12]})")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("goal", justify="right")
    for name, value in figures(report).items():
        table.add_row(name, value, GOALS.get(name, ""))
    console.print(table)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
