from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model_training.fitting.training_log import LOG, SCALARS, TrainingLog


def write(run: Path, first: int, last: int, loss: float, said: list[str]) -> None:
    log = TrainingLog(run, first, 10, 4, said.append)
    for step in range(first + 1, last + 1):
        log.follow({"loss": loss, "dice": loss / 2})
        log.write_losses(step, 0.001)
    log.write_figures(last, {"auc": 0.75, "alarms": [0.5, 0.25]})
    log.close()


def scalars(run: Path, name: str) -> list[tuple[int, float]]:
    found = EventAccumulator(str(run / SCALARS))
    found.Reload()
    return [(event.step, event.value) for event in found.Scalars(name)]


def test_losses_and_figures_are_tensorboard_scalars(tmp_path: Path) -> None:
    write(tmp_path, 0, 2, 3.0, [])
    assert scalars(tmp_path, "train/loss") == [(1, 3.0), (2, 3.0)]
    assert scalars(tmp_path, "train/dice") == [(1, 1.5), (2, 1.5)]
    assert scalars(tmp_path, "val/auc") == [(2, 0.75)]
    assert scalars(tmp_path, "val/alarms/1") == [(2, 0.25)]


def test_scalars_after_the_last_checkpoint_are_replaced_on_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 0, 4, 3.0, [])
    # TensorBoard orders files by their names, which begin with the time in whole seconds.
    resumed = time.time() + 1
    monkeypatch.setattr(time, "time", lambda: resumed)
    write(tmp_path, 2, 3, 1.0, [])
    assert scalars(tmp_path, "train/loss") == [(1, 3.0), (2, 3.0), (3, 1.0)]


def test_a_line_says_the_loss_and_the_time_left(tmp_path: Path) -> None:
    said: list[str] = []
    write(tmp_path, 0, 2, 3.0, said)
    assert said[0].startswith("step 1 of 10: loss 3.000, dice 1.500; ")
    assert re.search(r" views/s, 0:00:\d\d left$", said[0])
    entries = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert 0 <= entries[0]["seconds_left"] < 60
    assert entries[-1]["alarms"] == [0.5, 0.25]
