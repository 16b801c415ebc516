"""What an inspector corrects is learned by the next bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli as application
from damage_tasks.attempt_state import Attempt
from damage_tasks.cli.bundles import cli as bundle_store
from damage_tasks.inspection import Inspection
from damage_tasks.results.store import Inspections
from damage_tasks.review.recording import record
from damage_tasks.settings import get_settings
from damage_tasks.wiring import build_pipeline
from model_training import training_run
from model_training.__main__ import cli as training
from model_training.bundling import bundle_export, model_card_pictures, self_test_photos
from model_training.data.labelled_photos import split_by_id
from model_training.evaluation import synthetic_metrics
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import write_bundle

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 160, 120
OUTLINE = [[30, 20], [90, 20], [90, 70], [30, 70]]
WANTED = [(split, kind) for split in ("train", "val") for kind in ("damaged", "clean")]


def run(cli: Any, *words: str | Path) -> str:
    done = CliRunner().invoke(cli, [str(word) for word in words], env={"COLUMNS": "200"})
    assert done.exit_code == 0, f"{done.output}{done.exception!r}"
    return done.output


@pytest.fixture
def client(aws: Any, bucket: str, migrated_sqlite_url: str, tmp_path: Path,
           monkeypatch: pytest.MonkeyPatch) -> Any:  # fmt: skip
    """S3 of a deployment that keeps photos; training is short and draws few cars."""
    for name, value in {
        "DATABASE_URL": migrated_sqlite_url,
        "BUCKET": bucket,
        "BUNDLE": str(write_bundle(tmp_path / "first")),
        "BUNDLE_CACHE": str(tmp_path / "cache"),
        "KEEP_PHOTOS": "all",
    }.items():
        monkeypatch.setenv(f"DAMAGE_{name}", value)
    monkeypatch.setattr(training_run, "QUICK_STEPS", 3)
    monkeypatch.setattr(training_run, "QUICK_CARS", 1)
    monkeypatch.setattr(self_test_photos, "MAX_DRAWINGS_PER_PHOTO", 1)
    monkeypatch.setattr(self_test_photos, "PHOTO_SIZE_PX", (160, 120))
    monkeypatch.setattr(model_card_pictures, "EXAMPLE_SEEDS", range(60_001, 60_003))
    monkeypatch.setattr(model_card_pictures, "FAILURE_SEEDS", ())
    monkeypatch.setattr(synthetic_metrics, "CARS", 1)
    monkeypatch.setattr(bundle_export, "CARS", 1)
    return aws.client("s3")


def photos_of_both_splits() -> Iterator[tuple[bytes, str]]:
    """A photo for each of `WANTED`, in this order, and its digest."""
    seeds = count()
    for split, _ in WANTED:
        photos = (jpeg(WIDTH, HEIGHT, seed) for seed in seeds)
        digests = ((photo, hashlib.sha256(photo).hexdigest()) for photo in photos)
        yield next(found for found in digests if split_by_id(found[1]) == split)


def examined(id: str, url: str) -> Inspection:
    get_settings.cache_clear()
    return build_pipeline(get_settings()).inspect(Attempt(id, url))


def test_a_corrected_outline_trains_the_next_bundle(
    client: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = list(photos_of_both_splits())
    store = Inspections(str(get_settings().database_url))
    for (data, digest), (_, kind) in zip(photos, WANTED, strict=True):
        client.put_object(Bucket=bucket, Key=f"uploads/{digest}.jpg", Body=data)
        found = examined(digest[:8], f"s3://{bucket}/uploads/{digest}.jpg")
        assert found.finding
        assert len(found.finding.damages) == 2
        if kind == "clean":
            record(store, found.id, "ann", "no_damage")
        else:
            record(store, found.id, "ann", "reshape", {"damage": 1, "polygon": OUTLINE})
            record(store, found.id, "ann", "no_damage", {"damage": 2})
        client.delete_object(Bucket=bucket, Key=f"uploads/{digest}.jpg")

    labelled, trained, bundle = tmp_path / "labelled", tmp_path / "run", tmp_path / "bundle"
    run(application, "export", labelled, "--decided")
    mask = cv2.imread(str(labelled / f"masks/{photos[0][1]}.png"), cv2.IMREAD_UNCHANGED)
    outlined = np.zeros_like(mask)
    cv2.fillPoly(outlined, [np.array(OUTLINE)], 1)
    assert np.array_equal(mask > 0, outlined > 0)

    options = ("--photos", labelled, "--run", trained, "--decoder", "16,16,16", "--processes", "1")
    printed = run(training, "train", *options, "--device", "cpu", "--quick")
    assert "The quick training works" in printed
    run(training, "export", trained / "quick", "--photos", labelled, "--out", bundle,
        "--version", "2.0.0", "--licence", "none", "--training-data", "corrected by ann",
        "--gate-side", "64", "--side", "96")  # fmt: skip
    published = run(bundle_store, "publish", bundle, f"s3://{bucket}/models").split()[-1]

    monkeypatch.setenv("DAMAGE_BUNDLE", published)
    data, digest = photos[0]
    client.put_object(Bucket=bucket, Key=f"uploads/{digest}.jpg", Body=data)
    again = examined("again", f"s3://{bucket}/uploads/{digest}.jpg")
    assert again.bundle
    assert (again.bundle.version, again.reused) == ("2.0.0", False)
    reviewed = store.find_reviewed(digest[:8])
    assert reviewed
    assert len(reviewed.decisions) == 2
    store.close()
