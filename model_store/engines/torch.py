"""The torch engine: runs the known architectures on any machine.

Uses channels-last memory and folded batch norms; bfloat16 on CPUs with instructions for it,
half precision on CUDA, where photos waiting at the same time are computed as one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model_store.architectures import build
from model_store.bundle import Bundle
from model_store.engines.exported_program import load_exported
from model_store.engines.interface import Array, Engine
from model_store.engines.micro_batching import BatchingEngine
from model_store.errors import BundleError
from model_store.manifest import BundleManifest, Weights


def load_torch(
    bundle: Bundle[BundleManifest], weights: Weights, threads: int = 1, *, exact: bool = False
) -> Engine:
    """The engine for ``weights`` of a verified bundle; with ``exact``, in fp32 on the CPU.

    Raises `BundleError`.
    """
    torch.set_num_threads(threads)
    if weights.format == "exported_program":
        return load_exported(bundle.folder / weights.file)
    network = load_network(bundle, weights)
    if exact:
        return TorchEngine(network)
    if torch.cuda.is_available():
        return BatchingEngine(TorchEngine(network, torch.float16, "cuda"))
    return TorchEngine(network, fastest_type())


class TorchEngine:
    """A known architecture with its weights in eager mode; ``network`` is modified in place."""

    def __init__(
        self, network: Any, dtype: torch.dtype = torch.float32, device: str = "cpu"
    ) -> None:
        network = fold_batch_norms(network.eval())
        self._network = network.to(device, dtype, memory_format=torch.channels_last)
        self._dtype, self._device = dtype, device

    def encode(self, photo: Array) -> tuple[Any, Array | None]:
        return self.encode_batch([photo])[0]

    def decode(self, state: Any) -> Array:
        return self.decode_batch([state])[0]

    @torch.inference_mode()
    def encode_batch(self, photos: Sequence[Array]) -> list[tuple[Any, Array]]:
        """`encode` for photos of the same shape at once."""
        stacked = torch.stack([torch.from_numpy(photo) for photo in photos])
        batch = stacked.to(self._device, self._dtype, memory_format=torch.channels_last)
        features, scores = self._network.encode(batch)
        known = scores.float().cpu().numpy()
        return [
            (type(features)(*(level[n : n + 1] for level in features)), known[n])
            for n in range(len(photos))
        ]

    @torch.inference_mode()
    def decode_batch(self, states: Sequence[Any]) -> list[Array]:
        """`decode` for the states of photos of the same shape at once."""
        features = states[0]
        if len(states) > 1:
            features = type(features)(*(torch.cat(level) for level in zip(*states, strict=True)))
        return list(self._network.decode(features).float().cpu().numpy())


def load_network(bundle: Bundle[BundleManifest], weights: Weights) -> nn.Module:
    """The architecture of safetensors ``weights`` in fp32; raises `BundleError`."""
    assert weights.architecture is not None
    try:
        tensors = load_file(bundle.folder / weights.file)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{weights.file} is not a safetensors file: {error}") from None
    network = build(weights.architecture, weights.parameters)
    tensors = {key: value.float() for key, value in tensors.items()}
    # num_batches_tracked is only used in training and may be missing.
    expected = {k for k in network.state_dict() if not k.endswith("num_batches_tracked")}
    missing, surplus = expected - tensors.keys(), tensors.keys() - network.state_dict().keys()
    if missing or surplus:
        odd = min(missing or surplus)
        what = "missing tensor" if missing else "unexpected tensor"
        raise BundleError(f"{weights.file} does not fit {weights.architecture}: {what} {odd}")
    try:
        network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        line = str(error).splitlines()[-1].strip()
        raise BundleError(f"{weights.file} does not fit {weights.architecture}: {line}") from None
    return network


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """``network`` (in evaluation mode) with each batch norm folded into the preceding convolution.

    Our architectures register each batch norm right after its convolution.
    """
    for parent in list(network.modules()):
        before: tuple[str, nn.Module] | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and before and isinstance(before[1], nn.Conv2d):
                setattr(parent, before[0], fuse_conv_bn_eval(before[1], child))
                setattr(parent, name, nn.Identity())
            before = name, child
    return network


def fastest_type() -> torch.dtype:
    """The faster of bfloat16 and float32 on this CPU."""
    # On CPUs without bfloat16 instructions it is emulated, and slower than fp32.
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32
