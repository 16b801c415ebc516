"""The evaluation's figures as a table, by domain, next to the goals of the default bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isnan
from typing import Any

from rich.console import Console
from rich.table import Table

from model_store.main_figures import FALSE_ALARMS, MISSED, POOLED_IOU

FIGURE_LABELS = {
    "any_iou": POOLED_IOU,
    "any_dice": "any damage, pooled Dice",
    "photo_iou": "any damage, mean IoU per photo",
    "scratch_iou": "scratch IoU",
    "dent_iou": "dent IoU",
    "spacing_iou": "spacing IoU",
    "breakage_iou": "breakage IoU",
    "auc": "AUC, damaged against clean",
    "missed": MISSED,
    "false_alarms": FALSE_ALARMS,
    "false_alarms_at_95": "false alarms at 95 % recall",
    "false_alarms_at_99": "false alarms at 99 % recall",
    "ended_by_gate_at_99": "clean photos ended by the gate, at 99 % recall of it",
    "ended_by_gate": "clean photos ended by the gate, at its threshold",
    "cpu_ms_clean": "processor time of the networks per clean photo",
}
PERCENT_FIGURES = (
    "missed",
    "false_alarms",
    "false_alarms_at_95",
    "false_alarms_at_99",
    "ended_by_gate_at_99",
    "ended_by_gate",
)
GOALS: Mapping[str, Mapping[str, str]] = {
    "phone": {
        "any_iou": ">= 0.62",
        "any_dice": ">= 0.77",
        "photo_iou": ">= 0.50",
        "scratch_iou": ">= 0.48",
        "dent_iou": ">= 0.52",
        "breakage_iou": ">= 0.60",
        "spacing_iou": ">= 0.30",
        "auc": ">= 0.992",
        "missed": "<= 4 %",
        "false_alarms": "<= 3 %",
        "false_alarms_at_95": "<= 3 %",
        "false_alarms_at_99": "<= 15 %",
        "ended_by_gate_at_99": ">= 60 %",
    },
    "stock": {
        "any_iou": ">= 0.60",
        "any_dice": ">= 0.75",
        "photo_iou": ">= 0.55",
        "scratch_iou": ">= 0.47",
        "dent_iou": ">= 0.55",
        "breakage_iou": ">= 0.70",
        "auc": ">= 0.996",
        "missed": "<= 3 %",
        "false_alarms": "<= 3 %",
        "false_alarms_at_95": "<= 2 %",
        "false_alarms_at_99": "<= 8 %",
    },
}
VIEWS = {"clean": "whole cars", "close_up": "close-ups"}


def figures(report: Mapping[str, Any]) -> dict[str, str]:
    """The report's figures by name, as text, in display order."""
    rows = named(report["figures"])
    for domain, found in domains(report).items():
        rows |= {f"{domain}: {name}": value for name, value in named(found).items()}
    return rows | other_figures(report)


def domains(report: Mapping[str, Any]) -> dict[str, Any]:
    """The figures by domain; empty if all photos belong to one."""
    found = report["breakdown"].get("domain", {})
    return dict(found) if len(found) > 1 else {}


def named(found: Mapping[str, Any]) -> dict[str, str]:
    """Figures by display name, as text with their interval."""
    return {FIGURE_LABELS[key]: as_text(key, found[key]) for key in FIGURE_LABELS if key in found}


def as_text(key: str, figure: Mapping[str, Any]) -> str:
    """A figure with its interval, such as "12.5 % (3.5 to 36.0 %)"."""
    value, low, high = (figure[part] for part in ("value", "low", "high"))
    if value is None or isnan(value):
        return "-"
    if key in PERCENT_FIGURES:
        return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)"
    if key == "cpu_ms_clean":
        return f"{value:.0f} ms"
    digits = 4 if key == "auc" else 3
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def other_figures(report: Mapping[str, Any]) -> dict[str, str]:
    """Figures of close-ups of clean cars, of drawn spacing, of spoilt photos, and times."""
    rows: dict[str, str] = {}
    if {"damaged", "close_up"} <= report["photos"].keys():
        found = report["views"]["close_up"]
        rows["AUC, damaged against close-ups of clean cars"] = f"{found['auc']:.4f}"
        for recall in ("0.95", "0.99"):
            label = f"false alarms at {100 * float(recall):.0f} % recall, close-ups"
            rows[label] = _percent(found["false_alarms"][recall])
        rows["false alarms at the manifest's threshold, close-ups"] = _percent(
            found["false_alarms_at_decision"]
        )
    for key, where in (("spacing_drawn", "along panel borders"), ("spacing_drawn_cars", "cars")):
        if drawn := report.get(key):
            rows[f"spacing IoU, drawn {where}"] = (
                f"{drawn['iou']:.3f} ({drawn['photos']:.0f} views)"
            )
    if report.get("quality"):
        rows["quality AUC, photos against the same photos spoilt"] = (
            f"{report['quality']['auc']:.4f}"
        )
    for group, seconds in report["seconds_per_photo"].items():
        rows[f"median time per photo, {VIEWS.get(group, group)}"] = f"{1000 * seconds:.0f} ms"
    return rows


def figure_rows(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of figures: all photos, then each domain next to its goal."""
    by_domain = domains(report)
    head = ["figure", "all photos"]
    for domain in by_domain:
        head += [domain, "goal"] if domain in GOALS else [domain]
    rows = []
    for key, label in FIGURE_LABELS.items():
        if key not in report["figures"]:
            continue
        row = [label, as_text(key, report["figures"][key])]
        for domain, found in by_domain.items():
            row.append(as_text(key, found[key]) if key in found else "-")
            if domain in GOALS:
                row.append(GOALS[domain].get(key, ""))
        rows.append(row)
    return head, rows


def breakdown_rows(report: Mapping[str, Any], kind: str) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table by ``kind`` of photo: missed damage, false alarms, overlap."""
    keys = ("missed", "false_alarms", "any_iou", "photo_iou")
    rows = []
    for value, found in report["breakdown"][kind].items():
        own = f"{value}_iou" if kind == "type" else ""
        damaged = found["any_iou"]["photos"] if "any_iou" in found else 0
        clean = found["false_alarms"]["photos"] if "false_alarms" in found else 0
        cells = [as_text(key, found[key]) if key in found else "-" for key in keys]
        if kind == "type":
            cells.append(as_text(own, found[own]) if own in found else "-")
        rows.append([value, str(damaged), str(clean), *cells])
    head = [kind, "damaged", "clean", *(FIGURE_LABELS[key] for key in keys)]
    return head + (["IoU of the type"] if kind == "type" else []), rows


def print_report(report: Mapping[str, Any], console: Console) -> None:
    """Print the figures as tables, with goals if there are any."""
    bundle = report["bundle"]
    console.print(
        table(f"{bundle['name']} {bundle['version']} ({bundle['digest'][:12]})",
              *figure_rows(report))
    )  # fmt: skip
    console.print(table("", ["figure", "value"], other_figures(report).items()))
    for kind in report["breakdown"]:
        if kind != "domain":
            console.print(table(f"by {kind}", *breakdown_rows(report, kind)))


def table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """A table for the console; the first column is text, the others are figures."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for number, name in enumerate(head):
        made.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
