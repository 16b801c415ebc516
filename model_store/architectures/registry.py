"""The network architectures that safetensors weights can name.

Each one is available as a torch module and as OpenVINO models.  The libraries are imported
on first use, so a worker that runs OpenVINO never loads torch.
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
    """An untrained torch network of architecture ``name``.

    Raises `BundleError` for an unknown name or parameter.
    """
    _check(name)
    from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet

    return _called(name, lambda: EfficientNetLiteUNet(**parameters))


def build_openvino(
    name: str, parameters: dict[str, Any], tensors: dict[str, Any]
) -> tuple[Any, Any]:
    """OpenVINO models of ``encode`` and ``decode`` with the weights ``tensors`` (arrays by name).

    Raises `BundleError` for an unknown name or parameter, or when the tensors do not fit.
    """
    _check(name)
    from model_store.architectures.efficientnet_lite_unet_openvino import efficientnet_lite_unet

    return _called(name, lambda: efficientnet_lite_unet(tensors, **parameters))


def _check(name: str) -> None:
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise BundleError(f"unknown architecture {name}; known: {known}")


def _called(name: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except (TypeError, ValueError, KeyError) as error:
        raise BundleError(f"architecture {name}: wrong parameters: {error}") from None
