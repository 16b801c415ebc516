"""What a worker process holds, without Celery around it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOK = """
from damage_tasks.worker.lifecycle import get_pipeline

get_pipeline()
import cv2
import torch

print(cv2.getNumThreads(), torch.get_num_threads())
"""


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
        [sys.executable, "-c", LOOK],
        env={**os.environ, **settings}, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert answer.stdout.split() == [threads, threads]
