"""The OpenVINO engine: ``encode`` and ``decode`` as two models.

One model handles photos of every shape: on the CPU, models of a fixed shape are at
most 5 % faster, and each shape would have to be compiled.
"""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file

from model_store.architectures import build_openvino
from model_store.bundle import Bundle
from model_store.engines.cpu_instructions import multiplies_bf16_fast
from model_store.engines.interface import Array
from model_store.errors import BundleError
from model_store.manifest import BundleManifest, Converted, Weights
from model_store.openvino_without_telemetry import openvino

DEVICE = "CPU"
ENCODE, DECODE = "encode.xml", "decode.xml"
# By the path of their weights. They are not compiled: that starts threads, which a fork lacks.
_shared_models: dict[Path, tuple[Any, Any]] = {}


def load_openvino(
    bundle: Bundle[BundleManifest], weights: Weights, threads: int = 1
) -> OpenVinoEngine:
    """The engine for safetensors ``weights`` of a verified bundle; raises `BundleError`."""
    models = _shared_models.get(bundle.folder / weights.file) or openvino_models(bundle, weights)
    return OpenVinoEngine(*(compiled(model, threads) for model in models))


def build_shared_models(bundle: Bundle[BundleManifest]) -> None:
    """Build the models of a verified ``bundle``, which processes forked afterwards compile.

    Raises `BundleError`.
    """
    for weights in bundle.manifest.weights.values():
        if weights.architecture is not None:
            path = bundle.folder / weights.file
            _shared_models[path] = openvino_models(bundle, weights)


def openvino_models(bundle: Bundle[BundleManifest], weights: Weights) -> tuple[Any, Any]:
    """Models of ``encode`` and ``decode`` for safetensors ``weights``.

    Raises `BundleError`.
    """
    assert weights.architecture is not None
    try:
        tensors = load_file(bundle.folder / weights.file)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{weights.file} is not a safetensors file: {error}") from None
    try:
        return build_openvino(weights.architecture, weights.parameters, tensors)
    except BundleError as error:
        raise BundleError(f"{weights.file} does not fit {weights.architecture}: {error}") from None


def load_converted(folder: Path, converted: Converted, threads: int = 1) -> OpenVinoEngine:
    """The engine for a converted network of the bundle in ``folder``; raises `BundleError`."""
    paths = {Path(part.file).name: folder / part.file for part in converted.files}
    try:
        return OpenVinoEngine(*(compiled(paths[name], threads) for name in (ENCODE, DECODE)))
    except KeyError as error:
        raise BundleError(f"the converted network is missing {error}") from None
    except RuntimeError as error:  # OpenVINO has no error classes of its own
        text = str(error).strip().splitlines()[-1]
        raise BundleError(f"OpenVINO {openvino.__version__} cannot load it: {text}") from None


class OpenVinoEngine:
    """Two compiled models; each thread has its own inference requests."""

    def __init__(self, encoder: Any, decoder: Any) -> None:
        self._encoder, self._decoder = encoder, decoder
        self._local = threading.local()

    def encode(self, photo: Array) -> tuple[Any, Array | None]:
        request = self._request("encode", self._encoder)
        request.set_input_tensor(openvino.Tensor(photo[None], shared_memory=True))
        request.infer()
        # The last output holds the scores.  Copied, because the next photo overwrites it.
        *state, scores = (tensor.data.copy() for tensor in request.output_tensors)
        return state, scores[0]

    def decode(self, state: Any) -> Array:
        request = self._request("decode", self._decoder)
        for number, features in enumerate(state):
            request.set_input_tensor(number, openvino.Tensor(features, shared_memory=True))
        request.infer()
        masks: Array = request.get_output_tensor(0).data[0].copy()
        return masks

    def _request(self, name: str, model: Any) -> Any:
        request = getattr(self._local, name, None)
        if request is None:
            request = model.create_infer_request()
            setattr(self._local, name, request)
        return request


def compiled(model: Any, threads: int) -> Any:
    """``model`` (a model or its path) for the CPU, with ``threads`` threads."""
    return core().compile_model(
        model,
        DEVICE,
        {
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": threads,
            # Without this, every process would pin its thread to the same core.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "bf16" if multiplies_bf16_fast() else "f32",
        },
    )


@cache
def core() -> Any:
    """OpenVINO's core, shared by the process."""
    return openvino.Core()
