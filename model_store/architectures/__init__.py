"""The network architectures that safetensors weights may name."""

from __future__ import annotations

from typing import Any

from torch import nn

from damage_tasks.errors import BundleError
from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet

ARCHITECTURES: dict[str, type[nn.Module]] = {"efficientnet_lite_unet": EfficientNetLiteUNet}


def build(name: str, parameters: dict[str, Any]) -> nn.Module:
    """A network of architecture ``name`` with untrained weights.

    Raises `BundleError` when the name or a parameter is not known.
    """
    try:
        architecture = ARCHITECTURES[name]
    except KeyError:
        known = ", ".join(sorted(ARCHITECTURES))
        raise BundleError(f"architecture {name} is not known; known: {known}") from None
    try:
        return architecture(**parameters)
    except (TypeError, ValueError, KeyError) as error:
        raise BundleError(f"architecture {name}: wrong parameters: {error}") from None
