"""The parts of a worker process, without Celery."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.devstack.loopback_ports import free_port
from tools.small_bundles import write_bundle

PROGRAM = """
from damage_tasks.worker.runtime import WorkerRuntime

WorkerRuntime().get_pipeline()
import cv2
import torch

print(cv2.getNumThreads(), torch.get_num_threads())
"""


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
def test_opencv_and_torch_compute_with_as_many_threads_as_the_setting_says(
    threads: str, tmp_path: Path
) -> None:
    settings = {
        "DAMAGE_THREADS": threads,
        "DAMAGE_ENGINE": "torch",
        "DAMAGE_BUCKET": "pictures",
        "DAMAGE_DATABASE_URL": f"sqlite:///{tmp_path / 'damage.db'}",
        "DAMAGE_BUNDLE_CACHE": str(tmp_path),
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **settings}, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert answer.stdout.split() == [threads, threads]


START = """
from damage_tasks.worker.runtime import WorkerRuntime
from damage_tasks.worker.worker_startup import WorkerStartup

pool = type("pool", (), {"pool_cls": "celery.concurrency.prefork:TaskPool"})
runtime = WorkerRuntime()
WorkerStartup(runtime).prepare(sender=pool)
print("started")
"""

LOAD_AFTER_FORK = """
from pathlib import Path

from model_store.engines import load_engine

bundle = runtime.bundle
(weights,) = bundle.manifest.weights
(bundle.folder / bundle.manifest.weights[weights].file).unlink()
load_engine(bundle, weights, engine="openvino")
print("loaded")
"""


def start(
    aws: Any, database_url: str, folder: Path, program: str = START, **more: str
) -> subprocess.CompletedProcess[str]:
    settings = {
        **more,
        "DAMAGE_QUEUE_URL": aws.create_queues(f"start-{uuid.uuid4().hex[:8]}"),
        "DAMAGE_BUCKET": "pictures",
        "DAMAGE_DATABASE_URL": database_url,
        "DAMAGE_HEARTBEAT_FILE": str(folder / "heartbeat"),
    }
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **settings}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_worker_does_not_start_with_a_database_that_refuses_it(
    aws: Any, postgres_server: str, tmp_path: Path
) -> None:
    missing = sa.make_url(postgres_server).set(database="nowhere")
    run = start(aws, missing.render_as_string(hide_password=False), tmp_path)
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert "worker does not start: database_error: " in line
    assert 'database \\"nowhere\\" does not exist' in line


def test_a_worker_does_not_start_without_tables(
    aws: Any, postgres_url: str, tmp_path: Path
) -> None:
    run = start(aws, postgres_url, tmp_path)
    assert run.returncode == 1
    assert "run `damage-tasks migrate`" in run.stderr


def test_a_worker_starts_while_its_database_is_unavailable(aws: Any, tmp_path: Path) -> None:
    run = start(aws, f"postgresql://x:y@127.0.0.1:{free_port()}/damage", tmp_path)
    assert run.stdout == "started\n", run.stderr
    assert "database is unavailable" in run.stderr


@pytest.mark.slow
def test_the_parent_reads_the_weights_for_all_its_processes(aws: Any, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    bundle = write_bundle(tmp_path / "bundle")
    run = start(
        aws, f"postgresql://x:y@127.0.0.1:{free_port()}/damage", tmp_path, START + LOAD_AFTER_FORK,
        DAMAGE_BUNDLE=str(bundle), DAMAGE_ENGINE="openvino",
    )  # fmt: skip
    assert run.stdout == "started\nloaded\n", run.stderr
