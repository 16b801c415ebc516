"""`damage-tasks detect` examines photos without a queue."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.settings import get_settings
from tests.result_contract import check_result
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    return str(write_bundle(tmp_path / "bundle"))


def test_each_photo_gets_a_result_an_overlay_and_a_mask(tmp_path: Path, bundle: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a b.jpg").write_bytes(jpeg())
    (photos / "broken.png").write_bytes(b"no picture")
    (photos / "notes.txt").write_text("not looked at")
    out = tmp_path / "out"
    command = ["detect", str(photos), "--out", str(out), "--bundle", bundle]
    run = CliRunner().invoke(cli, command)
    assert run.exit_code == 0, run.output
    assert "photo_unreadable" in run.output or "not_a_photo" in run.output
    assert sorted(path.name for path in out.iterdir()) == [
        "a_b.json",
        "a_b.mask.png",
        "a_b.overlay.jpg",
        "broken.json",
    ]
    result = check_result(json.loads((out / "a_b.json").read_text()))
    assert result["verdict"] == "damaged"
    assert cv2.imread(str(out / "a_b.mask.png"), cv2.IMREAD_UNCHANGED).shape == (240, 320)
    assert cv2.imread(str(out / "a_b.overlay.jpg")).shape[1] == 320
    broken = check_result(json.loads((out / "broken.json").read_text()))
    assert broken["verdict"] == "rejected"


def test_the_workers_setting_to_keep_photos_replaces_no_image(
    tmp_path: Path, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_KEEP_PHOTOS", "all")
    get_settings.cache_clear()
    photo = tmp_path / "car.jpg"
    photo.write_bytes(jpeg())
    out = tmp_path / "out"
    run = CliRunner().invoke(cli, ["detect", str(photo), "--out", str(out), "--bundle", bundle])
    assert run.exit_code == 0, run.output
    images = [path.read_bytes() for path in out.iterdir()]
    assert len(images) == 3
    assert photo.read_bytes() not in images


def test_photos_of_the_same_name_do_not_overwrite_each_other(tmp_path: Path, bundle: str) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "car.jpg").write_bytes(jpeg())
    out = tmp_path / "out"
    photos = [str(tmp_path / folder / "car.jpg") for folder in ("one", "two")]
    CliRunner().invoke(cli, ["detect", *photos, "--out", str(out), "--bundle", bundle])
    assert {path.name for path in out.glob("*.json")} == {"car.json", "car-2.json"}


def test_a_path_that_does_not_exist_is_said_so(tmp_path: Path) -> None:
    run = CliRunner().invoke(cli, ["detect", str(tmp_path / "none.jpg")])
    assert run.exit_code == 2
    assert "no such file" in " ".join(run.output.replace("│", " ").split())


def test_an_empty_folder_says_which_files_count(tmp_path: Path) -> None:
    run = CliRunner().invoke(cli, ["detect", str(tmp_path)])
    assert run.exit_code == 2
    assert ".heic" in run.output


def test_an_invalid_url_is_rejected_and_the_others_are_examined(
    tmp_path: Path, bundle: str
) -> None:
    (tmp_path / "car.jpg").write_bytes(jpeg())
    out = tmp_path / "out"
    command = ["detect", "http://[::1", str(tmp_path / "car.jpg"), "--out", str(out)]
    run = CliRunner().invoke(cli, [*command, "--bundle", bundle])
    assert run.exit_code == 0, run.output
    results = [check_result(json.loads(path.read_text())) for path in sorted(out.glob("*.json"))]
    assert sorted(result["verdict"] for result in results) == ["damaged", "rejected"]
    (code,) = [result["reason"]["code"] for result in results if result["reason"]]
    assert code == "url_invalid"
