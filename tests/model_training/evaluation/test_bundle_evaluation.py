"""What an evaluation measures, on bundles whose outcome is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from damage_tasks.vision.segmenter import Segmenter
from model_store.fetch import open_bundle
from model_training.data.labelled_photos import LabelledPhoto
from model_training.evaluation.bundle_evaluation import evaluate, spacing_on_drawn
from model_training.synthetic.drawn_spacing import cars_with_spacing
from tests.small_bundles import gate, segmenter, write_bundle


def load(folder: Path, **changes: Any) -> Segmenter:
    return Segmenter(open_bundle(write_bundle(folder, **changes)))


def test_a_bundle_that_claims_everything_overlaps_by_what_is_damaged(
    photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    report = evaluate(load(tmp_path), photos)
    shares = [float((photo.read()[1] > 0).mean()) for photo in photos if photo.damaged]
    assert report["overlap"]["any"]["iou"] == pytest.approx(np.mean(shares), abs=0.01)
    assert report["recall_at_decision"] == 1
    assert report["recall_by_area"]["2 to 10 %"] == (4, 4)
    assert report["views"]["clean"]["false_alarms_at_decision"] == 1


def test_what_the_gate_ends_counts_as_undamaged(
    photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    networks = [gate(threshold=1.0), segmenter("scratch", 0)]
    report = evaluate(load(tmp_path, networks=networks), photos)
    assert report["overlap"]["any"]["iou"] == 0
    assert report["ended_by_gate"] == {"damaged": 1, "clean": 1, "close_up": 1}
    assert report["recall_at_decision"] == 0


def test_spacing_is_measured_on_drawn_cars_whatever_the_gate_says(tmp_path: Path) -> None:
    networks = [gate(threshold=1.0), segmenter("spacing", 0)]
    everything = load(tmp_path, networks=networks, types=["spacing"])
    cars = list(cars_with_spacing([70_000]))
    (photo, truth) = cars[0]
    assert photo.shape[:2] == truth.shape
    found = spacing_on_drawn(everything, cars)
    assert found["photos"] == 1
    assert found["passed"] == 0
    assert found["iou"] == pytest.approx(float(truth.mean()), abs=1e-6)
    assert found["iou"] > 0
