"""The interface of an engine, which executes the networks of one weights file.

``encode`` computes what the gates need and ``decode`` the rest, so an inspection
that a gate ends costs no more than its gates.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

AUTO, OPENVINO, TORCH = "auto", "openvino", "torch"
# Torch in fp32 on the CPU: the reference that engines are compared with.  Workers never use it.
REFERENCE = "torch-fp32"


class Engine(Protocol):
    """Executes the networks of one weights file; thread-safe."""

    def encode(self, photo: Array) -> tuple[Any, Array | None]:
        """State for `decode`, and the score logits (scores,), for a photo (3 x H x W)."""

    def decode(self, state: Any) -> Array:
        """Mask logits (masks x h x w); h and w are a fixed fraction of H and W."""
