"""Chooses and loads the engine that runs a bundle on this machine.

An engine's library is imported with the engine, or before a fork by `import_engine` or
`share_models`, so a worker that runs OpenVINO never loads torch.
"""

from __future__ import annotations

import importlib
import importlib.util
import runpy
from pathlib import Path

from model_store.bundle import Bundle
from model_store.engines.cpu_instructions import multiplies_int8
from model_store.engines.interface import AUTO, OPENVINO, REFERENCE, TORCH, Engine
from model_store.errors import BundleError, ExtraMissing
from model_store.manifest import INT8, BundleManifest, Manifest


def candidates(manifest: Manifest, wanted: str = "auto") -> list[str]:
    """The engines to try for a bundle, fastest first.

    ``wanted`` is ``auto`` or the name of one engine.  On a GPU torch comes first; the others
    follow because half precision changes some bundles too much.  Raises `BundleError`
    when the bundle does not support the engine, `ExtraMissing` when its library is missing.
    """
    runnable = engines_of(manifest)
    if wanted == AUTO:
        if torch_is_for_cuda() and has_gpu():
            return [TORCH, *(name for name in runnable if name != TORCH)]
        return runnable
    if wanted in runnable:
        return [wanted]
    if wanted not in (INT8, OPENVINO):
        known = ", ".join((AUTO, INT8, OPENVINO, TORCH))
        raise BundleError(f"unknown engine {wanted}: {known}")
    if not openvino_is_installed():
        raise ExtraMissing(f"engine {wanted} needs: pip install 'damage-tasks[openvino]'")
    what_to_do = "`python -m model_training quantise` adds it, or " if wanted == INT8 else ""
    raise BundleError(
        f"bundle {manifest.name} {manifest.version} does not support engine {wanted}: "
        f"{what_to_do}set DAMAGE_ENGINE=auto"
    )


def engines_of(manifest: Manifest) -> list[str]:
    """The engines that can run a bundle on this machine, fastest first; torch always can."""
    if not openvino_is_installed():
        return [TORCH]
    weights = manifest.weights.values()
    held = [
        *([INT8] if any(INT8 in one.engines for one in weights) else []),
        *([OPENVINO] if any(one.architecture for one in weights) else []),
    ]
    return [*(held if multiplies_int8() else reversed(held)), TORCH]


def import_engine(manifest: Manifest, wanted: str = AUTO) -> str:
    """Import the library of the engine most likely to be used, without running anything.

    Returns the engine's name.

    Processes forked afterwards share it.  This does not look for a GPU: once the parent has
    initialised the driver, its children cannot use it.
    """
    runnable = engines_of(manifest)
    name = wanted if wanted in runnable else runnable[0]
    importlib.import_module(f"{__package__}.{TORCH if name == TORCH else OPENVINO}")
    return name


def share_models(bundle: Bundle[Manifest], wanted: str = AUTO) -> None:
    """Import the engine as `import_engine` does; for OpenVINO in floating point, also read weights.

    Processes forked afterwards load this bundle without copying the weights.
    Raises `BundleError` if the weights cannot be used.
    """
    if import_engine(bundle.manifest, wanted) == OPENVINO:
        from model_store.engines.openvino import build_shared_models

        build_shared_models(bundle)


def load_engine(
    bundle: Bundle[BundleManifest], name: str, threads: int = 1, engine: str = TORCH
) -> Engine:
    """The engine for the weights ``name`` of a verified bundle.

    Weights without an int8 version run in floating point; exported programs run on torch and
    ONNX on OpenVINO, whatever ``engine`` is.  Raises `BundleError` with the weights' name and the
    reason, and `ExtraMissing` for ONNX without OpenVINO.
    """
    weights = bundle.manifest.weights[name]
    if weights.format == "onnx" and not openvino_is_installed():
        raise ExtraMissing(f"weights {name} need: pip install 'damage-tasks[openvino]'")
    try:
        if weights.format == "onnx":
            from model_store.engines.onnx import load_onnx

            return load_onnx(bundle.folder / weights.file, threads)
        if engine == INT8 and INT8 in weights.engines:
            from model_store.engines.openvino import load_converted

            return load_converted(bundle.folder, weights.engines[INT8], threads)
        if engine not in (TORCH, REFERENCE) and weights.architecture:
            from model_store.engines.openvino import load_openvino

            return load_openvino(bundle, weights, threads)
        from model_store.engines.torch import load_torch

        return load_torch(bundle, weights, threads, exact=engine == REFERENCE)
    except BundleError as error:
        raise BundleError(f"weights {name}: {error}") from None


def openvino_is_installed() -> bool:
    """Whether OpenVINO can be imported, without importing it."""
    return importlib.util.find_spec("openvino") is not None


def torch_is_for_cuda() -> bool:
    """Whether the installed torch was built for CUDA, without importing it."""
    # Read from the file that torch's build writes: importing torch takes a second and 150 MB,
    # and the package's version does not distinguish CUDA from CPU builds on PyPI and conda.
    found = importlib.util.find_spec("torch")
    if found is None or not found.origin:
        return False
    try:
        return bool(runpy.run_path(str(Path(found.origin).with_name("version.py"))).get("cuda"))
    except OSError:
        return False


def has_gpu() -> bool:
    """Whether the CUDA driver finds a GPU."""
    # Not through torch: importing it takes a second and 150 MB.
    import ctypes

    try:
        driver = ctypes.CDLL("libcuda.so.1")
        count = ctypes.c_int(0)
        return (
            driver.cuInit(0) == 0
            and not driver.cuDeviceGetCount(ctypes.byref(count))
            and count.value > 0
        )
    except OSError:
        return False
