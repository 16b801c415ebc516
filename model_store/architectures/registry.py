"""The network architectures that safetensors weights may name.

Each as a module of torch and as models of OpenVINO, which is imported only where asked
for: a worker that computes with OpenVINO never pays for torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from model_store.errors import BundleError

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")

ARCHITECTURES = ("efficientnet_lite_unet",)


def build(name: str, parameters: dict[str, Any]) -> nn.Module:
    """A network of architecture ``name`` with untrained weights, for torch.

    Raises `BundleError` when the name or a parameter is not known.
    """
    _check(name)
    from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet

    return _called(name, lambda: EfficientNetLiteUNet(**parameters))


def build_openvino(
    name: str, parameters: dict[str, Any], tensors: dict[str, Any]
) -> tuple[Any, Any]:
    """OpenVINO's models of ``encode`` and ``decode`` with the weights ``tensors`` (arrays by name).

    Raises `BundleError` when the name or a parameter is not known, or tensors do not fit.
    """
    _check(name)
    from model_store.architectures.efficientnet_lite_unet_openvino import efficientnet_lite_unet

    return _called(name, lambda: efficientnet_lite_unet(tensors, **parameters))


def _check(name: str) -> None:
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise BundleError(f"architecture {name} is not known; known: {known}")


def _called(name: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except (TypeError, ValueError, KeyError) as error:
        raise BundleError(f"architecture {name}: wrong parameters: {error}") from None
