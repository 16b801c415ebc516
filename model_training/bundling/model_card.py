"""The model card: what the weights are, what they were trained on, what they reach.

Its pictures are plots and drawn cars; no photo of the training set is shown.
Headings follow Mitchell et al., "Model Cards for Model Reporting", arXiv:1810.03993.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from damage_tasks.vision.segmenter import Segmenter
from model_store.bundle import open_bundle
from model_store.publishing import CARD, CARD_PICTURES
from model_training.bundling.model_card_pictures import Album, draw_album
from model_training.evaluation.detection_metrics import labelled_scores
from model_training.evaluation.evaluation_report import breakdown_rows, figure_rows, other_figures

Curves = Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def write_card(
    out: Path,
    manifest: dict[str, Any],
    report: dict[str, Any],
    curves: Curves,
    facts: dict[str, Any],
) -> None:
    """Write ``MODEL_CARD.md`` and its pictures into the bundle's folder ``out``.

    ``report``: the bundle's evaluation; ``curves``: precision and recall of the
    pixels by type; ``facts``: the checkpoint's.
    """
    pictures = out / CARD_PICTURES
    pictures.mkdir(parents=True, exist_ok=True)
    plot_gate(report, manifest, pictures / "gate.png")
    plot_precision_recall(report, pictures / "precision-recall.png")
    plot_types(curves, pictures / "types.png")
    album = draw_album(Segmenter(open_bundle(out)), pictures)
    (out / CARD).write_text(_text(manifest, report, album, facts), encoding="utf-8")


def plot_gate(report: dict[str, Any], manifest: dict[str, Any], path: Path) -> None:
    """Recall and false alarms of the damage gate by its threshold."""
    scores = report["gate_scores"]
    gate = next(n for n in manifest["networks"] if n["name"] == report["damage_gate"])
    thresholds = np.geomspace(1e-3, 1, 300)
    figure, axes = _figure()
    for group, label, colour in (
        ("damaged", "damaged photos that pass (recall)", "#1b7837"),
        ("clean", "whole clean cars that pass", "#2166ac"),
        ("close_up", "close-ups of clean cars that pass", "#92c5de"),
    ):
        values = np.array(scores.get(group, []))
        if len(values):
            share = [(values >= t).mean() for t in thresholds]
            axes.plot(thresholds, share, label=label, color=colour)
    axes.axvline(gate["threshold"], color="black", linestyle=":", label="the gate's threshold")
    axes.set_xscale("log")
    axes.set_xlabel("gate's score")
    axes.set_ylabel("share")
    _save(figure, axes, path)


def plot_precision_recall(report: dict[str, Any], path: Path) -> None:
    """Precision by recall of the damage score, as if as many photos were clean as here."""
    scores = report["scores"]
    figure, axes = _figure()
    for group, label, colour in (
        ("clean", "against whole clean cars", "#2166ac"),
        ("close_up", "against close-ups of clean cars", "#b2182b"),
    ):
        if scores.get("damaged") and scores.get(group):
            precision, recall, _ = precision_recall_curve(
                *labelled_scores(scores["damaged"], scores[group])
            )
            axes.plot(recall, precision, label=label, color=colour)
    axes.set_xlabel("recall of damaged photos")
    axes.set_ylabel("precision")
    axes.set_xlim(0.5, 1.005)
    _save(figure, axes, path)


def plot_types(curves: Curves, path: Path) -> None:
    """Precision by recall of the masks' pixels, every photo counting alike."""
    figure, axes = _figure()
    colours = {"any": "black", "scratch": "#2166ac", "dent": "#1b7837", "breakage": "#b2182b"}
    for name, (precision, recall) in curves.items():
        style = "--" if name == "spacing" else "-"
        label = f"{name} (drawn)" if name == "spacing" else name
        axes.plot(recall, precision, style, label=label, color=colours.get(name, "#762a83"))
    axes.set_xlabel("recall of damaged pixels")
    axes.set_ylabel("precision")
    _save(figure, axes, path)


