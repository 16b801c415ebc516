"""The model card: what the weights are, how they were trained and how good they are.

Its images are plots and drawn cars; no photo of the training set is shown.
Headings follow Mitchell et al., "Model Cards for Model Reporting", arXiv:1810.03993.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from damage_tasks.vision.segmenter import Segmenter
from model_store.bundle import open_bundle
from model_store.publishing import CARD_FILE, CARD_PICTURES_FOLDER
from model_training.bundling.model_card_pictures import Album, draw_album
from model_training.bundling.model_card_plots import (
    Curves,
    plot_gate,
    plot_precision_recall,
    plot_types,
)
from model_training.data.curation_files import TABLE, read_curations, write_decisions
from model_training.evaluation.evaluation_report import breakdown_rows, figure_rows, other_figures


def write_card(
    out: Path,
    manifest: dict[str, Any],
    report: dict[str, Any],
    curves: Curves,
    facts: dict[str, Any],
    curated: Sequence[Path] = (),
) -> None:
    """Write ``MODEL_CARD.md`` and its pictures into the bundle's folder ``out``.

    ``report``: the bundle's evaluation; ``curves``: precision and recall of the
    pixels by type; ``facts``: the checkpoint's metadata; ``curated``: folders written by
    `data.curation_files.write_curation`.
    """
    pictures = out / CARD_PICTURES_FOLDER
    pictures.mkdir(parents=True, exist_ok=True)
    plot_gate(report, manifest, pictures / "gate.png")
    plot_precision_recall(report, pictures / "precision-recall.png")
    plot_types(curves, pictures / "types.png")
    album = draw_album(Segmenter(open_bundle(out)), pictures)
    curations = read_curations(curated)
    write_decisions(curated, pictures / TABLE)
    text = _text(manifest, report, album, facts, curations)
    (out / CARD_FILE).write_text(text, encoding="utf-8")


def _text(
    manifest: dict[str, Any],
    report: dict[str, Any],
    album: Album,
    facts: dict[str, Any],
    curations: Sequence[Mapping[str, Any]],
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
                    ("gate input", f"{weights['input']['long_side']} px on the longer side, RGB"),
                    ("segmenter input", f"{_sides(manifest)} px, probabilities averaged"),
                    ("mean of", ", ".join(facts["mean_of"]))
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
            *_curation(curations),
            "## Rights",
            "",
            manifest["licence"],
            "",
            "## Figures",
            "",
            "On the validation photos, "
            + ", ".join(f"{n} {g.replace('_', '-')}" for g, n in report["photos"].items())
            + ", through the code that the product runs, on CPU. Thresholds were chosen on the "
            "same photos, so the figures are slightly optimistic. All photos have the same weight, "
            "at up to 640 px. Brackets contain 95 % intervals: Wilson's for shares of photos; "
            "otherwise by resampling photos, those of one claim together.",
            "",
            *_table(*figure_rows(report)),
            "",
            *_table(("figure", "value"), list(other_figures(report).items())),
            "",
            *_breakdowns(report),
            f"The gate ends an inspection below {gate['threshold']:.4f}:",
            "",
            f"![Recall and false alarms of the gate]({CARD_PICTURES_FOLDER}/gate.png)",
            "",
            "![Precision and recall of the damage score]"
            f"({CARD_PICTURES_FOLDER}/precision-recall.png)",
            "",
            f"![Precision and recall of the masks' pixels]({CARD_PICTURES_FOLDER}/types.png)",
            "",
            "## Examples",
            "",
            "Drawn cars with the bundle's results, right or wrong; the seeds were fixed "
            "before the training. (The rights to the training photos do not permit showing them.)",
            "",
            f"![Drawn cars with outlines]({CARD_PICTURES_FOLDER}/examples.jpg)",
            "",
            "## Failures",
            "",
            *_failures(report, album),
            "",
            "## Limits",
            "",
            *_limits(manifest, report),
            *(f"- {note}" for found in curations for note in found["notes"]),
            "",
        ]
    )


def _breakdowns(report: dict[str, Any]) -> list[str]:
    lines = []
    for kind in report["breakdown"]:
        if kind != "domain":
            lines += [f"By {kind}:", "", *_table(*breakdown_rows(report, kind)), ""]
    return lines


def _failures(report: dict[str, Any], album: Album) -> list[str]:
    damaged = report["photos"].get("damaged", 0)
    missed = round((1 - report["recall_at_decision"]) * damaged)
    lines = [
        f"- {missed} of {damaged} damaged validation photos are classified as clean. By damaged "
        "share of the photo: "
        + "; ".join(
            f"{name}: {count - found} of {count}"
            for name, (found, count) in report["recall_by_area"].items()
        )
        + ".",
    ]
    for view, title in (("clean", "whole clean cars"), ("close_up", "close-ups of clean cars")):
        count = report["photos"].get(view, 0)
        wrong = round(report["views"][view]["false_alarms_at_decision"] * count)
        lines.append(f"- {wrong} of {count} {title} are classified as damaged.")
    lines.append(
        f"- Of {album.clean} clean drawn cars {album.alarms} are classified as damaged, of "
        f"{album.damaged} damaged ones {album.missed} as clean."
    )
    if album.shown:
        lines += [
            "",
            f"The first {album.shown} drawn cars with a wrong verdict:",
            "",
            f"![Drawn cars with a wrong verdict]({CARD_PICTURES_FOLDER}/failures.jpg)",
        ]
    return lines


def _limits(manifest: dict[str, Any], report: dict[str, Any]) -> list[str]:
    lines = []
    for network in manifest["networks"]:
        if network["role"] == "segment" and network.get("status") == "experimental":
            figure = report["figures"].get(f"{network['type']}_iou")
            photos = figure["photos"] if figure else 0
            lines.append(
                f"- **The {network['name']} network is marked experimental**: validation photos "
                f"that show this damage: {photos}."
            )
    return lines + LIMITATIONS


LIMITATIONS = [
    "- Damaged and clean photos come from different sources; expect more false alarms on a "
    "fleet's own uploads (dirt, reflections, night).",
    "- Masks are as tight or loose as the outlines in the training data.",
    "- Sources distinguish dents from breakage differently: torn bumpers may count as either.",
    "- The vehicle network was trained on pseudo-labels (ImageNet evidence and GrabCut) and on "
    "few pictures without a vehicle. It rejects nothing by default.",
    "- The quality network was trained on photos that were blurred, shaken, darkened or "
    "over-exposed artificially.",
]


def _curation(curations: Sequence[Mapping[str, Any]]) -> list[str]:
    if not curations:
        return []
    rows = [
        [entry["domain"], entry["action"], entry["reason"], entry["split"], entry["photos"]]
        for found in curations
        for entry in found["decisions"]
    ]
    return [
        "Photos that were excluded or changed, and why "
        f"([full list]({CARD_PICTURES_FOLDER}/{TABLE})):",
        "",
        *_table(("domain", "what", "reason", "split", "photos"), rows),
        "",
    ]


def _sides(manifest: dict[str, Any]) -> str:
    network = next(n for n in manifest["networks"] if n["role"] == "segment")
    sides = network.get("long_sides") or [manifest["weights"]["damage"]["input"]["long_side"]]
    return " and ".join(str(side) for side in sides)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
