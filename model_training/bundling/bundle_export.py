"""From a checkpoint to a complete bundle: weights, manifest, golden photos, model card."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from safetensors.torch import load_file, save_file

from damage_tasks.vision.segmenter import Segmenter
from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet
from model_store.bundle import open_bundle
from model_store.manifest import Input
from model_training.bundling.code_version import code_version
from model_training.bundling.decision_parameters import Choices, choose
from model_training.bundling.manifest_file import write_manifest
from model_training.bundling.model_card import write_card
from model_training.bundling.self_test_photos import write_golden
from model_training.bundling.validation_predictions import (
    EVIDENCE_SHARE,
    Prediction,
    Predictor,
    predict,
    scored_sides,
)
from model_training.data.labelled_photos import CLASS_IDS, SPACING, LabelledPhoto
from model_training.data.targets import (
    MASK_CHANNELS,
    SCORE_CHANNELS,
    SCREENING,
    screening_channel,
)
from model_training.data.vehicle_masks import imagenet_classifier
from model_training.evaluation.bundle_evaluation import evaluate
from model_training.evaluation.evaluation_report import figures
from model_training.fitting.checkpoints import load_checkpoint, under
from model_training.fitting.denormals import flushed_denormals
from model_training.synthetic.spacing_for_evaluation import cars_with_spacing, opened_borders

ARCHITECTURE = "efficientnet_lite_unet"
WEIGHTS_FILE = "weights/damage.safetensors"
SPACING_SEED, CAR_SEED, CARS = 5, 80_000, 20  # different from those of the evaluation
EXPERIMENTAL_TYPES = ("spacing",)  # until its figures are good enough
TRUNK_NAME = "damage"  # the name of the single weights file shared by all networks


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What a bundle declares about itself, and the input sizes of its networks.

    ``long_side``: the gates' input; ``sides``: the segmenters' inputs, whose probabilities are
    averaged.  Photos that pass a smaller gate are scored again at the largest of these.
    ``experimental``: segmenters that must not affect the verdict.
    ``curated``: folders written by `curate`, whose decisions the model card lists.
    """

    version: str
    licence: str
    training_data: str
    name: str = "default"
    description: str = ""
    long_side: int = 352
    sides: tuple[int, ...] = (352, 512)
    experimental: tuple[str, ...] = EXPERIMENTAL_TYPES
    curated: tuple[Path, ...] = ()


@flushed_denormals()
def export(
    checkpoint: Path,
    photos: Sequence[LabelledPhoto],
    out: Path,
    settings: ExportSettings,
    console: Console | None = None,
) -> dict[str, Any]:
    """Write the bundle of ``checkpoint``'s averaged weights to ``out``; returns its evaluation.

    All parameters are chosen on ``photos``, which must be validation
    photos: not used in training, and not the test set, which must stay unseen.
    Raises `CheckpointError`.
    """
    # Threads that synchronise after every layer wait for each other on a busy machine.
    torch.set_num_threads(1)
    network, parameters, facts = read_network(checkpoint)
    entry = write_weights(network, parameters, out, settings)
    network.load_state_dict(_as_shipped(out / WEIGHTS_FILE), strict=False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    chosen = choose(_predictions(network, photos, settings, console))
    manifest = _manifest(entry, chosen, settings, facts)
    write_manifest(out, manifest)
    manifest["golden"] = write_golden(out, Segmenter(open_bundle(out)), console)
    write_manifest(out, manifest)
    report = evaluate(Segmenter(open_bundle(out)), photos, console=console)
    measured = report["bundle"]["measured"]
    manifest["metrics"] = {"validation": figures(report), "measured": measured}
    write_manifest(out, manifest)
    report["bundle"]["digest"] = open_bundle(out).digest
    write_card(out, manifest, report, chosen.curves, facts, settings.curated)
    return report


def _predictions(
    network: EfficientNetLiteUNet,
    photos: Sequence[LabelledPhoto],
    settings: ExportSettings,
    console: Console | None,
) -> list[Prediction]:
    """The network's outputs on ``photos``, and on spacing drawn on the clean ones and on cars."""
    form = Input(long_side=settings.long_side)
    found = predict(network, photos, form, settings.sides, console=console)
    cleans = [photo.read()[0] for photo in photos if not photo.damaged]
    shown = track(cleans, "drawn spacing", console=console, disable=console is None)
    borders = opened_borders(shown, SPACING_SEED, imagenet_classifier())
    cars = cars_with_spacing(range(CAR_SEED, CAR_SEED + CARS))
    look = Predictor(network, form, settings.sides)
    found += [
        look(photo, "drawn", "drawn", mask * np.uint8(SPACING))
        for photo, mask in itertools.chain(borders, cars)
    ]
    return found


def read_network(
    checkpoint: Path,
) -> tuple[EfficientNetLiteUNet, dict[str, Any], dict[str, Any]]:
    """The averaged network of a checkpoint, its parameters, and the checkpoint's metadata."""
    tensors, facts = load_checkpoint(checkpoint)
    parameters = dict(facts["settings"]["network"])
    network = EfficientNetLiteUNet(**parameters)
    network.load_state_dict(under("average", tensors))
    return network.eval(), parameters, facts


def write_weights(
    network: torch.nn.Module, parameters: dict[str, Any], out: Path, settings: ExportSettings
) -> dict[str, Any]:
    """Write the weights as fp16 safetensors; returns their entry for the manifest."""
    path = out / WEIGHTS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.half().contiguous()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")  # only training needs it
    }
    save_file(tensors, path)
    path.chmod(0o644)  # workers of other users must be able to read it
    return {
        "file": WEIGHTS_FILE,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "format": "safetensors",
        "architecture": ARCHITECTURE,
        "parameters": parameters,
        "input": {"long_side": settings.long_side, "multiple_of": 32},
    }


