"""The EfficientNet-Lite U-Net as OpenVINO models, built from its tensors without torch.

It repeats `efficientnet_lite_unet` operation by operation, so weights need no
conversion and a worker that runs OpenVINO never imports torch.
Batch norms are folded into the preceding convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.architectures.efficientnet_lite_blocks import (
    BATCH_NORM_EPSILON,
    LOCAL_SHARE,
    STEM_CHANNELS,
    block_plan,
)
from model_store.errors import BundleError
from model_store.openvino_without_telemetry import openvino

ops = openvino.opset13

Tensors = dict[str, NDArray[Any]]
DECODER_BATCH_NORM_EPSILON = 1e-5  # torch's default
HEIGHT_AND_WIDTH_AXES = np.array([2, 3], np.int64)


def efficientnet_lite_unet(
    tensors: Tensors,
    masks: int = 5,
    scores: int = 1,
    variant: str = "lite0",
    decoder: Sequence[int] = (128, 64, 48),
    depth: int = 1,
    context: bool = False,
    score_strides: Sequence[int] = (32,),
    local: int = 0,
    whole_photo: int = 0,
    screening: int = 0,
) -> tuple[Any, Any]:
    """Models of ``encode`` and ``decode`` for photos of any shape.

    ``encode`` takes photos (N x 3 x H x W float) and returns the inputs of ``decode``,
    followed by the score logits (N x scores).  Parameters are those of `EfficientNetLiteUNet`.
    Raises `BundleError` when a tensor is missing, unused or of the wrong shape.
    """
    given = _Given(tensors)
    photo = ops.parameter([-1, 3, -1, -1], np.float32)
    levels = _encoder(given, variant, photo)
    sizes = {stride: _channels(level) for stride, level in levels.items()}
    d16, d8, d4 = decoder

    joined = _join(levels[32], levels[16])
    decoded = _block(given, "up16", joined, sizes[32] + sizes[16], d16, depth)
    if context:
        seen = _linear(given, "context", _mean(levels[32]), sizes[32], d16)
        decoded = ops.add(decoded, ops.unsqueeze(ops.relu(seen), [2, 3]))
    maps = [levels[stride] for stride in score_strides]
    pooled = ops.concat([pool(level) for level in maps for pool in (_mean, _maximum)], 1)
    width = 2 * sum(sizes[stride] for stride in score_strides)
    found = _linear(given, "scores", pooled, width, scores - local - bool(screening))
    if local:
        cells = _convolution(given, "local", decoded, (local, d16, 1, 1))
        strongest = _strongest(cells, local)
        described = _described(levels[16], decoded, levels[32], _first(cells))
        width = 3 * (sizes[16] + d16 + sizes[32])
        if whole_photo:
            judged = _two_layers(given, "whole_photo", described, width, whole_photo)
            others = ops.slice(strongest, [1], [local], [1], [1])
            strongest = ops.concat([judged, others], 1) if local > 1 else judged
        parts = [strongest, found]
        if screening:
            parts.append(_two_layers(given, "screening", described, width, screening))
        found = ops.concat(parts, 1)
    encode = openvino.Model([levels[4], levels[8], decoded, found], [photo], "encode")

    features = [
        ops.parameter([-1, channels, -1, -1], np.float32) for channels in (sizes[4], sizes[8], d16)
    ]
    stride4, stride8, x = features
    x = _block(given, "up8", _join(x, stride8), d16 + sizes[8], d8, depth)
    x = _block(given, "up4", _join(x, stride4), d8 + sizes[4], d4, depth)
    x = _convolution(given, "masks", x, (masks, d4, 1, 1))
    decode = openvino.Model([x], features, "decode")
    given.all_used()
    return encode, decode


class _Given:
    """The tensors of a weights file in fp32; each is taken once, and its shape is checked."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        tensor = self._tensors.pop(name, None)
        if tensor is None:
            raise BundleError(f"missing tensor {name}")
        if tensor.shape != shape:
            raise BundleError(f"{name} has shape {tensor.shape} instead of {shape}")
        return tensor.astype(np.float32)

    def all_used(self) -> None:
        if self._tensors:
            raise BundleError(f"unexpected tensor {min(self._tensors)}")


def _encoder(given: _Given, variant: str, photo: Any) -> dict[int, Any]:
    """Encoder features by stride: 4, 8, 16 and 32."""
    shape = (STEM_CHANNELS, 3, 3, 3)
    x = _normed(given, "encoder._conv_stem", "encoder._bn0", photo, shape, 2, BATCH_NORM_EPSILON)
    x = ops.clamp(x, 0, 6)
    levels: dict[int, Any] = {}
    for number, block in enumerate(block_plan(variant)):
        name = f"encoder._blocks.{number}"

        def layer(
            y: Any, part: str, norm: str, shape: tuple[int, ...], stride: int = 1, name: str = name
        ) -> Any:
            return _normed(
                given, f"{name}.{part}", f"{name}.{norm}", y, shape, stride, BATCH_NORM_EPSILON
            )

        wide, y = block.channels * block.expansion, x
        if block.expansion > 1:
            expanded = layer(y, "_expand_conv", "_bn0", (wide, block.channels, 1, 1))
            y = ops.clamp(expanded, 0, 6)
        shape = (wide, 1, block.kernel, block.kernel)
        y = ops.clamp(layer(y, "_depthwise_conv", "_bn1", shape, block.stride), 0, 6)
        y = layer(y, "_project_conv", "_bn2", (block.out, wide, 1, 1))
        x = ops.add(x, y) if block.residual else y
        if block.tap:
            levels[4 * 2 ** len(levels)] = x
    return levels


