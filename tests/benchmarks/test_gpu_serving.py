"""The benchmark of GPUs measures every kind of point, here on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu_measurements import CPU, Request, examinations, run_in_processes
from damage_tasks.errors import NotAPhoto

pytestmark = pytest.mark.slow


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu_serving", *options],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_it_measures_networks_decoding_and_examinations(tmp_path: Path) -> None:
    out = tmp_path / "results" / "gpu.json"
    ended = run("--device", "cpu", "--quick", "--out", str(out))
    assert ended.returncode == 0, ended.stderr
    found = json.loads(out.read_text())
    assert found["golden"] == "passed"
    assert found["gpu"] is None
    points = found["points"]
    kinds = {(point["what"], point["processes"], point["size"]) for point in points}
    assert kinds >= {
        ("networks", 1, 2),
        ("decoding", 1, 1),
        ("examination", 1, 2),
        ("examination", 2, 2),
    }
    for point in points:
        assert point["photos_per_second"] > 0
        assert 0 < point["p50_ms"] <= point["p95_ms"]
        assert f"{point['photos_per_second']:.1f}" in ended.stdout


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    ended = run("--out", str(out))
    assert ended.returncode == 1
    assert ended.stderr.startswith("no CUDA: ")
    assert len(ended.stderr.splitlines()) == 1
    assert not out.exists()


def test_a_process_that_fails_ends_the_others(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a photo")
    with pytest.raises(NotAPhoto):
        run_in_processes(examinations, 2, Request(CPU, [broken], 0.1), 1)
