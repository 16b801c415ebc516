"""Writes a redaction bundle: networks for plates and faces, golden photos and a card."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

from damage_tasks.redaction.redactor import Redactor, redacted_shares
from damage_tasks.samples.car_photo import draw_sample
from model_store.bundle import Bundle, open_any_bundle, redaction_bundle
from model_store.manifest import RedactionManifest
from model_training.bundling.code_version import code_version
from model_training.bundling.manifest_file import write_manifest
from model_training.bundling.redaction_card import write_card
from model_training.data.labelled_photos import LabelledPhoto
from model_training.data.private_regions import PrivateRegion
from model_training.evaluation.redaction_evaluation import RedactionEvaluation, evaluate_redaction
from model_training.fitting.checkpoints import load_checkpoint, under
from model_training.fitting.plate_views import LONG_SIDE_PX
from model_training.synthetic.plates_in_photos import add_plates

STABLE_RECALL = 0.95
GOLDEN_SEEDS = (71_000, 71_001)  # used neither for published samples nor for training
FACES_LONG_SIDE_PX = 640
# CenterFace takes values from 0 to 255.
RAW_PIXELS = {"mean": [0.0, 0.0, 0.0], "std": [1 / 255] * 3}


@dataclass(frozen=True, slots=True)
class RedactionSettings:
    """What the manifest says besides the networks."""

    version: str
    licence: str
    training_data: str
    name: str = "redaction"
    description: str = ""
    plate_threshold: float = 0.3
    face_threshold: float = 0.2


def write_redaction_bundle(
    plates: Path | None,
    faces: Path | None,
    out: Path,
    settings: RedactionSettings,
    photos: Sequence[LabelledPhoto],
    labels: Mapping[str, Sequence[PrivateRegion]],
) -> RedactionEvaluation:
    """Write a bundle to ``out`` and measure it on the labelled ``photos``.

    ``plates`` is a checkpoint of `train_plates`, ``faces`` an ONNX file of CenterFace; one of them
    may be missing.  Raises `CheckpointError`, `PhotosError` or `BundleError`.
    """
    (out / "weights").mkdir(parents=True, exist_ok=True)
    manifest: dict[str, Any] = {
        "schema": 1,
        "kind": "redaction",
        "name": settings.name,
        "version": settings.version,
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "licence": settings.licence,
        "training_data": settings.training_data,
        "description": settings.description,
        "lineage": {"code": code_version().model_dump()},
        "weights": {},
        "networks": [],
    }
    if plates is not None:
        manifest["weights"]["plates"] = _plate_weights(plates, out)
        manifest["networks"].append(_network("plate", "mask", settings.plate_threshold, 0.15))
    if faces is not None:
        manifest["weights"]["faces"] = _face_weights(faces, out)
        manifest["networks"].append(_network("face", "centres", settings.face_threshold, 0.1))
    write_manifest(out, manifest)
    manifest["golden"] = _write_golden(out, Redactor(_opened(out)))
    evaluation = evaluate_redaction(Redactor(_opened(out)), photos, labels)
    figures = evaluation.figures()
    for network in manifest["networks"]:
        recall = figures[network["subject"]]["recall"]
        network["metrics"] = figures[network["subject"]]
        if recall is not None and recall["value"] >= STABLE_RECALL:
            network["status"] = "stable"
    write_manifest(out, manifest)
    measured = _opened(out).manifest.decisive_digest
    manifest["metrics"] = {**figures, "photos": evaluation.photos, "measured": measured}
    write_manifest(out, manifest)
    write_card(out, _opened(out).manifest)
    return evaluation


def _opened(out: Path) -> Bundle[RedactionManifest]:
    return redaction_bundle(open_any_bundle(out))


def _network(subject: str, shape: str, threshold: float, margin: float) -> dict[str, Any]:
    return {
        "name": f"{subject}s",
        "role": "redact",
        "subject": subject,
        "weights": f"{subject}s",
        "shape": shape,
        "threshold": threshold,
        "margin": margin,
        "status": "experimental",
    }


def _plate_weights(checkpoint: Path, out: Path) -> dict[str, Any]:
    tensors, facts = load_checkpoint(checkpoint)
    path = out / "weights/plates.safetensors"
    half = {
        name: tensor.to(torch.float16) if tensor.dtype.is_floating_point else tensor
        for name, tensor in under("average", tensors).items()
    }
    save_file(half, path)
    return {
        **_file(path, out),
        "architecture": "efficientnet_lite_unet",
        "parameters": facts["settings"]["network"],
        "input": {"long_side": LONG_SIDE_PX, "multiple_of": 32},
    }


def _face_weights(onnx: Path, out: Path) -> dict[str, Any]:
    path = out / "weights/faces.onnx"
    shutil.copyfile(onnx, path)
    form = {"long_side": FACES_LONG_SIDE_PX, "multiple_of": 32, **RAW_PIXELS}
    return {**_file(path, out), "format": "onnx", "input": form}


def _file(path: Path, out: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {
        "file": str(path.relative_to(out)),
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }


def _write_golden(out: Path, redactor: Redactor) -> list[dict[str, Any]]:
    """Draw golden photos into ``out``: cars with plates; returns their manifest entries."""
    entries = []
    (out / "golden").mkdir(exist_ok=True)
    for seed in GOLDEN_SEEDS:
        photo = draw_sample(seed, size=(640, 480), damages=()).photo
        add_plates(photo, np.zeros(photo.shape[:2], np.uint8), np.random.default_rng(seed))
        data = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        path = out / f"golden/{seed}.jpg"
        path.write_bytes(data)
        entries.append(
            {
                "photo": str(path.relative_to(out)),
                "sha256": hashlib.sha256(data).hexdigest(),
                "areas": redacted_shares(redactor, data),
            }
        )
    return entries