def _manifest(
    entry: dict[str, Any], chosen: Choices, settings: ExportSettings, facts: dict[str, Any]
) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": settings.name,
        "version": settings.version,
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "licence": settings.licence,
        "training_data": settings.training_data,
        "description": settings.description or _described(facts),
        "lineage": {**facts.get("lineage", {}), "code": code_version().model_dump()},
        "types": list(CLASS_IDS),
        "weights": {TRUNK_NAME: entry},
        "networks": [
            _gate("quality", 0.5),
            _gate("vehicle", 0.5),
            *_damage_gates(chosen, settings, screening_channel(entry["parameters"]["scores"])),
            _network(
                "place", "locate", _mask("vehicle"), threshold=0.5, crop_below=0.0, margin=0.1
            ),
            _network(
                "any",
                "union",
                _mask("any"),
                policy=chosen.policies["any"],
                long_sides=list(settings.sides),
            ),
            *(
                _network(
                    name,
                    "segment",
                    _mask(name),
                    status="experimental" if name in settings.experimental else "stable",
                    type=name,
                    policy=chosen.policies[name],
                    long_sides=list(settings.sides),
                    metrics={"validation_iou": chosen.overlaps[name]}
                    if name in chosen.overlaps
                    else {},
                )
                for name in CLASS_IDS
            ),
        ],
        "decision": {
            "gate": "damage",
            "threshold": chosen.decision_threshold,
            "evidence": {
                "network": "any",
                "share": EVIDENCE_SHARE,
                "gate_scale": chosen.evidence[0],
                "scale": chosen.evidence[1],
                "offset": chosen.evidence[2],
            },
        },
    }


def _described(facts: dict[str, Any]) -> str:
    if "mean_of" in facts:
        return f"The mean of {', '.join(facts['mean_of'])}."
    return f"{facts['step']} training steps."


def _damage_gates(chosen: Choices, settings: ExportSettings, channel: int) -> list[dict[str, Any]]:
    """The gate that decides, after that of ``channel`` if the segmenters' input is larger."""
    larger = scored_sides(settings.long_side, settings.sides)[1:]
    calibration = {"scale": chosen.gate[0], "offset": chosen.gate[1]}
    decisive = _gate("damage", chosen.gate_threshold, ends_with="clean", calibration=calibration)
    if chosen.screening is None:
        return [decisive]
    scale, offset, threshold = chosen.screening
    first = _network(
        SCREENING,
        "gate",
        {"kind": "score", "channel": channel},
        threshold=threshold,
        ends_with="clean",
        calibration={"scale": scale, "offset": offset},
    )
    return [first, {**decisive, "long_side": larger[0]}]


def _gate(name: str, threshold: float, **more: Any) -> dict[str, Any]:
    output = {"kind": "score", "channel": SCORE_CHANNELS.index(name)}
    return _network(name, "gate", output, threshold=threshold, **more)


def _mask(name: str) -> dict[str, Any]:
    return {"kind": "mask", "channel": MASK_CHANNELS.index(name)}


def _network(name: str, role: str, output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "role": role, "weights": TRUNK_NAME, "output": output, **more}


def _as_shipped(path: Path) -> dict[str, torch.Tensor]:
    return {name: tensor.float() for name, tensor in load_file(path).items()}
