"""Programs of torch.export: any architecture, shipped with its own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from model_store.engines.interface import Array
from model_store.errors import BundleError


class ExportedEngine:
    """A program that computes masks and scores in one call."""

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
            raise BundleError("the program has no mask output")
        return state


def load_exported(path: Path) -> ExportedEngine:
    """The engine for the exported program in ``path``.

    An exported program is executable code, so its sha256 must already have been verified
    against the manifest (`open_bundle`).  Raises `BundleError`.
    """
    try:
        return ExportedEngine(torch.export.load(path).module())
    except Exception as error:
        raise BundleError(
            f"{path.name} is not an exported program for torch {torch.__version__}: {error}"
        ) from None
