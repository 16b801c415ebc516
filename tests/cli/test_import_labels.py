"""``damage-tasks import`` counts decisions and names what it does not import."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.errors import LabelsInvalid
from damage_tasks.labelling.export_choice import LabelFormat
from tests.labelling.conftest import DENT, Archive, archive
from tests.labelling.test_label_import import exported

__all__ = ["archive"]


@pytest.mark.parametrize("level", ["INFO", "ERROR"])
def test_decisions_are_counted_and_other_photos_are_named(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("DAMAGE_LOG_LEVEL", level)
    # The command configures logging, with a stream that ends with the test.
    monkeypatch.setattr(logging.root, "handlers", [])
    sha256 = archive.add("a", DENT)
    tasks = [
        {"data": {"photo": sha256}, "annotations": [{"result": []}]},
        {"data": {"photo": "car.jpg"}, "annotations": [{"result": []}]},
    ]
    (tmp_path / "labels.json").write_text(json.dumps(tasks))
    done = CliRunner().invoke(cli, ["import", str(tmp_path / "labels.json"), "--person", "ann"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "photos: 1",
        "  decided: 1",
        "decisions: 1",
        "  no_damage: 1",
        "not imported: 1",
        "  its name does not contain the digest of a photo: 1",
    ]
    audit, other = done.stderr.splitlines()
    assert other == "car.jpg: its name does not contain the digest of a photo"
    line = json.loads(audit)
    assert line["logger"] == "damage_tasks.audit"
    assert (line["event"], line["person"]) == ("decided", "ann")


def test_a_file_whose_photos_are_all_unknown_is_an_error(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    task = {"data": {"photo": "f" * 64}, "annotations": [{"result": []}]}
    (tmp_path / "labels.json").write_text(json.dumps([task]))
    done = CliRunner().invoke(cli, ["import", str(tmp_path / "labels.json"), "--person", "ann"])
    assert isinstance(done.exception, LabelsInvalid)
    assert "labels.json: none of its photos was examined here" in str(done.exception)
    assert done.stderr.splitlines() == [f"{'f' * 64}: no examined photo has this digest"]


def test_photos_that_came_back_as_exported_are_counted(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    archive.add("a", DENT)
    exported(archive, tmp_path / "out", LabelFormat.COCO)
    command = ["import", str(tmp_path / "out" / "annotations.json"), "--person", "ann"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[:3] == ["photos: 1", "  as exported: 1", "decisions: 0"]
    assert done.stderr.startswith("1 photo came back as exported and got no decision")
    assert "import it again with --confirm-unchanged" in done.stderr
    confirmed = CliRunner().invoke(cli, [*command, "--confirm-unchanged"])
    assert confirmed.stdout.splitlines()[:4] == [
        "photos: 1", "  decided: 1", "decisions: 1", "  confirm: 1",
    ]  # fmt: skip
