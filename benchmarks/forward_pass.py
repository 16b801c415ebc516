"""The bare forward pass of an engine without anything around it: the upper limit of speed.

``python -m benchmarks.forward_pass REQUEST`` runs in a worker's environment.  It loads the same
parts as a worker process, records the networks' inputs for each photo, reports that it is ready,
waits for a line on standard input, and then repeats only the forward passes for the given time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.worker_process import open_pipeline
from damage_tasks.devstack import clean_environment

READY = "ready"


class Recorder:
    """Wraps an engine and records its calls."""

    def __init__(self, engine: Any, notes: list[list[tuple[Any, Any, bool]]]) -> None:
        self.engine = engine
        self._notes = notes

    def encode(self, photo: Any) -> Any:
        """Record one more input."""
        self._notes[-1].append((self.engine, photo, False))
        return self.engine.encode(photo)

    def decode(self, state: Any) -> Any:
        """Record that masks were requested."""
        notes = self._notes[-1]
        place = max(n for n, (engine, _, _) in enumerate(notes) if engine is self.engine)
        notes[place] = (self.engine, notes[place][1], True)
        return self.engine.decode(state)


def replay(photos: Sequence[Path], seconds: float, *, fp32: bool = False) -> dict[str, float]:
    """CPU milliseconds and wall seconds per photo of the forward passes, and of encoding alone.

    Photos without damage run their gates only, as in production. With ``fp32``, OpenVINO
    computes in fp32 where it would choose bf16.
    """
    import cv2
    import numpy as np

    from damage_tasks.vision import segmenter
    from damage_tasks.vision.measurement import conclude
    from model_store.engines import openvino

    if fp32:
        vars(openvino)["multiplies_bf16_fast"] = lambda: False
    notes: list[list[tuple[Any, Any, bool]]] = []
    load_engine = vars(segmenter)["load_engine"]
    vars(segmenter)["load_engine"] = lambda *a, **k: Recorder(load_engine(*a, **k), notes)
    notes.append([])  # for the golden photos
    pipeline = open_pipeline()
    files = [path.read_bytes() for path in photos]
    notes.clear()
    for data in files:
        notes.append([])
        networks = pipeline.segmenter
        photo = pipeline.photos.decode(data, max(networks.side, pipeline.overlay_side))
        found = networks.segment(photo.pixels)
        conclude(found, (photo.width, photo.height), networks.decision, networks.types)
    sys.stdout.write(READY + "\n")
    sys.stdout.flush()
    sys.stdin.readline()
    done = 0
    wall, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds or done % len(notes):
        for engine, photo, with_masks in notes[done % len(notes)]:
            state, _ = engine.encode(photo)
            if with_masks:
                engine.decode(state)
        done += 1
    spent, elapsed = time.process_time() - cpu, time.perf_counter() - wall
    cpu = time.process_time()
    for data in files:
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    entropy = time.process_time() - cpu
    return {
        "photos": done,
        "seconds": elapsed,
        "cpu_ms": spent * 1000 / done,
        "jpeg_ms": entropy * 1000 / len(files),
    }


def bare(
    environment: Mapping[str, str],
    photos: Sequence[Path],
    processes: int,
    seconds: float,
    *,
    fp32: bool = False,
) -> dict[str, float]:
    """`replay` in ``processes`` pinned processes in parallel; photos per second in total."""
    request = json.dumps(
        {"photos": [str(path) for path in photos], "seconds": seconds, "fp32": fp32}
    )
    cores = psutil.Process().cpu_affinity() or [0]
    children = []
    for number in range(processes):
        child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.forward_pass", request],
            env={**clean_environment(), **environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        psutil.Process(child.pid).cpu_affinity([cores[number % len(cores)]])
        children.append(child)
    for child in children:
        _read_until_ready(child)
    answers = []
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        out, _ = child.communicate(timeout=300)
        answers.append(json.loads(out.splitlines()[-1]))
    return {
        "photos_per_second": sum(a["photos"] / a["seconds"] for a in answers),
        "cpu_ms": sum(a["cpu_ms"] for a in answers) / len(answers),
        "jpeg_ms": sum(a["jpeg_ms"] for a in answers) / len(answers),
    }


def _read_until_ready(child: subprocess.Popen[str]) -> None:
    assert child.stdout
    for line in child.stdout:
        if line.strip() == READY:
            return
    raise RuntimeError(f"the bare forward pass ended with status {child.wait()}")


if __name__ == "__main__":
    _request = json.loads(sys.argv[1])
    _answer = replay(
        [Path(path) for path in _request["photos"]], _request["seconds"], fp32=_request["fp32"]
    )
    sys.stdout.write(json.dumps(_answer) + "\n")
