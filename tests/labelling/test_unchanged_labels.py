"""Labels that come back as they were exported are decisions only if a person says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.labelling.export_choice import LabelFormat
from damage_tasks.reviewed_areas import Area
from tests.labelling.conftest import DENT, SCRATCH, Archive
from tests.labelling.test_label_import import annotated, decided, exported, imported

COCO = LabelFormat.COCO
LINE = [[10, 150], [60, 150], [60, 200]]


def billable(archive: Archive, name: str) -> bool:
    found = archive.store.find_reviewed(name)
    assert found
    return bool(found.to_dict()["billable"])


def test_nothing_is_decided_by_an_unedited_export(archive: Archive, tmp_path: Path) -> None:
    archive.add("damaged", DENT, SCRATCH)
    archive.add("clean")
    document = exported(archive, tmp_path / "out", COCO)
    report = imported(archive, document, tmp_path, empty_is_clean=True)
    assert (report.photos, report.decisions) == ({"as exported": 2}, {})
    assert [decided(archive, name)[0] for name in ("damaged", "clean")] == [[], []]
    assert not billable(archive, "damaged")


def test_an_unedited_export_is_confirmed_on_request(archive: Archive, tmp_path: Path) -> None:
    archive.add("a", DENT, SCRATCH)
    document = exported(archive, tmp_path / "out", COCO)
    for expected in ("decided", "decided before"):
        report = imported(archive, document, tmp_path, confirm_unchanged=True)
        assert report.photos == {expected: 1}
    assert decided(archive, "a")[0] == ["confirm"]
    assert billable(archive, "a")


@pytest.mark.parametrize("confirmed", [False, True])
def test_labels_that_stay_are_confirmed_only_on_request(
    archive: Archive, tmp_path: Path, *, confirmed: bool
) -> None:
    archive.add("a", DENT, SCRATCH)
    document = exported(archive, tmp_path / "out", COCO)
    document["annotations"].pop()
    report = imported(archive, document, tmp_path, confirm_unchanged=confirmed)
    assert report.photos == {"decided": 1}
    assert report.decisions == {"no_damage": 1, **({"confirm": 1} if confirmed else {})}
    assert billable(archive, "a") is confirmed


@pytest.mark.parametrize(
    "later",
    [[], [("cid", "confirm", {})], [("cid", "no_damage", {}), ("bob", "no_damage", {})]],
)
def test_decisions_of_others_that_were_exported_are_not_repeated(
    archive: Archive, tmp_path: Path, later: list[tuple[str, str, dict[str, Any]]]
) -> None:
    archive.add("a", DENT, SCRATCH)
    archive.decide("a", "reshape", "bob", damage=1, polygon=LINE)
    archive.decide("a", "missed", "bob", box=[5, 5, 7, 9])
    archive.decide("a", "no_damage", "bob", damage=2)
    document = exported(archive, tmp_path / "out", COCO)
    for person, action, payload in later:
        archive.decide("a", action, person, **payload)
    assert imported(archive, document, tmp_path).photos == {"as exported": 1}
    found = archive.store.find_reviewed("a")
    assert found
    assert {decision.person for decision in found.decisions} <= {"bob", "cid"}


@pytest.mark.parametrize("edit", ["class", "outline", "deletion", "addition"])
def test_each_edit_is_a_decision(archive: Archive, tmp_path: Path, edit: str) -> None:
    archive.add("a", DENT, SCRATCH)
    document = exported(archive, tmp_path / "out", COCO)
    first = document["annotations"][0]
    if edit == "class":
        first["category_id"] = 4
    elif edit == "outline":
        first["segmentation"] = [[30, 25, 110, 25, 110, 85, 30, 85]]
    elif edit == "deletion":
        document["annotations"].remove(first)
    else:
        added = {**first, "id": 9, "segmentation": [[n for corner in LINE for n in corner]]}
        document["annotations"].append(added)
    assert imported(archive, document, tmp_path).photos == {"decided": 1}


def test_a_submitted_annotation_confirms_and_a_copied_prediction_does_not(
    archive: Archive, tmp_path: Path
) -> None:
    for name in ("submitted", "copied", "copied and edited"):
        archive.add(name, DENT)
    tasks = annotated(exported(archive, tmp_path / "out", LabelFormat.LABEL_STUDIO))
    seconds = {"submitted": 4.2, "copied": None, "copied and edited": 3.0}
    for task in tasks:
        (annotation,) = task["annotations"]
        annotation |= {"parent_prediction": 5, "lead_time": seconds[task["data"]["inspection"]]}
    assert imported(archive, tasks, tmp_path).photos == {"decided": 2, "as exported": 1}
    assert {name: decided(archive, name)[0] for name in seconds} == {
        "submitted": ["confirm"], "copied": [], "copied and edited": ["confirm"],
    }  # fmt: skip


def test_predictions_are_not_read(archive: Archive, tmp_path: Path) -> None:
    archive.add("a", DENT)
    (task,) = exported(archive, tmp_path / "out", LabelFormat.LABEL_STUDIO)
    report = imported(archive, [{**task, "annotations": []}], tmp_path)
    assert report.photos == {}
    assert [problem for _, problem in report.not_imported] == ["nobody has labelled it"]


@pytest.mark.parametrize("format", [COCO, LabelFormat.LABEL_STUDIO])
@pytest.mark.parametrize(
    "place",
    [{"point": [7, 9]}, {"point": [319, 239]}, {"box": [7, 9, 1, 1]}, {"box": [5, 5, 7, 9]}],
    ids=["point", "last pixel", "box of one pixel", "box"],
)
def test_marked_places_come_back_unchanged(
    archive: Archive, tmp_path: Path, place: dict[str, Any], format: LabelFormat
) -> None:
    archive.add("a", DENT)
    archive.decide("a", "missed", "bob", **place)
    before = decided(archive, "a")
    document = exported(archive, tmp_path / "out", format)
    if format is LabelFormat.LABEL_STUDIO:
        annotated(document)[0]["annotations"][0]["parent_prediction"] = 1
    assert imported(archive, document, tmp_path).photos == {"as exported": 1}
    assert decided(archive, "a") == before


def test_a_point_in_coco_stays_a_point_if_other_labels_change(
    archive: Archive, tmp_path: Path
) -> None:
    archive.add("a", DENT)
    archive.decide("a", "missed", "bob", point=[7, 9], type="dent")
    document = exported(archive, tmp_path / "out", COCO)
    document["annotations"][0]["category_id"] = 4
    assert imported(archive, document, tmp_path).photos == {"decided": 1}
    assert decided(archive, "a")[1][1] == Area("dent", point=(7, 9))


@pytest.mark.parametrize("format", [LabelFormat.COCO, LabelFormat.LABEL_STUDIO])
@pytest.mark.parametrize("outline", [((20, 30), (80, 30)), ((20, 30), (80, 30), (50, 30))])
def test_a_thin_scratch_whose_outline_has_no_area_comes_back_as_its_box(
    archive: Archive, tmp_path: Path, format: LabelFormat, outline: tuple[tuple[int, int], ...]
) -> None:
    thin = replace(SCRATCH, bbox=(20, 29, 61, 3), polygon=outline)
    archive.add("a", DENT, thin)
    labels = exported(archive, tmp_path / "out", format)
    labels = labels if format is LabelFormat.COCO else annotated(labels)
    report = imported(archive, labels, tmp_path)
    assert report.photos in ({"as exported": 1}, {"decided": 1})
    assert "missed" not in report.decisions
    assert "reshape" not in report.decisions
