"""The torch engine: executes the networks of one weights file.

``encode`` runs what the gates need, ``decode`` the rest, so that an inspection
which a gate ends costs no more than that.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from damage_tasks.errors import BundleError
from model_store.architectures import build
from model_store.manifest import Weights
from model_store.store import Bundle

Array = NDArray[np.float32]


class Engine(Protocol):
    """What executes the networks of one weights file."""

    def encode(self, photo: Array) -> tuple[Any, Array | None]:
        """State for `decode`, and the score logits (scores,), for a photo (3 x H x W)."""

    def decode(self, state: Any) -> Array:
        """Mask logits (masks x h x w), h and w a fraction of H and W."""


def load_engine(bundle: Bundle, name: str, threads: int = 1) -> Engine:
    """The engine for the weights ``name`` of a verified bundle.

    Raises `BundleError` naming the weights and what does not fit.
    """
    torch.set_num_threads(threads)
    weights = bundle.manifest.weights[name]
    try:
        if weights.format == "safetensors":
            return TorchEngine(_load_safetensors(bundle, weights))
        return ExportedEngine(_load_exported(bundle, weights))
    except BundleError as error:
        raise BundleError(f"weights {name}: {error}") from None


class TorchEngine:
    """A known architecture with its weights, eager, channels-last."""

    def __init__(self, network: Any) -> None:
        self._network = network.eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def encode(self, photo: Array) -> tuple[Any, Array | None]:
        batch = torch.from_numpy(photo)[None].to(memory_format=torch.channels_last)
        features, scores = self._network.encode(batch)
        return features, scores[0].float().numpy()

    @torch.inference_mode()
    def decode(self, state: Any) -> Array:
        return self._network.decode(state)[0].float().numpy()


class ExportedEngine:
    """Any other architecture, as a torch.export program with its own code."""

    def __init__(self, program: Any) -> None:
        self._program = program

    @torch.inference_mode()
    def encode(self, photo: Array) -> tuple[Any, Array | None]:
        outputs = self._program(torch.from_numpy(photo)[None])
        masks = scores = None
        for output in outputs if isinstance(outputs, (tuple, list)) else (outputs,):
            if output.ndim == 4:
                masks = output[0].float().numpy()
            else:
                scores = output[0].float().numpy()
        return masks, scores

    def decode(self, state: Any) -> Array:
        if state is None:
            raise BundleError("the program gives no masks")
        return state


def _load_safetensors(bundle: Bundle, weights: Weights) -> torch.nn.Module:
    assert weights.architecture is not None
    try:
        tensors = load_file(bundle.folder / weights.file)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{weights.file} is no safetensors file: {error}") from None
    network = build(weights.architecture, weights.parameters)
    tensors = {key: value.float() for key, value in tensors.items()}
    # num_batches_tracked is only of use to training and need not be shipped.
    expected = {k for k in network.state_dict() if not k.endswith("num_batches_tracked")}
    missing, surplus = expected - tensors.keys(), tensors.keys() - network.state_dict().keys()
    if missing or surplus:
        odd = min(missing or surplus)
        what = "lacks" if missing else "has a surplus"
        raise BundleError(f"{weights.file} does not fit {weights.architecture}: {what} {odd}")
    try:
        network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        line = str(error).splitlines()[-1].strip()
        raise BundleError(f"{weights.file} does not fit {weights.architecture}: {line}") from None
    return network


def _load_exported(bundle: Bundle, weights: Weights) -> Any:
    # An exported program is executable code.  Its sha256 has been compared with the
    # one pinned in the manifest before this point (`open_bundle`).
    try:
        return torch.export.load(bundle.folder / weights.file).module()
    except Exception as error:
        raise BundleError(
            f"{weights.file} is no exported program for torch {torch.__version__}: {error}"
        ) from None
