"""The training loop: resumable from every checkpoint, exportable at any time.

The state before the learning rate's decay is kept, so a training run can be extended
without knowing its length in advance.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, TextColumn
from torch.multiprocessing.spawn import start_processes

from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet
from model_training.data.labelled_photos import LabelledPhoto
from model_training.data.photo_pool import PhotoPool
from model_training.data.targets import Batch
from model_training.fitting.denormals import flushed_denormals
from model_training.fitting.forking import prepare_to_fork
from model_training.fitting.loader import batches
from model_training.fitting.sampling import Samples
from model_training.fitting.trainer import Trainer
from model_training.fitting.training_log import TrainingLog
from model_training.fitting.training_settings import TrainingSettings, learning_rate

LATEST_FILE = "latest.safetensors"
STABLE_FILE = "stable.safetensors"
LOG_INTERVAL_STEPS = 50

# Called with the step and the averaged network; its result goes to the log.
Monitor = Callable[[int, EfficientNetLiteUNet], dict[str, Any]]


def train(
    photos: Sequence[LabelledPhoto],
    run: Path,
    settings: TrainingSettings,
    vehicles: dict[str, NDArray[np.uint8]] | None = None,
    monitor: Monitor | None = None,
    start_from: Path | None = None,
    lineage: dict[str, Any] | None = None,
) -> Path:
    """Train on ``photos`` until ``settings.steps``; returns the path of the last checkpoint.

    Continues an existing training in ``run``.  ``vehicles``: 0/1 masks (H x W uint8) of clean
    photos by id.  ``start_from``: a checkpoint to start with if ``run`` has
    none.  ``lineage`` goes into the checkpoints' metadata.
    Writes `LATEST_FILE`, `STABLE_FILE` (the state before the learning rate's decay)
    and what `TrainingLog` does to ``run``.

    Runs ``settings.processes`` single-threaded processes, which share each
    batch: on a busy machine, threads that synchronise after every
    layer would spend most of their time waiting for each other.
    """
    prepare_to_fork()
    run.mkdir(parents=True, exist_ok=True)
    pool = PhotoPool.read(photos, vehicles)
    job = _Job(pool, run, settings, monitor, start_from, lineage)
    if settings.processes < 2:
        _train(0, job)
    else:
        meeting = run / ".meeting"
        meeting.unlink(missing_ok=True)
        start_processes(_train, (job,), nprocs=settings.processes, start_method="fork")
        meeting.unlink(missing_ok=True)
    return run / LATEST_FILE


@dataclass(frozen=True, slots=True)
class _Job:
    pool: PhotoPool
    run: Path
    settings: TrainingSettings
    monitor: Monitor | None
    start_from: Path | None
    lineage: dict[str, Any] | None


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
    if job.lineage is not None:
        trainer.facts["lineage"] = job.lineage
    latest = run / LATEST_FILE
    start = latest if latest.exists() else job.start_from
    if start is not None:
        trainer.load(start)
    share = settings.batch // settings.processes
    first = trainer.step
    samples = Samples(job.pool, share, settings.seed, settings.mix, settings.views)
    numbers = range(
        first * settings.processes + rank, settings.steps * settings.processes, settings.processes
    )
    views = batches(samples, numbers, settings.loader_workers, pinned=settings.device != "cpu")
    if rank > 0:
        for batch in views:
            trainer.train_step(batch)
    elif numbers:
        _train_and_log(trainer, views, job)
    if settings.processes > 1:
        dist.destroy_process_group()


def _train_and_log(trainer: Trainer, views: Iterator[Batch], job: _Job) -> None:
    """Train on ``views``; write checkpoints and the log at the steps that require it."""
    settings, run = job.settings, job.run
    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[loss]}"))
    plain = not sys.stderr.isatty()
    with (
        Progress(*columns, console=Console(stderr=True), disable=plain) as progress,
        closing(
            TrainingLog(
                run,
                trainer.step,
                settings.steps,
                settings.batch,
                _to_stderr if plain else progress.console.log,
            )
        ) as log,
    ):
        task = progress.add_task("training", total=settings.steps, completed=trainer.step, loss="")
        for batch in views:
            log.follow(trainer.train_step(batch))
            step = trainer.step
            progress.update(task, completed=step, loss=f"loss {log.loss:.3f}")
            last = step == settings.steps
            if step % LOG_INTERVAL_STEPS == 0 or last:
                log.write_losses(step, learning_rate(step - 1, settings) * settings.learning_rate)
            if step == settings.steps - settings.decay_steps:
                trainer.save(run / STABLE_FILE)
            if step % settings.checkpoint_every == 0 or last:
                trainer.save(run / LATEST_FILE)
            if job.monitor and (step % settings.monitor_every == 0 or last):
                log.write_figures(step, job.monitor(step, trainer.averaged()))


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


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
