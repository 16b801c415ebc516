"""A training run says at once what its photos lack."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from model_training.data.labelled_photos import Kind, LabelledPhoto, PhotosError
from model_training.fitting.training_settings import TrainingSettings
from model_training.training_run import try_training


def photos(split: str, **counts: int) -> list[LabelledPhoto]:
    kinds: dict[str, Kind] = {"damaged": "typed", "clean": "negative"}
    return [
        LabelledPhoto(f"{split}-{name}-{n}", Path("none.jpg"), kinds[name], split)
        for name, count in counts.items()
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("val", "line"),
    [
        (
            {"damaged": 5, "clean": 0},
            "split val: 5 damaged and 0 clean photos; both kinds are required: add clean photos "
            "(10% of all photos are for val, chosen by their names; the other split has 7 clean), "
            "or choose the split of each photo in manifest.csv",
        ),
        ({"damaged": 0, "clean": 3}, "add damaged photos .* the other split has 9 damaged"),
        ({}, "add damaged and clean photos .* the other split has 9 damaged, 7 clean"),
    ],
)
def test_a_split_without_damaged_or_clean_photos_is_refused_with_advice(
    val: dict[str, int], line: str, tmp_path: Path
) -> None:
    found = [*photos("train", damaged=9, clean=7), *photos("val", **val)]
    pattern = line if ".*" in line else line.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(PhotosError, match=pattern):
        try_training(found, tmp_path, TrainingSettings(), Console())
