"""How many processes a worker starts."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from damage_tasks.settings import Settings
from damage_tasks.worker import process_count as chosen
from damage_tasks.worker.memory_limit import limit_mebibytes, usable_mebibytes
from damage_tasks.worker.process_count import (
    fitting_processes,
    process_count,
    usable_cores,
)


def container(folder: Path, **files: str) -> Path:
    """A root folder with files of a control group; ``__`` in a name separates folders."""
    for name, text in files.items():
        path = folder / "sys/fs/cgroup" / name.replace("__", "/").replace("-", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("cores", "mebibytes", "processes"),
    [
        (1, 8192, 5),  # five for each core
        (1, 2386, 3),  # exactly three fit: 400 + 3 x 662
        (1, 2385, 2),
        (8, 2386, 3),  # memory is the limit
        (1, 300, 1),  # one always starts
    ],
)
def test_five_processes_for_each_core_start_if_they_fit(
    cores: int, mebibytes: int, processes: int
) -> None:
    assert fitting_processes(cores, mebibytes, each=662) == processes


@pytest.mark.parametrize(
    ("text", "cores"), [("50000 100000", 1), ("150000 100000", 2), ("max 100000", 64)]
)
def test_a_cpu_limit_of_the_container_counts(
    text: str, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    assert usable_cores(container(tmp_path, **{"cpu-max": text})) == cores


@pytest.mark.parametrize(("quota", "cores"), [("150000", 2), ("-1", 64)])
def test_a_cpu_limit_of_an_older_control_group_counts(
    quota: str, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    files = {"cpu__cpu-cfs_quota_us": quota, "cpu__cpu-cfs_period_us": "100000"}
    assert usable_cores(container(tmp_path, **files)) == cores


@pytest.mark.parametrize("name", ["memory-max", "memory__memory-limit_in_bytes"])
def test_a_memory_limit_of_the_container_counts(name: str, tmp_path: Path) -> None:
    root = container(tmp_path, **{name: str(700 * 2**20)})
    assert usable_mebibytes(root) == 700


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096)])
def test_without_a_memory_limit_available_memory_counts(limit: str, tmp_path: Path) -> None:
    root = container(tmp_path, **{"memory-max": limit})
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    1048576 kB\n")
    assert usable_mebibytes(root) == 1024


def test_the_number_and_its_reason_are_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chosen, "usable_mebibytes", lambda: 2400)
    with caplog.at_level(logging.INFO):
        assert process_count(Settings(concurrency="auto", cores=1)) == 3
    assert "starting 3 processes (cores: 1, memory: 2400 MiB" in caplog.text


def test_a_larger_photo_needs_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen, "usable_mebibytes", lambda: 2400)
    assert process_count(Settings(cores=4, max_photo_megabytes=850)) == 2


def test_a_pointer_reserves_memory_for_a_second_bundle_in_each_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chosen, "usable_mebibytes", lambda: 400 + 5 * 662)
    assert process_count(Settings(cores=1, bundle="s3://models/damage/1.0.0")) == 5
    assert process_count(Settings(cores=1, bundle="s3://models/damage/CURRENT")) == 4


def test_the_memory_limit_is_that_of_the_container_or_the_machine(tmp_path: Path) -> None:
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    limited = container(tmp_path / "limited", **{"memory-max": str(700 * 2**20)})
    assert limit_mebibytes(limited) == 700
    unlimited = container(tmp_path / "unlimited", **{"memory-max": "max"})
    (unlimited / "proc").mkdir()
    (unlimited / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    1048576 kB\n")
    assert limit_mebibytes(unlimited) == machine


def test_a_gpu_gets_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen, "torch_is_for_cuda", lambda: True)
    monkeypatch.setattr(chosen, "finds_gpu", lambda: True)
    assert process_count(Settings(cores=8)) == 1


@pytest.mark.slow
def test_the_search_for_a_gpu_does_not_open_the_driver_in_the_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(chosen, "torch_is_for_cuda", lambda: True)
    monkeypatch.setattr("ctypes.CDLL", opened.append)
    assert process_count(Settings(cores=1)) >= 1
    assert opened == []


def test_a_number_is_taken_as_it_is() -> None:
    assert process_count(Settings(concurrency=5)) == 5


CHOOSE = """
from celery import signals
from damage_tasks import app

class Worker:
    hostname, concurrency, pool_cls, quiet = "host", 1, "solo", False
    def __init__(self):
        self.app = app

signals.celeryd_init.send(sender="host", instance=Worker(), options={options})
print(app.conf.worker_concurrency)
"""


@pytest.mark.parametrize(("options", "number"), [({}, "1"), ({"concurrency": 2}, "None")])
def test_a_number_on_the_command_line_is_not_replaced(
    options: dict[str, int], number: str, tmp_path: Path
) -> None:
    settings = {
        "DAMAGE_QUEUE_URL": "http://127.0.0.1:9/000000000000/damage",
        "DAMAGE_MAX_PHOTO_MEGABYTES": "1000000",  # room for one process only
    }
    done = subprocess.run(
        [sys.executable, "-c", CHOOSE.format(options=options)],
        cwd=tmp_path, env={**os.environ, **settings},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [number]
