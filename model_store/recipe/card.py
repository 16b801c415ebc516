"""The model card: what the weights are, what they were trained on, what they reach.

Its pictures are plots and drawn cars; no photo of the training set is shown.
Headings follow Mitchell et al., "Model Cards for Model Reporting", arXiv:1810.03993.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.measurement import conclude
from damage_tasks.overlay import render_overlay
from damage_tasks.samples.drawing import draw_sample
from damage_tasks.segmentation import Segmenter
from model_store.publishing import CARD, CARD_PICTURES
from model_store.recipe.metrics import precision_recall
from model_store.recipe.report import GOALS, figures
from model_store.store import open_bundle

# Drawn cars that the card shows, good or bad: chosen before any training, never by result.
TILE = (480, 440)  # px, width and height
EXAMPLES = (60_001, 60_002, 60_003, 60_004, 60_005, 60_006, 60_007, 60_008)


def write_card(
    out: Path, manifest: dict[str, Any], report: dict[str, Any], facts: dict[str, Any]
) -> None:
    """Write ``MODEL_CARD.md`` and its pictures into the bundle's folder ``out``."""
    pictures = out / CARD_PICTURES
    pictures.mkdir(parents=True, exist_ok=True)
    plot_gate(report, manifest, pictures / "gate.png")
    plot_precision_recall(report, pictures / "precision-recall.png")
    draw_examples(Segmenter(open_bundle(out)), pictures / "examples.jpg")
    (out / CARD).write_text(_text(manifest, report, facts), encoding="utf-8")


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
            precision, recall, _ = precision_recall(scores["damaged"], scores[group])
            axes.plot(recall, precision, label=label, color=colour)
    axes.set_xlabel("recall of damaged photos")
    axes.set_ylabel("precision")
    axes.set_xlim(0.5, 1.005)
    _save(figure, axes, path)


def draw_examples(segmenter: Segmenter, path: Path) -> None:
    """Drawn cars with what the bundle finds on them, right or wrong, in one picture."""
    tiles: list[NDArray[np.uint8]] = []
    for seed in EXAMPLES:
        photo = draw_sample(seed, size=(640, 480)).photo
        found = segmenter.segment(photo)
        conclusion = conclude(found, (640, 480), segmenter.decision, segmenter.types)
        shown = render_overlay(
            photo,
            conclusion.damages,
            photo_size=(640, 480),
            types=segmenter.types,
            verdict=conclusion.verdict,
            damage_score=found.damage_score,
        )
        scale = TILE[0] / shown.shape[1]
        shown = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        tile = np.zeros((TILE[1], TILE[0], 3), np.uint8)  # legends differ in height
        tile[: min(len(shown), TILE[1])] = shown[: TILE[1]]
        tiles.append(tile)
    rows = [np.hstack(tiles[i : i + 4]) for i in range(0, len(tiles), 4)]
    cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])


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


def _text(manifest: dict[str, Any], report: dict[str, Any], facts: dict[str, Any]) -> str:
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
                    ("trained for", f"{facts['step']} steps of {settings['batch']} views"),
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
            "same photos, so the figures flatter a little; the interval in brackets resamples "
            "the photos. Every photo's area counts alike, at up to 640 px.",
            "",
            *_table(
                ("figure", "value", "goal"),
                [(name, value, GOALS.get(name, "")) for name, value in figures(report).items()],
            ),
            "",
            f"The gate ends an inspection below {gate['threshold']:.4f}:",
            "",
            f"![Recall and false alarms of the gate]({CARD_PICTURES}/gate.png)",
            "",
            f"![Precision and recall of the damage score]({CARD_PICTURES}/precision-recall.png)",
            "",
            "## Examples",
            "",
            "Drawn cars, with what the bundle says of them, right or wrong; the seeds were fixed "
            "before the training.",
            "",
            f"![Drawn cars with outlines]({CARD_PICTURES}/examples.jpg)",
            "",
            "## Limits",
            "",
            *LIMITS,
            "",
        ]
    )


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
