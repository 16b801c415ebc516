"""A bundle's errors by kind."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.vision.segmenter import Segmenter
from model_store.bundle import open_bundle
from model_training.data.labelled_photos import LabelledPhoto
from model_training.evaluation.bundle_evaluation import examine_all
from model_training.evaluation.error_analysis import confusion_rows, error_of, worst_first
from model_training.evaluation.error_page import write_contact_sheet
from tests.model_training.evaluation.test_paired_comparison import result
from tools.small_bundles import gate, segmenter, write_bundle


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, ""),
        ({"found": False}, "missed"),
        ({"found": False, "area": 0.01}, "missed, small"),
        ({"any": (0.005, 0.1, 0.1)}, "elsewhere"),
        ({"any": (0.09, 0.4, 0.1)}, "outlined too large"),
        ({"any": (0.03, 0.03, 0.1)}, "outlined in part"),
        ({"any": (0.055, 0.1, 0.1)}, "loose"),
        ({"any": (0.08, 0.1, 0.1), "types": {"dent": (0.01, 0.01, 0.1)},
          "confusion": {"dent": {"dent": 0.01, "scratch": 0.07, "undamaged": 0.02}}},
         "wrong type"),
    ],
)  # fmt: skip
def test_a_damaged_photo_can_be_wrong_in_these_ways(changes: dict[str, Any], error: str) -> None:
    plain = {"any": (0.08, 0.1, 0.1)}
    assert error_of(result(0, **{**plain, **changes})) == error


def test_the_worst_come_first() -> None:
    results = [
        result(1, found=True, score=0.6),
        result(3, found=True, score=0.9),
        result(0, found=False, area=0.05),
        result(2, found=False, area=0.3),
    ]
    found = worst_first(results)
    assert [r.id for r in found["missed"]] == ["2", "0"]
    assert [r.id for r in found["false alarm"]] == ["3", "1"]
    assert list(found) == ["missed", "false alarm"]


def test_the_confusion_says_where_each_types_area_went() -> None:
    results = [
        result(0, confusion={"dent": {"dent": 0.1, "scratch": 0.1}, "undamaged": {"dent": 0.05}}),
        result(2, confusion={"dent": {"undamaged": 0.2}}),
    ]
    head, rows = confusion_rows(results)
    assert head == ["true", "undamaged", "scratch", "dent", "area, photos' worth"]
    assert rows[1] == ["dent", "50 %", "25 %", "25 %", "0.4"]


def test_the_page_shows_the_photos_that_are_wrong(
    photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    networks = [gate(threshold=1.0), segmenter("scratch", 0)]  # ends every inspection
    folder = write_bundle(tmp_path / "bundle", networks=networks)
    ending = Segmenter(open_bundle(folder))
    results, _ = examine_all(ending, photos)
    page = write_contact_sheet(tmp_path / "errors", ending, photos, results).read_text()
    missed = [photo.id for photo in photos if photo.damaged]
    for id in missed:
        assert (tmp_path / f"errors/pictures/{id}.jpg").exists()
        assert f"pictures/{id}.jpg" in page
    assert "ended by damage" in page
    with (tmp_path / "errors/photos.csv").open() as lines:
        rows = {row["id"]: row for row in csv.DictReader(lines)}
    assert len(rows) == len(photos)
    assert {id for id, row in rows.items() if row["error"].startswith("missed")} == set(missed)
