"""A bundle with wrong results on its golden photos is never used."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.errors import BundleError
from damage_tasks.vision.segmenter import Segmenter
from damage_tasks.vision.self_test import check_golden
from model_store.bundle import open_bundle
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import change_manifest, write_bundle


def bundle_with(folder: Path, **changes: Any) -> Segmenter:
    """A bundle with one golden photo that is entirely a dent."""
    write_bundle(folder)
    (folder / "golden.jpg").write_bytes(jpeg(128, 96))
    golden = {
        "photo": "golden.jpg",
        "sha256": hashlib.sha256(jpeg(128, 96)).hexdigest(),
        "verdict": "damaged",
        "damage_score": 0.5,
        "score_tolerance": 0.5,
        "areas": {"dent": 0.5, "scratch": 0.5},
        "area_tolerance": 0.5,
        **changes,
    }
    change_manifest(folder, golden=[golden])
    return Segmenter(open_bundle(folder))


def test_a_bundle_with_the_expected_results_passes(tmp_path: Path) -> None:
    assert check_golden(bundle_with(tmp_path)) == 1


def test_a_bundle_without_golden_photos_passes(tmp_path: Path) -> None:
    assert check_golden(Segmenter(open_bundle(write_bundle(tmp_path)))) == 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"verdict": "clean"}, "golden photo golden.jpg: is damaged instead of clean"),
        ({"damage_score": 1.0, "score_tolerance": 0.0}, "has damage score .* instead of 1.000"),
        ({"areas": {}, "area_tolerance": 0.0}, "shows (scratch|dent) on .* instead of 0.0%"),
        ({"scores": {"damage": 0.0}, "score_tolerance": 1e-9, "damage_score": 0.0}, "score"),
        ({"scores": {"none": 0.5}}, "has none score None"),
        ({"sha256": "0" * 64}, "sha256 differs from the manifest"),
        ({"photo": "other.jpg"}, "golden photo other.jpg: No such file"),
    ],
)
def test_any_difference_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BundleError, match=complaint):
        check_golden(bundle_with(tmp_path, **change))


def test_a_worker_process_refuses_to_serve_on_a_mismatch(
    aws: Any, migrated_sqlite_url: str, tmp_path: Path
) -> None:
    bundle_with(tmp_path / "bundle", verdict="clean")
    environment = {
        **os.environ,
        "DAMAGE_QUEUE_URL": aws.create_queues("golden-test"),
        "DAMAGE_BUCKET": "any",
        "DAMAGE_DATABASE_URL": migrated_sqlite_url,
        "DAMAGE_BUNDLE": str(tmp_path / "bundle"),
        "DAMAGE_HEARTBEAT_FILE": str(tmp_path / "heartbeat"),
        "DAMAGE_CONCURRENCY": "1",
    }
    worker = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "damage_tasks", "worker"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert worker.returncode != 0
    assert "golden photo golden.jpg: is damaged instead of clean" in worker.stderr
    assert "worker is ready" not in worker.stderr
