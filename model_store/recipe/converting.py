"""Networks of torch as OpenVINO's models, for photos of any shape."""

from __future__ import annotations

import math
import warnings
from typing import Any

import nncf
import openvino
import torch
from torch import nn

WORTH_8_BITS = 20_000  # weights of a convolution
# Of `encode` and `decode`.
Models = tuple[Any, Any]


class _Encode(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, photo: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features, scores = self.network.encode(photo)
        return (*features, scores)


class _Decode(nn.Module):
    def __init__(self, network: Any, kind: Any) -> None:
        super().__init__()
        self.network, self.kind = network, kind

    def forward(self, *features: torch.Tensor) -> torch.Tensor:
        masks: torch.Tensor = self.network.decode(self.kind(*features))
        return masks


def convert(network: Any) -> Models:
    """``network`` (in evaluation mode) as OpenVINO's models of ``encode`` and ``decode``."""
    example = torch.zeros(1, 3, 256, 352)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations, and tracing's doubts
        features, _ = network.encode(example)
        encoder = openvino.convert_model(_Encode(network), example_input=example)
        decoder = openvino.convert_model(
            _Decode(network, type(features)), example_input=tuple(features)
        )
    encoder.reshape([1, 3, -1, -1])
    decoder.reshape({n: [1, level.shape[1], -1, -1] for n, level in enumerate(features)})
    return encoder, decoder


def in_8_bits(models: Models) -> Models:
    """The same networks, their large weights stored in 8 bits and unpacked when loaded.

    Depthwise and small convolutions keep theirs: they hold a tenth of the weights, and
    on EfficientNet-Lite0 most of what masks lose.  The decoder is small altogether.
    """
    encoder, decoder = models
    kept = [name for name, kind, weights in convolutions(encoder)
            if kind == "GroupConvolution" or weights < WORTH_8_BITS]  # fmt: skip
    small = nncf.compress_weights(
        encoder.clone(),
        mode=nncf.CompressWeightsMode.INT8_SYM,
        ignored_scope=nncf.IgnoredScope(names=kept),
    )
    return small, decoder


def convolutions(model: Any) -> list[tuple[str, str, int]]:
    """Name, kind and number of weights of each convolution, in the order they are computed."""
    return [
        (node.get_friendly_name(), node.get_type_name(), math.prod(node.input_value(1).shape))
        for node in model.get_ordered_ops()
        if node.get_type_name() in ("Convolution", "GroupConvolution")
    ]
