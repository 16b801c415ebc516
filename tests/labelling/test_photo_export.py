"""Photos are exported with the damage as people corrected it."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.errors import ExportRefused, RedactionUnavailable
from damage_tasks.labelling.class_masks import CLASS_IDS, OTHER_DAMAGE
from damage_tasks.labelling.export_choice import LabelFormat, PhotoChoice
from damage_tasks.labelling.photo_export import (
    GONE,
    NO_OUTLINE,
    NOT_EXAMINED,
    RETAKE,
    ExportReport,
    export_photos,
)
from damage_tasks.redaction.redactor import checked_redactor
from damage_tasks.settings import get_settings
from model_store.bundle import open_any_bundle, redaction_bundle
from model_training.data.dataset_readers import read_dataset
from model_training.data.labelled_photos import CLASS_IDS as TRAINING_IDS
from model_training.data.labelled_photos import UNTYPED
from tests.labelling.conftest import DENT, HEIGHT, SCRATCH, WIDTH, Archive
from tools.drawn_photo_files import encode, exif, textured
from tools.sample_pictures_and_results import NOW, jpeg
from tools.small_redaction_bundle import PLATE, private_photo, write_redaction_bundle

pytestmark = pytest.mark.usefixtures("logs_of_commands")

CORRECTED = [[10, 120], [60, 120], [60, 200], [10, 200]]


def export(archive: Archive, folder: Path, **options: Any) -> ExportReport:
    values = {"choice": PhotoChoice(), **options}
    return export_photos(archive.store, get_settings(), folder, **values)


def exported(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "photos").iterdir()}


def test_training_reads_what_people_decided(archive: Archive, tmp_path: Path) -> None:
    reshaped = archive.add("reshaped", DENT, SCRATCH, metadata={"car_id": 7})
    archive.decide("reshaped", "reshape", damage=1, polygon=CORRECTED)
    archive.decide("reshaped", "wrong_type", damage=2, type="breakage")
    clean = archive.add("false alarm", DENT, metadata={"car_id": 7})
    archive.decide("false alarm", "no_damage")
    missed = archive.add("missed")
    archive.decide("missed", "missed", polygon=CORRECTED)
    archive.add("not decided", DENT)

    report = export(archive, tmp_path / "out")

    assert (report.exported, report.left_out) == ({"damaged": 2, "clean": 1}, {})
    photos = {photo.id: photo for photo in read_dataset(tmp_path / "out").photos}
    assert set(photos) == exported(tmp_path / "out") == {reshaped, clean, missed}
    assert [photos[id].kind for id in (reshaped, clean, missed)] == [
        "typed", "negative", "untyped",
    ]  # fmt: skip
    assert photos[reshaped].group == photos[clean].group != photos[missed].group
    assert photos[reshaped].split == photos[clean].split
    for id, photo in photos.items():
        _, ids = photo.read()
        mask = cv2.imread(str(tmp_path / f"out/masks/{id}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(mask, ids), id
    _, ids = photos[reshaped].read()
    assert (ids[150, 30], ids[50, 50], ids[105, 240]) == (TRAINING_IDS["dent"], 0, 4)


def test_the_classes_of_masks_are_those_of_training() -> None:
    assert (CLASS_IDS, OTHER_DAMAGE) == (TRAINING_IDS, UNTYPED)


def test_photos_that_cannot_be_exported_are_counted_and_listed(
    archive: Archive, tmp_path: Path
) -> None:
    digests = {
        GONE: archive.add("gone", DENT, kept=False),
        RETAKE: archive.add("retake", DENT),
        NO_OUTLINE: archive.add("point only", DENT),
        NOT_EXAMINED: archive.add("not a car", found={"verdict": "rejected"}, verdict="rejected"),
    }
    archive.decide("gone", "confirm")
    archive.decide("retake", "retake")
    archive.decide("point only", "missed", point=[5, 5])
    archive.decide("not a car", "confirm")

    report = export(archive, tmp_path / "out")

    assert report.exported == {}
    assert report.left_out == dict.fromkeys(digests, 1)
    with (tmp_path / "out/left-out.csv").open() as file:
        assert {row["reason"]: row["photo_sha256"] for row in csv.DictReader(file)} == digests
    assert exported(tmp_path / "out") == set()


def test_a_photo_that_was_not_kept_is_fetched_only_on_request(
    archive: Archive, site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_ALLOW_HTTP", "true")
    monkeypatch.setenv("DAMAGE_ALLOW_PRIVATE_ADDRESSES", "true")
    data = jpeg(WIDTH, HEIGHT, seed=9)
    url = site.serve("/car.jpg", data)
    sha256 = archive.add("not kept", data=data, kept=False, photo_url=url)
    archive.decide("not kept", "confirm")
    assert export(archive, tmp_path / "without").left_out == {GONE: 1}
    assert site.requests == []
    assert export(archive, tmp_path / "with", download=True).exported == {"clean": 1}
    assert (tmp_path / f"with/photos/{sha256}.jpg").read_bytes() == data


def test_a_photo_sent_twice_is_exported_once_as_decided(archive: Archive, tmp_path: Path) -> None:
    data = jpeg(WIDTH, HEIGHT, seed=3)
    sha256 = archive.add("decided", DENT, data=data)
    archive.decide("decided", "no_damage")
    archive.add("later", DENT, data=data, finished_at=NOW + timedelta(days=1))
    for number, choice in enumerate((PhotoChoice(), PhotoChoice(decided=True))):
        folder = tmp_path / str(number)
        report = export(archive, folder, choice=choice, format=LabelFormat.COCO)
        assert report.exported == {"clean": 1}
        assert exported(folder) == {sha256}


def test_hard_photos_are_those_that_networks_were_unsure_or_wrong_about(
    archive: Archive, tmp_path: Path
) -> None:
    unsure = archive.add("unsure", found={"damage_score": 0.5})
    wrong = archive.add("wrong", DENT)
    archive.decide("wrong", "no_damage")
    archive.add("sure", DENT)
    archive.add("unsure and right", found={"damage_score": 0.5})
    archive.decide("unsure and right", "confirm")
    choice = PhotoChoice(hard=True)
    export(archive, tmp_path / "out", choice=choice, format=LabelFormat.COCO)
    assert exported(tmp_path / "out") == {unsure, wrong}


def test_a_sample_is_drawn_from_all_photos_and_always_the_same(
    archive: Archive, tmp_path: Path
) -> None:
    for number in range(12):
        archive.add(f"photo {number}", data=jpeg(WIDTH, HEIGHT, seed=number))
    drawn = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        export(archive, folder, choice=PhotoChoice(sample=5), format=LabelFormat.COCO)
        drawn.append(exported(folder))
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 5


def test_since_is_the_time_of_the_verdict_or_of_the_decision(
    archive: Archive, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    old = archive.add("old", DENT, finished_at=now - timedelta(days=9))
    new = archive.add("new", DENT, finished_at=now)
    archive.decide("old", "confirm")
    found = {}
    for name, choice in {
        "examined": PhotoChoice(since=now - timedelta(days=1)),
        "decided": PhotoChoice(since=now - timedelta(days=1), decided=True),
        "later": PhotoChoice(since=now + timedelta(hours=1), decided=True),
    }.items():
        export(archive, tmp_path / name, choice=choice, format=LabelFormat.COCO)
        found[name] = exported(tmp_path / name)
    assert found == {"examined": {new}, "decided": {old}, "later": set()}


def test_a_folder_with_files_is_refused(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "old.json").touch()
    with pytest.raises(ExportRefused, match="is not empty"):
        export(archive, tmp_path)


def test_coco_has_what_the_networks_found_until_people_decide(
    archive: Archive, tmp_path: Path
) -> None:
    archive.add("found", DENT, SCRATCH)
    sha256 = archive.add("point", SCRATCH)
    archive.decide("point", "missed", point=[7, 8], type="rust")
    export(archive, tmp_path / "out", format=LabelFormat.COCO)
    document = json.loads((tmp_path / "out/annotations.json").read_text())
    images = {image["inspection_id"]: image for image in document["images"]}
    assert {id: image["reviewed"] for id, image in images.items()} == {
        "found": False, "point": True,
    }  # fmt: skip
    names = {category["id"]: category["name"] for category in document["categories"]}
    shapes = [
        (names[each["category_id"]], each["bbox"], each["area"], bool(each["segmentation"]))
        for each in document["annotations"]
        if each["image_id"] == images["point"]["id"]
    ]
    assert shapes == [("scratch", [200, 100, 80, 10], 800, True), ("rust", [7, 8, 1, 1], 1, False)]
    assert images["point"]["file_name"] == f"photos/{sha256}.jpg"
    assert skipped_by_training(tmp_path / "out", document) == {"damage without an outline (box)": 1}


def skipped_by_training(folder: Path, document: Any) -> Any:
    """Why training skips photos of a COCO document, if rust means dents."""
    for category in document["categories"]:
        category["name"] = category["name"].replace("rust", "dent")
    (folder / "annotations.json").write_text(json.dumps(document))
    return read_dataset(folder).skipped


def test_label_studio_gets_percentages_and_its_labels(archive: Archive, tmp_path: Path) -> None:
    sha256 = archive.add("found", DENT, found={"damage_score": 0.75})
    export(archive, tmp_path / "out", format=LabelFormat.LABEL_STUDIO)
    (task,) = json.loads((tmp_path / "out/tasks.json").read_text())
    assert task["data"] == {
        "image": f"/data/local-files/?d=photos/{sha256}.jpg",
        "photo": sha256,
        "inspection": "found",
    }
    (prediction,) = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("default 1.0.0", 0.75)
    (result,) = prediction["result"]
    assert (result["type"], result["original_width"]) == ("polygonlabels", WIDTH)
    assert result["value"]["points"][0] == [100 * 20 / WIDTH, 100 * 20 / HEIGHT]
    assert result["value"]["polygonlabels"] == ["dent"]
    configuration = (tmp_path / "out/label_config.xml").read_text()
    assert '<PolygonLabels name="outline" toName="image">' in configuration
    assert '<Label value="damage"/>' in configuration


def test_a_heic_becomes_an_upright_jpeg(archive: Archive, tmp_path: Path) -> None:
    turned = encode(textured(HEIGHT, WIDTH), "HEIF", exif=exif(6))
    sha256 = archive.add("phone", DENT, data=turned)
    archive.decide("phone", "confirm")
    export(archive, tmp_path / "out")
    (photo,) = read_dataset(tmp_path / "out").photos
    pixels, _ = photo.read()
    assert (photo.path.name, pixels.shape) == (f"{sha256}.jpg", (HEIGHT, WIDTH, 3))


def test_a_redacted_export_has_no_plates_and_no_exif_but_the_same_labels(
    archive: Archive, tmp_path: Path
) -> None:
    bundle = redaction_bundle(open_any_bundle(write_redaction_bundle(tmp_path / "redaction")))
    data = private_photo()
    sha256 = archive.add("a", DENT, data=data)
    archive.decide("a", "confirm")
    export(archive, tmp_path / "out", redactor=checked_redactor(bundle))
    export(archive, tmp_path / "original")
    left, top, width, height = PLATE
    names = [tmp_path / folder / f"photos/{sha256}.jpg" for folder in ("out", "original")]
    plates = [cv2.imread(str(name))[top : top + height, left : left + width] for name in names]
    edges = [float(np.abs(cv2.Laplacian(plate, cv2.CV_64F)).mean()) for plate in plates]
    assert edges[0] < edges[1] / 3
    assert b"Exif" not in (tmp_path / f"out/photos/{sha256}.jpg").read_bytes()
    masks = [tmp_path / folder / f"masks/{sha256}.png" for folder in ("out", "original")]
    assert masks[0].read_bytes() == masks[1].read_bytes()


@pytest.mark.parametrize(
    ("options", "is_legible"), [((), False), (("--no-redact",), True), (("--redact",), False)]
)
def test_the_command_redacts_if_there_is_a_bundle(
    options: tuple[str, ...],
    is_legible: bool,
    archive: Archive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = write_redaction_bundle(tmp_path / "redaction")
    monkeypatch.setenv("DAMAGE_REDACT_BUNDLE", str(bundle))
    data = private_photo()
    sha256 = archive.add("a", DENT, data=data)
    archive.decide("a", "confirm")
    result = CliRunner().invoke(cli, ["export", str(tmp_path / "out"), *options])
    assert result.exit_code == 0, result.output
    assert ("faces and plates are not pixelated" in result.output) is is_legible
    exported = (tmp_path / f"out/photos/{sha256}.jpg").read_bytes()
    assert (exported == data) is is_legible


def test_nothing_is_exported_if_the_bundle_cannot_be_used(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_REDACT_BUNDLE", str(tmp_path / "missing"))
    archive.add("a", DENT)
    result = CliRunner().invoke(cli, ["export", str(tmp_path / "out")])
    assert isinstance(result.exception, RedactionUnavailable)
    assert not (tmp_path / "out").exists()
