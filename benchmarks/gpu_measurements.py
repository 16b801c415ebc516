"""What `benchmarks.gpu_serving` measures; each function runs in processes of its own.

They load the default bundle's networks as a worker with ``--pool=threads`` does: one engine in
each process, which processes the photos that wait for it as one batch. On the CPU it is the same
engine in fp32, so that the benchmark itself can be checked without a GPU.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from damage_tasks.photos import decode
from damage_tasks.vision.measurement import conclude
from damage_tasks.vision.network_inputs_and_masks import network_input
from damage_tasks.vision.segmenter import Segmenter
from damage_tasks.vision.self_test import check_golden
from model_store.bundle import open_bundle
from model_store.engines import REFERENCE, TORCH
from model_store.engines.micro_batching import BatchingEngine
from model_store.errors import BundleError
from model_store.fetch import DEFAULT_BUNDLE_FOLDER

CUDA, CPU = "cuda", "cpu"
START_SECONDS = 300.0  # until every process has loaded its networks
WARM_UP_ROUNDS = 3

# In each process of a pool: lets all of them begin to measure at the same time.
_together: Any = None


@dataclass(frozen=True, slots=True)
class Request:
    """Measure on ``device`` with these photos for ``seconds``."""

    device: str
    photos: Sequence[Path]
    seconds: float


def forward_passes(request: Request, batch: int) -> dict[str, float]:
    """The bare networks with ``batch`` photos at once, masks included, without decoding.

    Latency is that of a batch, from the inputs in memory to the masks in memory.
    """
    import torch

    from model_store.engines.torch import TorchEngine, load_network

    torch.set_num_threads(1)
    bundle = open_bundle(DEFAULT_BUNDLE_FOLDER)
    dtype = torch.float16 if request.device == CUDA else torch.float32
    pixels = decode(request.photos[0].read_bytes(), side=1024).pixels
    calls = []
    for weights in bundle.manifest.weights.values():
        engine = TorchEngine(load_network(bundle, weights), dtype, request.device)
        calls.append((engine, [network_input(pixels, weights.input)] * batch))

    def compute() -> None:
        for engine, inputs in calls:
            engine.decode_batch([state for state, _ in engine.encode_batch(inputs)])

    times = _repeat(compute, request.seconds)
    found = _rate(times, batch * len(times) / sum(times))
    if request.device == CUDA:
        found["gpu_megabytes"] = torch.cuda.max_memory_reserved() / 1e6
    return found


def decoding(request: Request, threads: int) -> dict[str, float]:
    """Photos a second that one process decodes for the networks in ``threads`` threads."""
    side = _segmenter(CPU).side
    cv2.setNumThreads(1)
    return _in_threads(lambda data: decode(data, side=side), request, threads)


def examinations(request: Request, threads: int) -> dict[str, float]:
    """Photos a second that one process decodes and examines in ``threads`` threads.

    Latency is that of a photo: decoding, waiting for the device, networks, masks and damages.
    """
    segmenter = _segmenter(request.device)

    def examine(data: bytes) -> None:
        photo = decode(data, side=segmenter.side)
        found = segmenter.segment(photo.pixels)
        conclude(found, (photo.width, photo.height), segmenter.decision, segmenter.types)

    return _in_threads(examine, request, threads)


def golden_photos(request: Request) -> str:
    """``passed``, or why a worker would not use the device for the default bundle."""
    try:
        check_golden(_segmenter(request.device))
    except BundleError as error:
        return str(error)
    return "passed"


def gpu_facts() -> dict[str, Any]:
    """Name, memory and software of the GPU that torch uses."""
    import torch

    known = torch.cuda.get_device_properties(0)
    return {
        "name": known.name,
        "memory_gb": round(known.total_memory / 1e9),
        "gpus": torch.cuda.device_count(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def run_in_processes(function: Callable[..., Any], processes: int, *args: Any) -> list[Any]:
    """The result of ``function`` in each of ``processes`` new processes, which end afterwards.

    Raises what one of them raises, and `BrokenProcessPool` if one is killed.
    """
    # Not forked: a process that has inherited a CUDA driver cannot use it.
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _join, (context.Barrier(processes),)) as pool:
        running = [pool.submit(_run, function, *args) for _ in range(processes)]
        # The others only say that one of them did not come.
        for error in (each.exception() for each in running):
            if error and not isinstance(error, threading.BrokenBarrierError):
                raise error
        return [each.result() for each in running]


def together(rates: Sequence[dict[str, float]]) -> dict[str, float]:
    """The rates of processes that ran at the same time: their sum, and the worst latencies."""
    return {
        name: sum(rate[name] for rate in rates)
        if name == "photos_per_second"
        else max(rate[name] for rate in rates)
        for name in rates[0]
    }


def _join(barrier: Any) -> None:
    globals()["_together"] = barrier


def _run(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except Exception:
        _together.abort()
        raise


def _wait_for_the_others() -> None:
    _together.wait(START_SECONDS)


def _segmenter(device: str) -> Segmenter:
    bundle = open_bundle(DEFAULT_BUNDLE_FOLDER)
    if device == CUDA:
        return Segmenter(bundle, 1, TORCH)
    segmenter = Segmenter(bundle, 1, REFERENCE)
    engines: dict[str, Any] = segmenter.engines
    for name, engine in engines.items():
        engines[name] = BatchingEngine(engine)
    return segmenter


def _repeat(compute: Callable[[], None], seconds: float) -> list[float]:
    for _ in range(WARM_UP_ROUNDS):
        compute()
    _wait_for_the_others()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        compute()
        times.append(time.perf_counter() - start)
    return times


def _in_threads(
    work: Callable[[bytes], object], request: Request, threads: int
) -> dict[str, float]:
    files = itertools.cycle([path.read_bytes() for path in request.photos])
    lock = threading.Lock()

    def run(seconds: float) -> list[float]:
        times: list[float] = []
        end = time.perf_counter() + seconds
        while not times or time.perf_counter() < end:
            with lock:
                data = next(files)
            began = time.perf_counter()
            work(data)
            times.append(time.perf_counter() - began)
        return times

    with ThreadPoolExecutor(threads) as pool:

        def run_all(seconds: float) -> list[float]:
            running = [pool.submit(run, seconds) for _ in range(threads)]
            return [second for each in running for second in each.result()]

        run_all(min(1.0, request.seconds))  # batches of every size, for the first time
        _wait_for_the_others()
        began = time.perf_counter()
        times = run_all(request.seconds)
        return _rate(times, len(times) / (time.perf_counter() - began))


def _rate(times: Sequence[float], per_second: float) -> dict[str, float]:
    median, slow = np.percentile(times, (50, 95)) * 1000
    return {"photos_per_second": per_second, "p50_ms": float(median), "p95_ms": float(slow)}
