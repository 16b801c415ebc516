"""Networks in the ONNX format, run by OpenVINO."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from model_store.engines.interface import Array
from model_store.engines.openvino import compiled, core
from model_store.errors import BundleError
from model_store.openvino_without_telemetry import openvino


class OnnxEngine:
    """A network for photos of any shape; its outputs are joined along their channels."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._local = threading.local()

    def encode(self, photo: Array) -> tuple[Any, Array | None]:
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._model.create_infer_request()
        request.set_input_tensor(openvino.Tensor(photo[None], shared_memory=True))
        request.infer()
        return np.concatenate([tensor.data[0] for tensor in request.output_tensors]), None

    def decode(self, state: Any) -> Array:
        masks: Array = state
        return masks


def load_onnx(path: Path, threads: int = 1) -> OnnxEngine:
    """The network in ``path``, with one input (N x 3 x H x W).  Raises `BundleError`."""
    try:
        model = core().read_model(path)
        # Exporters often fix the shape that they were shown.
        model.reshape([1, 3, -1, -1])
        return OnnxEngine(compiled(model, threads))
    except RuntimeError as error:  # OpenVINO has no error classes of its own
        text = str(error).strip().splitlines()[-1]
        raise BundleError(
            f"OpenVINO {openvino.__version__} cannot load {path.name}: {text}"
        ) from None
