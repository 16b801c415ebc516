"""The network architectures that a bundle's safetensors weights can use."""

from model_store.architectures.registry import ARCHITECTURES, build, build_openvino

__all__ = ["ARCHITECTURES", "build", "build_openvino"]
