"""The model card's plots: the gate, the damage score and the masks' pixels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from model_training.evaluation.detection_metrics import labelled_scores

Curves = Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def plot_gate(report: dict[str, Any], manifest: dict[str, Any], path: Path) -> None:
    """Plot recall and false alarms of the damage gate by threshold."""
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
    """Plot precision by recall of the damage score, for equally many clean and damaged photos."""
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
    """Plot precision by recall of the masks' pixels; every photo has the same weight."""
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
