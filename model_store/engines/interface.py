"""What an engine is: something that executes the networks of one weights file.

``encode`` runs what the gates need, ``decode`` the rest, so that an inspection
which a gate ends costs no more than that.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

AUTO, OPENVINO, TORCH = "auto", "openvino", "torch"
# Torch in fp32 on the CPU: what engines are compared with.  No worker is offered it.
REFERENCE = "torch-fp32"


class Engine(Protocol):
    """What executes the networks of one weights file; any thread may call it."""

    def encode(self, photo: Array) -> tuple[Any, Array | None]:
        """State for `decode`, and the score logits (scores,), for a photo (3 x H x W)."""

    def decode(self, state: Any) -> Array:
        """Mask logits (masks x h x w), h and w a fraction of H and W."""
