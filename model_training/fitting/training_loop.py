"""The training loop: resumable from every checkpoint, exportable at any time.

The state before the learning rate's decay is kept, so a training can be extended
without knowing its length in advance.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from rich.progress import Progress, TextColumn
from torch.multiprocessing.spawn import start_processes

from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet
from model_training.data.labelled_photos import LabelledPhoto
from model_training.data.photo_pool import Pool
from model_training.fitting.denormals import flushed_denormals
from model_training.fitting.sampling import Samples
from model_training.fitting.trainer import Trainer, TrainingSettings

LATEST = "latest.safetensors"
STABLE = "stable.safetensors"
LOG = "log.jsonl"

# Called with the step and the averaged network; its result goes to the log.
Monitor = Callable[[int, EfficientNetLiteUNet], dict[str, Any]]


def train(
    photos: Sequence[LabelledPhoto],
    run: Path,
    settings: TrainingSettings,
    vehicles: dict[str, NDArray[np.uint8]] | None = None,
    monitor: Monitor | None = None,
    start_from: Path | None = None,
) -> Path:
    """Train on ``photos`` until ``settings.steps``; returns the path of the last checkpoint.

    Continues an existing training in ``run``.  ``vehicles``: 0/1 masks (H x W uint8) of clean
    photos by id.  ``start_from``: a checkpoint to start with if ``run`` has
    none.  Writes `LATEST`, `STABLE` (the state before the learning rate's decay)
    and `LOG` to ``run``.

    Runs ``settings.processes`` single-threaded processes, which share each
    batch: on a busy machine, threads that synchronise after every
    layer would spend most of their time waiting for each other.
    """
    # Thread pools would not survive the fork.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    run.mkdir(parents=True, exist_ok=True)
    pool = Pool.read(photos, vehicles)
    job = _Job(pool, run, settings, monitor, start_from)
    if settings.processes < 2:
        _train(0, job)
    else:
        meeting = run / ".meeting"
        meeting.unlink(missing_ok=True)
        start_processes(_train, (job,), nprocs=settings.processes, start_method="fork")
        meeting.unlink(missing_ok=True)
    return run / LATEST


@dataclass(frozen=True, slots=True)
class _Job:
    pool: Pool
    run: Path
    settings: TrainingSettings
    monitor: Monitor | None
    start_from: Path | None


@flushed_denormals()
def _train(rank: int, job: _Job) -> None:
    settings, run = job.settings, job.run
    # SIGINT announces the parent's death, but background jobs ignore it by default.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    keep_memory()
    cv2.setNumThreads(1)
    if settings.processes > 1:
        where = f"file://{(run / '.meeting').absolute()}"
        dist.init_process_group("gloo", where, rank=rank, world_size=settings.processes)
    trainer = Trainer(job.pool, settings, rank)
    latest = run / LATEST
    start = latest if latest.exists() else job.start_from
    if start is not None:
        trainer.load(start)
    share = settings.batch // settings.processes
    samples = Samples(job.pool, share, settings.seed, settings.mix, settings.views)
    running: dict[str, float] = {}
    began, first = time.monotonic(), trainer.step
    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[loss]}"))
    hidden = rank > 0 or not sys.stderr.isatty()
    with Progress(*columns, disable=hidden) as progress:
        task = progress.add_task("training", total=settings.steps, completed=trainer.step, loss="")
        while trainer.step < settings.steps:
            parts = trainer.train_step(samples.at(trainer.step * settings.processes + rank))
            if rank > 0:
                continue
            running = {k: 0.98 * running.get(k, v) + 0.02 * v for k, v in parts.items()}
            progress.update(task, completed=trainer.step, loss=f"loss {running['loss']:.3f}")
            _keep(trainer, job, running, (trainer.step - first) / (time.monotonic() - began))
    if settings.processes > 1:
        dist.destroy_process_group()


def _keep(trainer: Trainer, job: _Job, running: dict[str, float], speed: float) -> None:
    """Write checkpoints and the log at the steps that require it."""
    settings, run, step = job.settings, job.run, trainer.step
    last = step == settings.steps
    if step % 50 == 0:
        _log(
            run,
            {"step": step, "views_per_s": round(speed * settings.batch, 1), **_rounded(running)},
        )
    if step == settings.steps - settings.decay_steps:
        trainer.save(run / STABLE)
    if step % settings.checkpoint_every == 0 or last:
        trainer.save(run / LATEST)
    if job.monitor and (step % settings.monitor_every == 0 or last):
        _log(run, {"step": step, **job.monitor(step, trainer.averaged())})


def keep_memory() -> None:
    """Let glibc keep freed memory, which makes training on CPU one and a half times as fast."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        trim_threshold, top_pad, mmap_max = -1, -2, -4
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(top_pad, 1 << 28)


def _log(run: Path, entry: dict[str, Any]) -> None:
    line = json.dumps({"time": round(time.time()), **entry})
    with (run / LOG).open("a", encoding="utf-8") as log:
        log.write(line + os.linesep)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
