"""Engines that execute the networks of a bundle."""

from model_store.engines.interface import AUTO, OPENVINO, REFERENCE, TORCH, Array, Engine
from model_store.engines.loading import (
    candidates,
    engines_of,
    import_engine,
    load_engine,
    share_models,
)
from model_store.manifest import INT8

__all__ = [
    "AUTO",
    "INT8",
    "OPENVINO",
    "REFERENCE",
    "TORCH",
    "Array",
    "Engine",
    "candidates",
    "engines_of",
    "import_engine",
    "load_engine",
    "share_models",
]
