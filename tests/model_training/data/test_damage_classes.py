from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from model_training.data.damage_classes import DamageClasses, read_classes
from model_training.data.label_formats.label import LabelledObject
from model_training.data.labelled_photos import CLASS_IDS, DamageType, PhotosError


def test_given_classes_come_first_by_name_or_number() -> None:
    classes = DamageClasses({"Crack": "scratch", "7": "dent"})
    assert classes.meaning(LabelledObject("crack")) == "scratch"
    assert classes.meaning(LabelledObject("damage", number=7)) == "dent"
    assert classes.meaning(LabelledObject("Glass_shatter")) == "breakage"
    assert classes.meaning(LabelledObject("tire flat")) is None


def test_wrong_meanings_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"a": "rust", "b": 3, "c": "dent"}))
    with pytest.raises(PhotosError, match="'a': 'rust', 'b': 3: must be one of scratch, dent"):
        read_classes(path)
    path.write_text("[]")
    with pytest.raises(PhotosError, match="object"):
        read_classes(path)


def test_every_damage_type_has_a_class_id() -> None:
    assert get_args(DamageType) == tuple(CLASS_IDS)