def _block(given: _Given, name: str, x: Any, channels: int, out: int, depth: int) -> Any:
    def layer(x: Any, part: str, shape: tuple[int, ...]) -> Any:
        return _normed(
            given, f"{name}.{part}.0", f"{name}.{part}.1", x, shape, 1, DECODER_BATCH_NORM_EPSILON
        )

    x = ops.relu(layer(x, "reduce", (out, channels, 1, 1)))
    y = ops.relu(layer(x, "depthwise", (out, 1, 5, 5)))
    x = ops.relu(ops.add(x, layer(y, "project", (out, out, 1, 1))))
    for number in range(depth - 1):
        x = _block(given, f"{name}.more.{number}", x, out, out, 1)
    return x


def _normed(
    given: _Given, name: str, norm: str, x: Any, shape: tuple[int, ...], stride: int, eps: float
) -> Any:
    """A convolution with its batch norm folded in."""
    out = shape[0]
    weight = given.take(f"{name}.weight", *shape)
    scale, shift, mean, variance = (
        given.take(f"{norm}.{part}", out)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = scale / np.sqrt(variance + np.float32(eps))
    return _convolved(x, weight * scale[:, None, None, None], shift - mean * scale, stride)


def _convolution(given: _Given, name: str, x: Any, shape: tuple[int, ...]) -> Any:
    return _convolved(x, given.take(f"{name}.weight", *shape), given.take(f"{name}.bias", shape[0]))


def _convolved(
    x: Any, weight: NDArray[np.float32], bias: NDArray[np.float32], stride: int = 1
) -> Any:
    kernel = weight.shape[2]
    # TensorFlow's "same" padding: an odd pixel goes to the right and bottom.
    before = (kernel - stride) // 2
    after = kernel - stride - before
    where = [stride, stride], [before, before], [after, after], [1, 1]
    if weight.shape[1] == 1 and kernel > 1:
        x = ops.group_convolution(x, ops.constant(weight[:, None]), *where)
    else:
        x = ops.convolution(x, ops.constant(weight), *where)
    return ops.add(x, ops.constant(bias[None, :, None, None]))


def _linear(given: _Given, name: str, x: Any, channels: int, out: int) -> Any:
    weight = ops.constant(given.take(f"{name}.weight", out, channels))
    product = ops.matmul(x, weight, transpose_a=False, transpose_b=True)
    return ops.add(product, ops.constant(given.take(f"{name}.bias", out)[None]))


def _two_layers(given: _Given, name: str, x: Any, channels: int, hidden: int) -> Any:
    return _linear(
        given, f"{name}.2", ops.relu(_linear(given, f"{name}.0", x, channels, hidden)), hidden, 1
    )


def _join(small: Any, large: Any) -> Any:
    size = ops.gather(ops.shape_of(large), HEIGHT_AND_WIDTH_AXES, np.int64(0))
    up = ops.interpolate(
        small,
        size,
        mode="linear_onnx",
        shape_calculation_mode="sizes",
        axes=HEIGHT_AND_WIDTH_AXES,
        coordinate_transformation_mode="half_pixel",
    )
    return ops.concat([up, large], 1)


def _strongest(logits: Any, channels: int) -> Any:
    """Mean of the strongest cells of each channel: N x C x H x W to N x C."""
    cells = ops.reshape(logits, np.array([0, channels, -1], np.int64), special_zero=True)
    number = ops.convert(ops.gather(ops.shape_of(cells), np.int64(2), np.int64(0)), np.float32)
    share = ops.round(ops.multiply(number, np.float32(LOCAL_SHARE)), "half_to_even")
    count = ops.maximum(share, np.float32(3))
    best = ops.topk(cells, ops.convert(count, np.int64), 2, "max", "none").output(0)
    return ops.reduce_mean(best, np.array([2], np.int64), keep_dims=False)


def _first(cells: Any) -> Any:
    """The first of a map's channels: N x C x H x W to N x 1 x H x W."""
    return ops.slice(cells, [0], [1], [1], [1])


def _described(stride16: Any, decoded16: Any, stride32: Any, cells: Any) -> Any:
    """Mean, maximum and mean weighted by ``cells`` (N x 1 x H x W) of each level."""
    flat = ops.reshape(cells, np.array([0, 0, -1], np.int64), special_zero=True)
    fine = ops.reshape(ops.softmax(flat, 2), ops.shape_of(cells), special_zero=False)
    pooled = ops.avg_pool(fine, [2, 2], [0, 0], [0, 0], [2, 2], exclude_pad=False)
    coarse = ops.multiply(pooled, np.float32(4))
    parts = []
    for level, weight in ((stride16, fine), (decoded16, fine), (stride32, coarse)):
        weighted = ops.reduce_sum(
            ops.multiply(level, weight), HEIGHT_AND_WIDTH_AXES, keep_dims=False
        )
        parts += [_mean(level), _maximum(level), weighted]
    return ops.concat(parts, 1)


def _mean(level: Any) -> Any:
    return ops.reduce_mean(level, HEIGHT_AND_WIDTH_AXES, keep_dims=False)


def _maximum(level: Any) -> Any:
    return ops.reduce_max(level, HEIGHT_AND_WIDTH_AXES, keep_dims=False)


def _channels(level: Any) -> int:
    return int(level.output(0).partial_shape[1].get_length())
