"""Several sets are combined according to the rules in a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console

from model_training.data import curation
from model_training.data.curation import Curation, curate
from model_training.data.curation_files import (
    read_curations,
    write_curation,
    write_decisions,
)
from model_training.data.curation_rules import CurationRules, read_rules
from model_training.data.damage_classes import DamageClasses
from model_training.data.duplicates import Duplicate
from model_training.data.label_formats.manifest_csv import read_folder
from model_training.data.labelled_photos import BREAKAGE, DENT, UNTYPED, PhotosError

DEFAULT_RECIPE = Path(curation.__file__).parents[1] / "curation_recipes/default.toml"
COLUMNS = ("id", "image", "mask", "kind", "split", "group", "orig_classes")


def write_set(folder: Path, rows: list[dict[str, Any]], review: str = "") -> Path:
    """A set of photos of a single colour; ``ids`` of a row are the class ids of its mask."""
    folder.mkdir()
    with (folder / "manifest.csv").open("w", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS, restval="")
        writer.writeheader()
        for row in rows:
            ids = row.pop("ids", ())
            name = row["id"]
            cv2.imwrite(str(folder / f"{name}.png"), np.full((20, 20, 3), 99, np.uint8))
            mask = np.zeros((20, 20), np.uint8)
            for place, class_id in enumerate(ids):
                mask[place * 4 : place * 4 + 4] = class_id
            cv2.imwrite(str(folder / f"{name}-mask.png"), mask)
            kind = "typed" if ids else "negative"
            plain = {"image": f"{name}.png", "kind": kind, "split": "train"}
            writer.writerow({**plain, **({"mask": f"{name}-mask.png"} if ids else {}), **row})
    if review:
        (folder / "review.csv").write_text("id,flag,note\n" + review)
    return folder


def rules(*of_set: dict[str, Any], **more: Any) -> CurationRules:
    plain = {"domain": "phone", "source": "^[^_]+", "rules": list(of_set), **more}
    return CurationRules.model_validate({"sets": {"a": plain}})


@pytest.fixture
def curated(tmp_path: Path) -> Callable[..., Curation]:
    def make(
        rows: list[dict[str, Any]], *of_set: dict[str, Any], review: str = "", **more: Any
    ) -> Curation:
        folder = write_set(tmp_path / "set", rows, review)
        if review:
            more["review"] = "review.csv"
        return curate({"a": folder}, rules(*of_set, **more), duplicates=False)

    return make


def test_a_rule_leaves_photos_out_by_any_column(curated: Callable[..., Curation]) -> None:
    rows = [{"id": "s_1", "ids": [5], "orig_classes": "lamp|hood"}, {"id": "s_2", "ids": [5]}]
    found = curated(rows, {"where": {"orig_classes": r"\bhood\b"}, "drop": "whole hood"})
    assert [photo.id for photo in found.photos] == ["s_2"]
    assert [(d.id, d.action, d.reason) for d in found.decisions] == [
        ("s_1", "left out", "whole hood")
    ]


def test_a_review_drops_and_weighs_by_flag_note_and_split(
    curated: Callable[..., Curation],
) -> None:
    rows = [{"id": f"s_{n}", "ids": [2]} for n in range(3)]
    rows += [{"id": "s_3", "ids": [2], "split": "val"}]
    review = "s_0,twin,of val s_9\ns_1,twin,of train s_8\ns_3,twin,of val s_9\n"
    found = curated(
        rows,
        {"where": {"flag": "^twin$", "note": r"\bval\b", "split": "train"}, "drop": "twin in val"},
        {"where": {"flag": "^twin$", "note": r"\btrain\b"}, "weight": 0.5},
        {"where": {"id": "^s_[12]$"}, "weight": 3.0},
        review=review,
    )
    assert {p.id: p.weight for p in found.photos} == {"s_1": 1.5, "s_2": 3.0, "s_3": 1.0}
    assert [(d.id, d.reason) for d in found.decisions] == [
        ("s_0", "twin in val"),
        ("s_1", "counts 0.5 times, by review"),
    ]


def test_flag_and_note_must_be_of_one_line(curated: Callable[..., Curation]) -> None:
    review = "s_0,twin,of train\ns_0,loose,of val\n"
    rule = {"where": {"flag": "twin", "note": "val"}, "drop": "twin in val"}
    assert curated([{"id": "s_0", "ids": [2]}], rule, review=review).photos


def test_classes_become_what_they_mean_there(
    curated: Callable[..., Curation], tmp_path: Path
) -> None:
    rows = [{"id": "s_1", "ids": [2, 5]}, {"id": "s_2", "ids": [2]}]
    rule = {"where": {"kind": "^typed$"}, "broken_parts": True, "classes": {5: "breakage"}}
    found = curated(rows, rule)
    write_curation(found, tmp_path / "out")
    first, second = read_folder(tmp_path / "out")
    assert set(np.unique(first.read()[1])) == {0, DENT, BREAKAGE}
    assert first.broken_parts
    assert (first.source, first.domain) == ("s", "phone")
    assert second.mask_path == tmp_path / "set/s_2-mask.png"  # unchanged masks are not copied


def test_a_wrong_type_becomes_unknown(curated: Callable[..., Curation], tmp_path: Path) -> None:
    rule = {"where": {"flag": "wrong_type"}, "untyped": True}
    found = curated([{"id": "s_1", "ids": [2]}], rule, review="s_1,wrong_type,a scratch\n")
    write_curation(found, tmp_path / "out")
    (photo,) = read_folder(tmp_path / "out")
    assert photo.kind == "untyped"
    assert set(np.unique(photo.read()[1])) == {0, UNTYPED}


def test_a_share_of_the_groups_is_held_back_whole(curated: Callable[..., Curation]) -> None:
    rows = [{"id": f"s_{n}", "group": f"g{n // 2}"} for n in range(100)]
    found = curated(rows, {"where": {"kind": "negative"}, "held_back": 0.3})
    sides: dict[str, set[str]] = {}
    for photo in found.photos:
        sides.setdefault(photo.group, set()).add(photo.split)
    assert all(len(splits) == 1 for splits in sides.values())
    assert 5 < sum(splits == {"val"} for splits in sides.values()) < 25


def test_a_group_in_val_leaves_train(curated: Callable[..., Curation]) -> None:
    rows = [
        {"id": "s_1", "group": "claim", "ids": [2]},
        {"id": "s_2", "group": "claim", "ids": [2], "split": "val"},
        {"id": "s_3", "ids": [2]},
    ]
    found = curated(rows)
    assert [photo.id for photo in found.photos] == ["s_2", "s_3"]
    assert found.decisions[0].reason == "its group is in val"


@pytest.mark.parametrize(("keep", "kept"), [("val", "s_2"), ("train", "s_1")])
def test_of_copies_on_both_sides_one_stays(
    keep: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": "s_1", "ids": [2]}, {"id": "s_2", "ids": [2], "split": "val"}]
    folder = write_set(tmp_path / "set", rows)
    pair = Duplicate("s_2", "s_1", True, 40, 0.98, 30)
    monkeypatch.setattr(curation, "find_duplicates", lambda *_: [pair])
    found = curate({"a": folder}, replace_keep(rules(), keep))
    assert [photo.id for photo in found.photos] == [kept]
    assert "the same photo is in" in found.decisions[0].reason
    assert found.summary()["decisions"][0]["reason"] == f"the same photo is in {keep}"


def replace_keep(plain: CurationRules, keep: str) -> CurationRules:
    duplicates = plain.duplicates.model_copy(update={"keep": keep})
    return plain.model_copy(update={"duplicates": duplicates})


def test_the_report_lists_every_photo_and_counts(
    curated: Callable[..., Curation], tmp_path: Path
) -> None:
    rows = [{"id": "s_1", "ids": [2]}, {"id": "s_2", "ids": [2]}, {"id": "s_3"}]
    found = curated(rows, {"where": {"id": "_[12]"}, "drop": "blurred"})
    write_curation(found, tmp_path / "out")
    with (tmp_path / "out/curation.csv").open() as lines:
        assert [row["id"] for row in csv.DictReader(lines)] == ["s_1", "s_2"]
    assert json.loads((tmp_path / "out/curation.json").read_text())["decisions"] == [
        {
            "domain": "phone",
            "action": "left out",
            "reason": "blurred",
            "split": "train",
            "photos": 2,
        }
    ]


def test_files_in_which_the_domain_has_its_former_name_are_read(tmp_path: Path) -> None:
    older = CurationRules.model_validate({"sets": {"a": {"world": "phone"}}})
    assert older.sets["a"].domain == "phone"
    decision = {"id": "s_1", "world": "phone", "split": "train", "action": "left out"}
    (tmp_path / "curation.json").write_text(json.dumps({"notes": [], "decisions": [decision]}))
    (tmp_path / "curation.csv").write_text(
        "id,world,split,action,reason\ns_1,phone,val,left out,x\n"
    )
    (found,) = read_curations([tmp_path])
    assert found["decisions"] == [
        {"id": "s_1", "domain": "phone", "split": "train", "action": "left out"}
    ]
    write_decisions([tmp_path], tmp_path / "all.csv")
    assert (tmp_path / "all.csv").read_text().splitlines() == [
        "id,domain,split,action,reason",
        "s_1,phone,val,left out,x",
    ]


def test_an_id_may_not_stand_for_two_photos(tmp_path: Path) -> None:
    one, two = (write_set(tmp_path / name, [{"id": "s_1"}]) for name in ("one", "two"))
    both = CurationRules.model_validate({"sets": {"a": {"domain": "x"}, "b": {"domain": "y"}}})
    with pytest.raises(PhotosError, match="1 ids belong to more than one photo, such as 's_1'"):
        curate({"a": one, "b": two}, both, duplicates=False)


def test_every_set_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(PhotosError, match="no folder given for the set a"):
        curate({}, rules())
    with pytest.raises(PhotosError, match="no set named b"):
        curate({"a": tmp_path, "b": tmp_path}, rules())


def test_wrong_rules_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[sets.a]\ndomain = "x"\n[[sets.a.rules]]\nwhere = { id = "(" }\nwieght = 2\n')
    with pytest.raises(PhotosError, match=r"rules\.toml: .*where.*; .*wieght"):
        read_rules(path)


def test_sets_in_other_formats_say_what_was_read(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name, shape in (("a", "polygon"), ("b", "rectangle")):
        cv2.imwrite(str(folder / f"{name}.jpg"), np.zeros((20, 20, 3), np.uint8))
        thing = {"label": "Delle", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": shape}
        label = {"shapes": [thing], "imagePath": f"{name}.jpg"}
        (folder / f"{name}.json").write_text(json.dumps(label))
    console = Console(record=True, width=200)
    classes = DamageClasses({"delle": "dent"})
    found = curate({"a": folder}, rules(), console, duplicates=False, classes=classes)
    assert [photo.id for photo in found.photos] == ["a"]
    assert "damage without an outline (box)" in console.export_text()


def test_the_rules_of_the_default_bundle_can_be_read() -> None:
    found = read_rules(DEFAULT_RECIPE)
    assert set(found.sets) == {"stock", "phone"}
    assert found.duplicates.keep == "val"
