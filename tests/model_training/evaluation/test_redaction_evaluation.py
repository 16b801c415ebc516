"""Recall and precision of a redaction bundle on outlined photos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from damage_tasks.redaction.redactor import Redactor
from model_store.bundle import open_any_bundle, redaction_bundle
from model_store.manifest import Subject
from model_training.data.labelled_photos import LabelledPhoto
from model_training.data.private_regions import PrivateRegion
from model_training.evaluation.redaction_evaluation import evaluate_redaction
from tools.small_redaction_bundle import (
    FACE,
    HEIGHT,
    PLATE,
    WIDTH,
    private_photo,
    write_redaction_bundle,
)


def outline(subject: Subject, box: tuple[int, int, int, int]) -> PrivateRegion:
    left, top, width, height = box
    right, bottom = left + width, top + height
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return PrivateRegion(subject, tuple((x / WIDTH, y / HEIGHT) for x, y in corners))


@pytest.fixture
def redactor(tmp_path: Path) -> Redactor:
    folder = write_redaction_bundle(tmp_path / "bundle")
    return Redactor(redaction_bundle(open_any_bundle(folder)))


def photos(folder: Path) -> list[LabelledPhoto]:
    empty = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    (folder / "private.jpg").write_bytes(private_photo())
    cv2.imwrite(str(folder / "empty.jpg"), empty)
    return [
        LabelledPhoto(name, folder / f"{file}.jpg", "negative", regions=())
        for name, file in (
            ("private", "private"),
            ("empty", "empty"),
            ("elsewhere", "private"),
            ("not labelled", "private"),
        )
    ]


def test_outlines_regions_and_photos_without_any_are_counted(
    redactor: Redactor, tmp_path: Path
) -> None:
    elsewhere = outline("plate", (10, 200, 60, 20))
    labels = {
        "private": (outline("plate", PLATE), outline("face", FACE)),
        "empty": (),
        "elsewhere": (elsewhere,),
    }
    evaluation = evaluate_redaction(redactor, photos(tmp_path), labels)
    assert evaluation.photos == 3
    plate, face = evaluation.figures()["plate"], evaluation.figures()["face"]
    assert (plate["recall"]["hits"], plate["recall"]["count"]) == (1, 2)
    assert (plate["precision"]["hits"], plate["precision"]["count"]) == (1, 2)
    assert plate["needlessly_redacted_photos"]["hits"] == 0
    assert face["recall"]["value"] == 1.0
    assert 0.2 < face["recall"]["low"] < 0.21, "one face says little"
    assert face["needlessly_redacted_photos"]["hits"] == 1
    assert face["needlessly_redacted_photos"]["count"] == 2


def test_half_a_plate_is_not_enough(redactor: Redactor, tmp_path: Path) -> None:
    left, top, width, height = PLATE
    wide = outline("plate", (left, top, 2 * width, height))
    evaluation = evaluate_redaction(redactor, photos(tmp_path), {"private": (wide,)})
    assert evaluation.figures()["plate"]["recall"]["hits"] == 0


def test_without_outlines_nothing_is_measured(redactor: Redactor, tmp_path: Path) -> None:
    evaluation = evaluate_redaction(redactor, photos(tmp_path), {"empty": ()})
    assert evaluation.figures()["plate"]["recall"] is None
