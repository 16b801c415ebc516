"""``damage-tasks export`` counts what it exports and what it leaves out."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from tests.labelling.conftest import DENT, Archive, archive

__all__ = ["archive"]


def test_counts_and_reasons_are_printed(archive: Archive, tmp_path: Path) -> None:
    archive.add("kept", DENT)
    archive.add("gone", DENT, kept=False, photo_url=None)
    for name in ("kept", "gone"):
        archive.decide(name, "confirm")
    done = CliRunner().invoke(cli, ["export", str(tmp_path / "out"), "--since", "1h"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "exported: 1",
        "  damaged: 1",
        "left out: 1",
        "  original no longer available: 1",
        f"listed in {tmp_path}/out/left-out.csv",
    ]
