"""``damage-tasks import`` counts decisions and names what it does not import."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from tests.labelling.conftest import DENT, Archive, archive

__all__ = ["archive"]


def test_decisions_are_counted_and_other_photos_are_named(archive: Archive, tmp_path: Path) -> None:
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
    assert done.stderr == "car.jpg: its name does not contain the digest of a photo\n"
