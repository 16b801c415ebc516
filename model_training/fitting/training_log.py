"""Reports a training run's progress: a log, TensorBoard scalars, and lines with the time left."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

LOG = "log.jsonl"
SCALARS = "tensorboard"
SMOOTHING = 0.98


class TrainingLog:
    """The log of a training run in the folder ``run``, from ``step`` on.

    ``say`` prints a line.  Scalars that an earlier run wrote after ``step``, before it
    was cut off, are replaced.
    """

    def __init__(
        self, run: Path, step: int, steps: int, batch: int, say: Callable[[str], None]
    ) -> None:
        self._run, self._first, self._steps, self._batch = run, step, steps, batch
        self._say = say
        self._began = time.monotonic()
        self._running: dict[str, float] = {}
        self._scalars = SummaryWriter(run / SCALARS, purge_step=step + 1)

    @property
    def loss(self) -> float:
        """The loss, averaged over the last steps."""
        return self._running["loss"]

    def follow(self, parts: Mapping[str, float]) -> None:
        """Add the losses of one step."""
        for name, part in parts.items():
            old = self._running.get(name, part)
            self._running[name] = SMOOTHING * old + (1 - SMOOTHING) * part

    def write_losses(self, step: int, learning_rate: float) -> None:
        """Log the running losses, and print the remaining time."""
        speed = (step - self._first) / max(time.monotonic() - self._began, 1e-6)
        left = timedelta(seconds=round((self._steps - step) / speed))
        views = round(speed * self._batch, 1)
        losses = {name: round(value, 4) for name, value in self._running.items()}
        self._log(
            {
                "step": step,
                "views_per_s": views,
                "seconds_left": round(left.total_seconds()),
                **losses,
            }
        )
        for name, value in self._running.items():
            self._scalars.add_scalar(f"train/{name}", value, step)
        self._scalars.add_scalar("train/learning_rate", learning_rate, step)
        self._scalars.add_scalar("train/views_per_s", views, step)
        others = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self._say(f"step {step} of {self._steps}: {others}; {views} views/s, {left} left")

    def write_figures(self, step: int, figures: Mapping[str, Any]) -> None:
        """Log figures on the validation photos."""
        self._log({"step": step, **figures})
        for name, value in _flat(figures):
            self._scalars.add_scalar(f"val/{name}", value, step)

    def close(self) -> None:
        """Write what has not been written yet."""
        self._scalars.close()

    def _log(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps({"time": round(time.time()), **entry})
        with (self._run / LOG).open("a", encoding="utf-8") as log:
            log.write(line + os.linesep)
        self._scalars.flush()


def _flat(figures: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """All numbers in ``figures``; those in a list by their index."""
    for name, value in figures.items():
        if isinstance(value, (int, float)):
            yield name, float(value)
        elif isinstance(value, (list, tuple)):
            yield from _flat({f"{name}/{place}": v for place, v in enumerate(value)})
