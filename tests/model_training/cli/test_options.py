from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_training.cli.options import read
from tests.model_training.data.test_dataset_readers import SQUARE, write_json, write_photo


def test_a_summary_is_printed_and_classes_can_be_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    write_photo(photos / "a.jpg")
    thing = {"label": "Delle", "points": SQUARE, "shape_type": "polygon"}
    write_json(photos / "a.json", {"shapes": [thing], "imagePath": "a.jpg"})
    classes = tmp_path / "map.json"
    classes.write_text(json.dumps({"delle": "dent"}))
    (photo,) = read([photos], classes=classes)
    assert photo.kind == "typed"
    assert capsys.readouterr().err.splitlines() == [
        f"{photos}: LabelMe; 1 photo: 1 typed",
        "  dent: 1 (Delle 1)",
    ]
