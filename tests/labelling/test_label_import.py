"""Labels that people drew elsewhere become their decisions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.decision import Action, counting
from damage_tasks.errors import DecisionInvalid, LabelsInvalid
from damage_tasks.labelling.export_choice import LabelFormat, PhotoChoice
from damage_tasks.labelling.label_import import (
    NO_DIGEST,
    NOT_EXAMINED,
    OTHER_SIZE,
    TWICE,
    ImportReport,
    import_labels,
    read_labels,
)
from damage_tasks.labelling.labelled_photo import NOT_LABELLED
from damage_tasks.labelling.photo_export import export_photos
from damage_tasks.results.tables import deliveries
from damage_tasks.reviewed_areas import Area, reviewed_areas
from damage_tasks.settings import get_settings
from tests.labelling.conftest import DENT, HEIGHT, SCRATCH, WIDTH, Archive

MOVED = [[30, 25], [110, 25], [110, 85], [30, 85]]  # overlaps the dent
ELSEWHERE = [[10, 150], [60, 150], [60, 200]]


def exported(archive: Archive, folder: Path, format: LabelFormat) -> Any:
    """The document that `damage-tasks export` writes for a labelling tool."""
    export_photos(archive.store, get_settings(), folder, PhotoChoice(), format)
    name = "annotations.json" if format is LabelFormat.COCO else "tasks.json"
    return json.loads((folder / name).read_text())


def imported(
    archive: Archive,
    document: Any,
    tmp_path: Path,
    person: str = "ann",
    *,
    confirm_unchanged: bool = False,
    **options: bool,
) -> ImportReport:
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(document))
    labels = read_labels(file, **options)
    return import_labels(archive.store, labels, person, confirm_unchanged=confirm_unchanged)


def annotated(tasks: Any) -> Any:
    """The tasks as Label Studio exports them after somebody accepted all predictions."""
    for task in tasks:
        (prediction,) = task.pop("predictions")
        task["annotations"] = [{"result": prediction["result"], "updated_at": "2026-11-22"}]
    return tasks


def percent(points: list[list[int]]) -> list[list[float]]:
    return [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in points]


def decided(archive: Archive, name: str) -> tuple[list[str], list[Area]]:
    """The actions that count, and the damaged areas after them."""
    found = archive.store.find_reviewed(name)
    assert found
    assert found.finding
    counted = counting(found.decisions)
    return [str(d.action) for d in counted], reviewed_areas(found.finding.damages, counted)


def test_corrections_in_label_studio_become_decisions(archive: Archive, tmp_path: Path) -> None:
    archive.add("corrected", DENT, SCRATCH)
    archive.add("false alarm", DENT)
    archive.add("right", SCRATCH)
    tasks = annotated(exported(archive, tmp_path / "out", LabelFormat.LABEL_STUDIO))
    results = {
        task["data"]["inspection"]: task["annotations"][0]["result"] for task in tasks
    }  # fmt: skip
    dent, scratch = results["corrected"]
    dent["value"]["points"] = percent(MOVED)
    scratch["value"]["polygonlabels"] = ["Breakage"]
    results["corrected"].append(
        {**dent, "value": {"points": percent(ELSEWHERE), "polygonlabels": ["damage"]}}
    )
    results["false alarm"].clear()

    report = imported(archive, tasks, tmp_path)

    assert report.photos == {"decided": 3}
    assert report.not_imported == []
    assert decided(archive, "corrected") == (
        [Action.RESHAPE, Action.WRONG_TYPE, Action.MISSED],
        [
            Area("dent", tuple((x, y) for x, y in MOVED)),
            Area("breakage", SCRATCH.polygon),
            Area(None, tuple((x, y) for x, y in ELSEWHERE)),
        ],
    )
    assert decided(archive, "false alarm") == ([Action.NO_DAMAGE], [])
    assert decided(archive, "right")[0] == [Action.CONFIRM]


def test_labels_that_stay_after_a_false_alarm_are_confirmed(
    archive: Archive, tmp_path: Path
) -> None:
    archive.add("a", DENT, SCRATCH)
    (task,) = annotated(exported(archive, tmp_path / "out", LabelFormat.LABEL_STUDIO))
    task["annotations"][0]["result"].pop()
    assert imported(archive, [task], tmp_path).photos == {"decided": 1}
    assert decided(archive, "a") == (
        [Action.NO_DAMAGE, Action.CONFIRM], [Area("dent", DENT.polygon)],
    )  # fmt: skip
    found = archive.store.find_reviewed("a")
    assert found
    assert found.to_dict()["billable"] is True
    assert imported(archive, [task], tmp_path).photos == {"decided before": 1}


def test_importing_again_changes_nothing(archive: Archive, tmp_path: Path) -> None:
    archive.add("a", DENT, SCRATCH)
    archive.add("b")
    tasks = annotated(exported(archive, tmp_path / "out", LabelFormat.LABEL_STUDIO))
    for task in tasks:
        for result in task["annotations"][0]["result"]:
            result["value"]["polygonlabels"] = ["damage"]  # of any type
    assert imported(archive, tasks, tmp_path).photos == {"decided": 2}
    before = [archive.store.find_reviewed(name) for name in "ab"]
    report = imported(archive, tasks, tmp_path)
    assert (report.photos, report.decisions) == ({"decided before": 2}, {})
    assert [archive.store.find_reviewed(name) for name in "ab"] == before


def test_a_changed_label_replaces_only_the_persons_own_decisions(
    archive: Archive, tmp_path: Path
) -> None:
    archive.add("a", DENT)
    archive.decide("a", "confirm", person="bob")
    tasks = annotated(exported(archive, tmp_path / "out", LabelFormat.LABEL_STUDIO))
    for points in (MOVED, ELSEWHERE):
        tasks[0]["annotations"][0]["result"][0]["value"]["points"] = percent(points)
        imported(archive, tasks, tmp_path)
    found = archive.store.find_reviewed("a")
    assert found
    valid = [(d.person, str(d.action)) for d in found.decisions if d.undone_at is None]
    assert valid == [("bob", "confirm"), ("ann", "no_damage"), ("ann", "missed")]
    assert decided(archive, "a")[1] == [Area("dent", tuple((x, y) for x, y in ELSEWHERE))]


def test_coco_of_cvat_becomes_decisions(archive: Archive, tmp_path: Path) -> None:
    archive.add("reshaped", DENT)
    archive.add("false alarm", SCRATCH)
    document = exported(archive, tmp_path / "out", LabelFormat.COCO)
    names = {category["id"]: category["name"] for category in document["categories"]}
    for annotation in list(document["annotations"]):
        if names[annotation["category_id"]] == "dent":
            annotation["segmentation"] = [[float(n) + 0.2 for point in MOVED for n in point]]
            box = {**annotation, "id": 99, "segmentation": [], "bbox": [5.4, 5, 7, HEIGHT]}
            document["annotations"].append(box)
        else:
            document["annotations"].remove(annotation)
    for image in document["images"]:  # CVAT leaves fields out that it does not know
        del image["inspection_id"], image["reviewed"]

    report = imported(archive, document, tmp_path)
    assert [problem for _, problem in report.not_imported] == [NOT_LABELLED]
    assert decided(archive, "reshaped")[1] == [
        Area("dent", tuple((x, y) for x, y in MOVED)),
        Area("dent", box=(5, 5, 7, HEIGHT - 5)),
    ]
    assert decided(archive, "false alarm")[0] == []

    report = imported(archive, document, tmp_path, empty_is_clean=True)
    assert report.photos == {"decided": 1, "decided before": 1}
    assert decided(archive, "false alarm") == ([Action.NO_DAMAGE], [])


def test_labels_that_cannot_be_imported_are_named(archive: Archive, tmp_path: Path) -> None:
    sha256 = archive.add("a", DENT)
    (task,) = annotated(exported(archive, tmp_path / "out", LabelFormat.LABEL_STUDIO))
    (result,) = task["annotations"][0]["result"]

    def changed(name: str, **values: Any) -> Any:
        return {"data": {"photo": name}, "annotations": [{"result": [{**result, **values}]}]}

    tasks = [
        changed("car.jpg"),
        changed("f" * 64),
        changed(sha256, original_width=99),
        changed(sha256),
        changed("e" * 64, type="brushlabels"),
        {"data": {"photo": "d" * 64}, "annotations": [{"was_cancelled": True, "result": []}]},
    ]
    report = imported(archive, tasks, tmp_path)
    assert dict(report.not_imported[:3]) == {
        "car.jpg": NO_DIGEST, "f" * 64: NOT_EXAMINED, sha256: OTHER_SIZE,
    }  # fmt: skip
    assert report.not_imported[3] == (sha256, TWICE)
    assert report.not_imported[4][1].startswith("brushlabels, not")
    assert report.not_imported[5][1] == NOT_LABELLED
    assert report.photos == {}
    class_name = changed(sha256, value={**result["value"], "polygonlabels": ["<b>"]})
    assert "type" in imported(archive, [class_name], tmp_path).not_imported[0][1]


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"images": []}', '{"images": [{}], "annotations": []}']
)
def test_a_file_in_no_known_format_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(LabelsInvalid):
        read_labels(tmp_path / "labels.json")


def test_decisions_need_the_name_of_a_person(archive: Archive) -> None:
    with pytest.raises(DecisionInvalid, match="name of a person"):
        import_labels(archive.store, [], "")


def test_an_import_is_one_event_for_each_photo(archive: Archive, tmp_path: Path) -> None:
    archive.add("a", DENT, SCRATCH)
    archive.store.event_targets = ("https://rental.example/hooks",)
    (task,) = annotated(exported(archive, tmp_path / "out", LabelFormat.LABEL_STUDIO))
    task["annotations"][0]["result"].pop()
    for result in task["annotations"][0]["result"]:
        result["value"]["polygonlabels"] = ["breakage"]
    for _ in range(2):
        imported(archive, [task], tmp_path)
    with archive.store.transaction() as connection:
        (event,) = connection.execute(sa.select(deliveries))
    assert event.type == "inspection.reviewed"
    decisions = json.loads(event.body)["data"]["decisions"]
    assert [each["action"] for each in decisions] == ["wrong_type", "no_damage"]


@pytest.mark.parametrize("format", [LabelFormat.COCO, LabelFormat.LABEL_STUDIO])
def test_a_photo_with_an_outline_that_crosses_itself_is_named(
    archive: Archive, tmp_path: Path, format: LabelFormat
) -> None:
    archive.add("a", DENT)
    document = exported(archive, tmp_path / "out", format)
    crossed = [[20, 20], [100, 80], [100, 20], [20, 80]]
    if format is LabelFormat.COCO:
        (annotation,) = document["annotations"]
        annotation["segmentation"] = [[n for corner in crossed for n in corner]]
    else:
        (result,) = annotated(document)[0]["annotations"][0]["result"]
        result["value"]["points"] = percent(crossed)
    report = imported(archive, document, tmp_path)
    ((_, problem),) = report.not_imported
    assert "two sides cross near (60, 50): move or remove a corner there" in problem
    assert decided(archive, "a")[0] == []
