"""Adds OpenVINO's int8 models to a bundle.

Post-training quantisation with calibration photos (Jacob et al., arXiv:1712.05877, as
implemented by NNCF).  Networks that lose too much against fp32 are not shipped: first the whole
network is quantised, then all but its first convolutions and the last, then only the
encoder.  If even that does not agree with fp32, or fails a golden photo, the bundle gets no
int8 version.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from model_store.openvino_without_telemetry import openvino

# isort: split
# Imported last: in the sorted order, NNCF would send telemetry to its vendor.
import nncf

# isort: split

from damage_tasks.errors import BundleError
from damage_tasks.vision.network_inputs_and_masks import network_input
from damage_tasks.vision.segmenter import Segmenter
from damage_tasks.vision.self_test import check_golden
from model_store.bundle import Bundle, open_bundle
from model_store.engines import INT8, OPENVINO, REFERENCE
from model_store.engines.openvino import DECODE, ENCODE, openvino_models
from model_store.manifest import MANIFEST_FILE, Gate, SegmentNetwork, UnionNetwork, parse_manifest
from model_training.data.labelled_photos import LabelledPhoto
from model_training.evaluation.engine_comparison import MIN_MASK_IOU, Agreement, agreement

# Of `encode` and `decode`.
Models = tuple[Any, Any]
CALIBRATION_PHOTOS = 128
AGREEMENT_PHOTOS = 80
# Convolutions at the full resolution: their few channels have the widest ranges.
FULL_RESOLUTION_CONVOLUTIONS = 3


def quantise(
    folder: Path,
    calibration: Sequence[LabelledPhoto],
    check: Sequence[LabelledPhoto],
    console: Console,
) -> dict[str, Agreement]:
    """Add int8 models to the bundle in ``folder``; returns each engine's agreement with fp32.

    ``calibration`` photos determine the ranges of values, ``check`` photos whether
    masks agree; they should not be the same.  The manifest lists int8 only once it has
    passed, even if this call is interrupted.  Raises `BundleError` when no weights of the
    bundle can be quantised.
    """
    _remove(folder)
    bundle = open_bundle(folder)
    full = {
        name: openvino_models(bundle, weights)
        for name, weights in bundle.manifest.weights.items()
        if weights.architecture
    }
    if not full:
        raise BundleError("only networks of a known architecture can be quantised")
    reference = Segmenter(bundle, engine=REFERENCE)
    photos = [photo.read()[0] for photo in _some(check, AGREEMENT_PHOTOS)]
    found = {OPENVINO: agreement(reference, Segmenter(bundle, engine=OPENVINO), photos)}
    console.print(f"{OPENVINO}: {found[OPENVINO]}")
    samples = {
        name: list(_samples(bundle, name, models, calibration)) for name, models in full.items()
    }
    for words, scope in QUANTISATION_SCOPES:
        console.print(f"quantising {words} with {len(next(iter(samples.values())))} photos")
        models = {name: scope(full[name], samples[name]) for name in full}
        try:
            found[INT8] = _add(folder, models, photos, reference)
        except BundleError as error:
            console.print(f"{INT8}, {words}, is not used: {error}", style="yellow")
            continue
        console.print(f"{INT8}, {words}: {found[INT8]}")
        break
    else:
        console.print("no int8 version: workers use the next engine", style="yellow")
    return found


def _samples(
    bundle: Bundle, name: str, models: Models, photos: Sequence[LabelledPhoto]
) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Inputs of encoder and decoder, cycling through the sizes at which the networks run."""
    form = bundle.manifest.weights[name].input
    sides = {form.long_side}
    for network in bundle.manifest.networks:
        if network.weights != name:
            continue
        if isinstance(network, SegmentNetwork | UnionNetwork):
            sides.update(network.long_sides)
        elif isinstance(network, Gate) and network.long_side:
            sides.add(network.long_side)
    order = sorted(sides)
    request = openvino.compile_model(models[0], "CPU").create_infer_request()
    for number, photo in enumerate(_some(photos, CALIBRATION_PHOTOS)):
        array = network_input(photo.read()[0], form, order[number % len(order)])[None]
        request.infer([array])
        *features, _ = (tensor.data.copy() for tensor in request.output_tensors)
        yield array, tuple(features)