def _figure() -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # no pyplot: no display, no global state

    figure = Figure(figsize=(6.4, 4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Any, axes: Any, path: Path) -> None:
    axes.set_ylim(0, 1.02)
    axes.legend(loc="lower left", fontsize=8)
    figure.savefig(path)


def _text(
    manifest: dict[str, Any], report: dict[str, Any], album: Album, facts: dict[str, Any]
) -> str:
    weights = manifest["weights"]["damage"]
    settings = facts["settings"]
    gate = next(n for n in manifest["networks"] if n["name"] == report["damage_gate"])
    return "\n".join(
        [
            f"# Model card: {manifest['name']} {manifest['version']}",
            "",
            manifest["description"],
            "",
            "## Network",
            "",
            *_table(
                ("", ""),
                [
                    ("architecture", f"EfficientNet-Lite U-Net, {weights['parameters']}"),
                    ("weights", f"{weights['bytes'] / 1e6:.1f} MB, fp16 safetensors"),
                    ("gates see", f"{weights['input']['long_side']} px on the longer side, RGB"),
                    ("segmenters see", f"{_sides(manifest)} px, probabilities averaged"),
                    ("the mean of", ", ".join(facts["mean_of"]))
                    if "mean_of" in facts
                    else ("trained for", f"{facts['step']} steps of {settings['batch']} views"),
                    ("seed", str(settings["seed"])),
                ],
            ),
            "",
            "## Training data",
            "",
            manifest["training_data"],
            "",
            "## Rights",
            "",
            manifest["licence"],
            "",
            "## Figures",
            "",
            "On the validation photos, "
            + ", ".join(f"{n} {g.replace('_', '-')}" for g, n in report["photos"].items())
            + ", through the code that the product runs, on CPU. Thresholds were chosen on the "
            "same photos, so the figures flatter a little. Every photo's area counts alike, at up "
            "to 640 px. Brackets hold 95 % intervals: Wilson's for shares of photos; for the rest "
            "photos are resampled, those of one claim together.",
            "",
            *_table(*figure_rows(report)),
            "",
            *_table(("figure", "value"), list(other_figures(report).items())),
            "",
            *_breakdowns(report),
            f"The gate ends an inspection below {gate['threshold']:.4f}:",
            "",
            f"![Recall and false alarms of the gate]({CARD_PICTURES}/gate.png)",
            "",
            f"![Precision and recall of the damage score]({CARD_PICTURES}/precision-recall.png)",
            "",
            f"![Precision and recall of the masks' pixels]({CARD_PICTURES}/types.png)",
            "",
            "## Examples",
            "",
            "Drawn cars, with what the bundle says of them, right or wrong; the seeds were fixed "
            "before the training. (The photos' rights forbid showing them.)",
            "",
            f"![Drawn cars with outlines]({CARD_PICTURES}/examples.jpg)",
            "",
            "## Failures",
            "",
            *_failures(report, album),
            "",
            "## Limits",
            "",
            *LIMITS,
            "",
        ]
    )


def _breakdowns(report: dict[str, Any]) -> list[str]:
    lines = []
    for kind in report["breakdown"]:
        if kind != "world":
            lines += [f"By {kind}:", "", *_table(*breakdown_rows(report, kind)), ""]
    return lines


def _failures(report: dict[str, Any], album: Album) -> list[str]:
    damaged = report["photos"].get("damaged", 0)
    missed = round((1 - report["recall_at_decision"]) * damaged)
    lines = [
        f"- {missed} of {damaged} damaged validation photos are called clean. By how much of the "
        "photo is damaged: "
        + "; ".join(
            f"{name}: {count - found} of {count}"
            for name, (found, count) in report["recall_by_area"].items()
        )
        + ".",
    ]
    for view, title in (("clean", "whole clean cars"), ("close_up", "close-ups of clean cars")):
        count = report["photos"].get(view, 0)
        wrong = round(report["views"][view]["false_alarms_at_decision"] * count)
        lines.append(f"- {wrong} of {count} {title} are called damaged.")
    lines.append(
        f"- Of {album.clean} clean drawn cars {album.alarms} are called damaged, of "
        f"{album.damaged} damaged ones {album.missed} clean."
    )
    if album.shown:
        lines += [
            "",
            f"The first {album.shown} drawn cars with a wrong verdict:",
            "",
            f"![Drawn cars with a wrong verdict]({CARD_PICTURES}/failures.jpg)",
        ]
    return lines


LIMITS = (
    "- **Spacing rests on drawn damage alone**: no public photos of it exist. Its network is",
    "  marked experimental.",
    "- Damaged and clean photos come from different sources, and most damaged ones are",
    "  close-ups; expect more false alarms on a fleet's own uploads (dirt, reflections, night).",
    "- Outlines in the training data are loose hulls, and so are the masks.",
    "- Breakage was learned from few photos, most of them of glass; broken bumpers often count",
    "  as dent there.",
    "- The vehicle network learned from pseudo-labels (ImageNet evidence and GrabCut) and from",
    "  few pictures without a vehicle. It rejects nothing by default.",
    "- The quality network learned from photos that were blurred, shaken, darkened or",
    "  over-exposed by computation.",
)


def _sides(manifest: dict[str, Any]) -> str:
    network = next(n for n in manifest["networks"] if n["role"] == "segment")
    sides = network.get("long_sides") or [manifest["weights"]["damage"]["input"]["long_side"]]
    return " and ".join(str(side) for side in sides)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
