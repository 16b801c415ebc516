"""Evaluations of bundles with known outcomes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from damage_tasks.vision.segmenter import Segmenter
from model_store.bundle import open_bundle
from model_training.data.labelled_photos import LabelledPhoto
from model_training.evaluation.bundle_evaluation import evaluate, results_of, write_report
from model_training.evaluation.confidence_intervals import figures
from model_training.evaluation.synthetic_metrics import spacing_on_drawn
from model_training.synthetic.spacing_for_evaluation import cars_with_spacing
from tools.small_bundles import gate, segmenter, write_bundle

pytestmark = pytest.mark.slow


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
    found = report["figures"]
    assert found["any_iou"]["value"] == pytest.approx(np.mean(shares), abs=0.01)
    assert found["photo_iou"]["value"] == pytest.approx(np.mean(shares), abs=0.01)
    assert found["missed"] == {"value": 0, "low": 0, "high": pytest.approx(0.49, abs=0.01),
                               "photos": 4}  # fmt: skip
    assert found["false_alarms"]["value"] == 1


def test_the_gates_figures_are_those_of_the_first_that_may_end_a_clean_photo(
    photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    """Photos that it ends have no score of the gate that decides."""
    first = gate("screening", threshold=1.0)
    networks = [gate("quality", ends_with="none"), first, gate(), segmenter("dent", 1)]
    report = evaluate(load(tmp_path, networks=networks), photos, synthetic=False)
    assert report["damage_gate"] == "screening"
    assert report["ended_by_gate"] == {"damaged": 1, "clean": 1, "close_up": 1}
    assert report["gate_scores"] == report["scores"]


def test_every_photo_counts_alike_whatever_its_size(
    photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    """Four times the pixels make no difference, except in the figures by the photo's own pixels."""
    (large, small) = [photo for photo in photos if photo.kind == "typed"]
    pixels, ids = large.read()
    for name, picture in (("photo", pixels), ("mask", ids)):
        twice = cv2.resize(picture, None, fx=16, fy=16, interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(tmp_path / f"{name}.png"), twice)
    enlarged = replace(large, path=tmp_path / "photo.png", mask_path=tmp_path / "mask.png")
    bundle = load(tmp_path / "bundle")
    plain = evaluate(bundle, [large, small], synthetic=False)["overlap"]
    scaled = evaluate(bundle, [enlarged, small], synthetic=False)["overlap"]
    assert scaled["any"]["iou"] == pytest.approx(plain["any"]["iou"], abs=1e-3)


def test_figures_are_split_by_domain_source_type_area_and_light(
    photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    of_domains = [
        replace(photo, domain="phone" if number < 4 else "stock", source=f"s{number % 2}")
        for number, photo in enumerate(photos)
    ]
    report = evaluate(load(tmp_path), of_domains, synthetic=False)
    found = report["breakdown"]
    assert list(found) == ["domain", "source", "type", "damaged area", "light"]
    assert set(found["domain"]) == {"phone", "stock"}
    assert found["domain"]["phone"]["missed"]["photos"] == 2
    assert found["source"]["s1"]["any_iou"]["photos"] == 4
    assert "missed" not in found["source"]["s0"]  # only clean photos
    assert list(found["type"]) == ["scratch"]
    assert list(found["damaged area"]) == ["2 to 10 %"]
    assert "false_alarms" not in found["damaged area"]["2 to 10 %"]


def test_results_come_back_from_a_written_report(
    photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    report = evaluate(load(tmp_path / "bundle"), photos, synthetic=False)
    write_report(report, tmp_path / "evaluation.json")
    again = results_of(json.loads((tmp_path / "evaluation.json").read_text()))
    found = {name: figure.as_json() for name, figure in figures(again).items()}
    assert found["any_iou"] == pytest.approx(report["figures"]["any_iou"], abs=1e-4)
    assert found["missed"] == report["figures"]["missed"]


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