def _quantised(model: Any, inputs: list[Any], kept: Sequence[str] = ()) -> Any:
    return nncf.quantize(
        model.clone(),
        nncf.Dataset(inputs),
        subset_size=len(inputs),
        ignored_scope=nncf.IgnoredScope(names=list(kept)),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            # CPUs without VNNI sum 8-bit products in 16 bits, which must not overflow.
            overflow_fix=nncf.OverflowFix.ENABLE,
        ),
    )


def _all(models: Models, samples: list[Any]) -> Models:
    encoder, decoder = models
    return (
        _quantised(encoder, [photo for photo, _ in samples]),
        _quantised(decoder, [features for _, features in samples]),
    )


def _all_but_the_ends(models: Models, samples: list[Any]) -> Models:
    encoder, decoder = models
    return (
        _quantised(
            encoder,
            [photo for photo, _ in samples],
            _convolutions(encoder)[:FULL_RESOLUTION_CONVOLUTIONS],
        ),
        _quantised(decoder, [features for _, features in samples], _convolutions(decoder)[-1:]),
    )


def _only_the_encoder(models: Models, samples: list[Any]) -> Models:
    encoder, decoder = models
    early = _convolutions(encoder)[:FULL_RESOLUTION_CONVOLUTIONS]
    return _quantised(encoder, [photo for photo, _ in samples], early), decoder


QUANTISATION_SCOPES: tuple[tuple[str, Callable[[Models, list[Any]], Models]], ...] = (
    ("everything", _all),
    ("all but the first convolutions and the last", _all_but_the_ends),
    ("the encoder except its first convolutions", _only_the_encoder),
)


def _convolutions(model: Any) -> list[str]:
    """Names of the convolutions in execution order."""
    return [
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() in ("Convolution", "GroupConvolution")
    ]


def _add(
    folder: Path, found: dict[str, Models], photos: list[Any], reference: Segmenter
) -> Agreement:
    """Write models and manifest; returns the bundle's agreement with ``reference``.

    Raises `BundleError` if golden photos fail or masks do not agree.  Any exception, including an
    interruption, removes all int8 files.
    """
    try:
        entries = {name: _written(folder, name, models) for name, models in found.items()}
        _change(folder, entries)
        segmenter = Segmenter(open_bundle(folder), engine=INT8)
        check_golden(segmenter)
        agreed = agreement(reference, segmenter, photos)
        if not agreed.good:
            raise BundleError(f"{agreed}; an IoU of {MIN_MASK_IOU} is required")
        for entry in entries.values():
            entry["agreement"] = agreed.figures()
        _change(folder, entries)
    except BaseException:
        _remove(folder)
        raise
    return agreed


def _written(folder: Path, name: str, models: Models) -> dict[str, Any]:
    """Write ``models`` for the weights ``name``; returns their entry for the manifest."""
    files = []
    for model, file in zip(models, (ENCODE, DECODE), strict=True):
        path = folder / "engines" / INT8 / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        openvino.save_model(model, path, compress_to_fp16=True)
        files += [_entry(folder, path), _entry(folder, path.with_suffix(".bin"))]
    return {"files": files}


def _remove(folder: Path) -> None:
    """Remove int8 from the manifest and the folder."""
    _change(folder, {})
    # Do not overwrite the files later instead: OpenVINO maps the files of a loaded model.
    shutil.rmtree(folder / "engines", ignore_errors=True)


def _change(folder: Path, entries: dict[str, Any]) -> None:
    """Record in the manifest that ``entries``, by weights, are the int8 versions."""
    path = folder / MANIFEST_FILE
    document = json.loads(path.read_bytes())
    for name, weights in document["weights"].items():
        weights.pop("engines", None)
        if name in entries:
            weights["engines"] = {INT8: entries[name]}
    text = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    parse_manifest(text, str(path))
    path.write_bytes(text)


def _entry(folder: Path, path: Path) -> dict[str, Any]:
    return {
        "file": path.relative_to(folder).as_posix(),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
    }


def _some(photos: Sequence[LabelledPhoto], count: int) -> list[LabelledPhoto]:
    """``count`` photos, evenly spread over the list."""
    step = max(1.0, len(photos) / count)
    return [photos[int(n * step)] for n in range(min(count, len(photos)))]
