"""Which engines can run a bundle on this machine, and loading one.

An engine's library is imported with the engine, or by `import_engine` before a fork:
a worker that computes with OpenVINO never pays for torch.
"""

from __future__ import annotations

import importlib
import importlib.util
import runpy
from pathlib import Path

from model_store.bundle import Bundle
from model_store.engines.interface import AUTO, OPENVINO, REFERENCE, TORCH, Engine
from model_store.errors import BundleError, ExtraMissing
from model_store.manifest import INT8, Manifest


def candidates(manifest: Manifest, wanted: str = "auto") -> list[str]:
    """The engines to try for a bundle, the fastest first.

    ``wanted`` is ``auto`` or the one engine to use.  On a GPU torch comes first, and the
    others follow for bundles that half precision changes too much.  Raises `BundleError`
    when the bundle has nothing for that engine, `ExtraMissing` when its library is missing.
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
        raise BundleError(f"there is no engine {wanted}: {known}")
    if not openvino_is_installed():
        raise ExtraMissing(f"engine {wanted} needs: pip install 'damage-tasks[openvino]'")
    what_to_do = "`python -m model_training quantise` adds it, or " if wanted == INT8 else ""
    raise BundleError(
        f"bundle {manifest.name} {manifest.version} holds nothing for engine {wanted}: "
        f"{what_to_do}set DAMAGE_ENGINE=auto"
    )


def engines_of(manifest: Manifest) -> list[str]:
    """The engines that can run a bundle here, the fastest first; torch always can."""
    if not openvino_is_installed():
        return [TORCH]
    weights = manifest.weights.values()
    held = [
        *([INT8] if any(INT8 in one.engines for one in weights) else []),
        *([OPENVINO] if any(one.architecture for one in weights) else []),
    ]
    return [*(held if cpu_multiplies_int8() else reversed(held)), TORCH]


def import_engine(manifest: Manifest, wanted: str = AUTO) -> None:
    """Import what the likeliest engine needs, and run nothing of it.

    Processes that are forked afterwards share it.  A GPU is not looked for: a driver that
    the parent has asked serves none of its children.
    """
    runnable = engines_of(manifest)
    name = wanted if wanted in runnable else runnable[0]
    importlib.import_module(f"{__package__}.{TORCH if name == TORCH else OPENVINO}")


def load_engine(bundle: Bundle, name: str, threads: int = 1, engine: str = TORCH) -> Engine:
    """The engine for the weights ``name`` of a verified bundle.

    Weights that hold nothing for int8 run in floating point, exported programs on torch
    whatever ``engine`` says.  Raises `BundleError` naming the weights and what does not fit.
    """
    weights = bundle.manifest.weights[name]
    try:
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


def cpu_multiplies_int8() -> bool:
    """Whether this CPU has instructions for int8 (VNNI, AMX or Arm's i8mm).

    Without, int8 networks whose first layers stay in fp32 are no faster than fp32.
    """
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return not words.isdisjoint({"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"})


def openvino_is_installed() -> bool:
    """Whether OpenVINO can be imported, without importing it."""
    return importlib.util.find_spec("openvino") is not None


def torch_is_for_cuda() -> bool:
    """Whether the installed torch was built for CUDA, without importing it."""
    # Read from the file that its build writes: importing torch takes a second and 150 MB,
    # and its package's version is the same for CUDA and the CPU on PyPI and conda.
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
