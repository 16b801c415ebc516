"""The network architectures that safetensors weights may name."""

from model_store.architectures.registry import ARCHITECTURES, build, build_openvino

__all__ = ["ARCHITECTURES", "build", "build_openvino"]
