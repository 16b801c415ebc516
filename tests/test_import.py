"""Callers only need Celery."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True)


def test_importing_the_package_loads_nothing_heavy() -> None:
    run(
        "import damage_tasks, sys;"
        "heavy = {'torch', 'cv2', 'sqlalchemy', 'albumentations', 'numpy', 'PIL', 'pydantic'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )


def test_sending_a_photo_loads_nothing_heavy() -> None:
    run(
        "import os, sys;"
        "os.environ['DAMAGE_QUEUE_URL'] = 'http://127.0.0.1:9/000000000000/damage';"
        "from damage_tasks import detect_damage;"
        "detect_damage.s('https://x/y.jpg').freeze(); detect_damage.app.conf.broker_url;"
        "heavy = {'torch', 'cv2', 'sqlalchemy', 'albumentations', 'numpy', 'PIL', 'opentelemetry'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )


def test_the_parent_imports_for_its_children_and_runs_nothing(
    aws: Any, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Threads would not survive the fork, nor would a driver that was queried for GPUs.
    monkeypatch.setenv("DAMAGE_QUEUE_URL", aws.create_queues("import-test"))
    monkeypatch.setenv("DAMAGE_BUCKET", "any")
    monkeypatch.setenv("DAMAGE_DATABASE_URL", database_url)
    monkeypatch.setenv("DAMAGE_HEARTBEAT_FILE", str(tmp_path / "heartbeat"))
    monkeypatch.setenv("DAMAGE_THREADS", "2")
    prepare = (
        "import os, sys; from damage_tasks.worker.runtime import WorkerRuntime;"
        "from damage_tasks.worker.worker_startup import WorkerStartup;"
        "assert 'numpy' not in sys.modules;"
        "pool = type('pool', (), {'pool_cls': 'celery.concurrency.prefork:TaskPool'});"
        "runtime = WorkerRuntime(); WorkerStartup(runtime).prepare(sender=pool);"
        "assert len(os.listdir('/proc/self/task')) == 1;"
        "assert 'libcuda' not in open('/proc/self/maps').read();"
    )
    run(
        f"{prepare}"
        "needed = {'numpy', 'cv2', 'openvino', 'sqlalchemy', 'PIL', 'pycurl'};"
        "assert runtime.bundle and needed <= set(sys.modules), needed - set(sys.modules);"
        # Needed neither with OpenVINO nor by callers, only in training.
        "assert not {'torch', 'albumentations', 'opentelemetry'} & set(sys.modules)"
    )
    # Children skip an engine that is broken here.
    broken = "import sys; sys.modules['model_store.engines.openvino'] = None;"
    run(f"{broken} {prepare} assert runtime.bundle")
    monkeypatch.setenv("DAMAGE_ENGINE", "torch")
    run(f"{prepare} assert 'torch' in sys.modules and 'openvino' not in sys.modules")


def test_the_command_line_of_a_light_installation_starts() -> None:
    run(
        "import damage_tasks.__main__, sys;"
        "heavy = {'torch', 'cv2', 'sqlalchemy', 'albumentations', 'numpy', 'PIL', 'alembic'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )


def test_a_command_whose_libraries_are_missing_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['cv2'] = None; sys.argv = ['x', 'detect', '/dev/null'];"
        "from damage_tasks.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "extra_missing: needs cv2: pip install 'damage-tasks[worker]'"
    )


def test_reading_a_manifest_loads_neither_celery_nor_the_application() -> None:
    run(
        "import sys, model_store.manifest;"
        "others = {'celery', 'kombu', 'boto3', 'damage_tasks', 'numpy', 'torch', 'openvino'};"
        "assert not others & set(sys.modules), others & set(sys.modules)"
    )


def test_importing_bundles_changes_nothing_in_the_process() -> None:
    run("import sys, model_store.manifest; assert 'openvino_telemetry' not in sys.modules")
