"""`damage-tasks demo` writes only to its output folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks import devstack
from damage_tasks.__main__ import cli
from damage_tasks.cli.contact_sheet import write_contact_sheet
from damage_tasks.cli.demo import forget_last_run
from damage_tasks.errors import StackError
from tools.sample_pictures_and_results import jpeg

REJECTED: dict[str, Any] = {
    "verdict": "rejected",
    "reason": {"code": "not_a_photo", "text": "<no> [photo]"},
    "overlay_url": None,
    "damage_score": None,
    "damages": [],
    "quality": None,
    "bundle": None,
}


def refusal(*words: str) -> str:
    run = CliRunner().invoke(cli, ["demo", *words])
    assert run.exit_code == 2
    return " ".join(run.output.replace("│", " ").split())


def test_settings_of_the_shell_are_named_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stack:
        def __init__(self, *_: Any, **__: Any) -> None:
            used = [name for name in os.environ if name.startswith("DAMAGE_")]
            raise StackError(f"used: {used}")

    monkeypatch.setattr(devstack, "Stack", Stack)
    for name in [name for name in os.environ if name.startswith("DAMAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DAMAGE_EVENT_TARGETS", "https://production.example/hook")
    run = CliRunner().invoke(cli, ["demo", "--out", str(tmp_path), "--count", "1"])
    assert "The demo does not use DAMAGE_EVENT_TARGETS" in run.output
    assert run.exception
    assert str(run.exception) == "used: []"


@pytest.mark.parametrize("folder", ["overlays", "thumbnails"])
def test_photos_that_would_be_overwritten_are_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "car.jpg").write_bytes(jpeg())
    text = refusal("--photos", str(tmp_path / folder), "--out", str(tmp_path))
    assert "would be overwritten" in text


def test_photos_next_to_the_results_are_not_changed(tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "car.jpg"
    photo.parent.mkdir()
    photo.write_bytes(jpeg(2000, 1500))
    before = photo.read_bytes()
    page = write_contact_sheet(tmp_path, [("car", photo, REJECTED)])
    assert photo.read_bytes() == before
    assert (tmp_path / "thumbnails/car.jpg").exists()
    assert "not_a_photo: &lt;no&gt; [photo]" in page.read_text()


def test_an_earlier_demos_pictures_are_removed_and_others_kept(tmp_path: Path) -> None:
    for folder in ("overlays", "thumbnails"):
        (tmp_path / folder).mkdir()
        for name in ("old.jpg", "mine.jpg"):
            (tmp_path / folder / name).touch()
    (tmp_path / "mine.jpg").touch()
    last = [{"metadata": {"photo": "old"}}, {"metadata": {"photo": "../mine"}}]
    (tmp_path / "overlays/mine.jpg").rename(tmp_path / "overlays/kept.jpg")
    (tmp_path / "results.json").write_text(json.dumps(last))
    forget_last_run(tmp_path)
    assert [p.name for p in (tmp_path / "overlays").iterdir()] == ["kept.jpg"]
    assert (tmp_path / "mine.jpg").exists()
    (tmp_path / "results.json").write_text('{"not": "ours"}')
    forget_last_run(tmp_path)
    assert (tmp_path / "overlays/kept.jpg").exists()


def test_a_url_is_not_for_the_demo(tmp_path: Path) -> None:
    text = refusal("--photos", "https://photos.example/car.jpg", "--out", str(tmp_path))
    assert "damage-tasks detect https://photos.example/car.jpg" in text
