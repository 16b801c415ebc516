"""``damage-tasks drift``: the photos of a day against the reference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.inspection import Quality
from damage_tasks.results import examined_photos
from damage_tasks.results.schema_upgrade import migrate
from damage_tasks.results.store import Inspections
from tools.sample_pictures_and_results import finding, inspection

NOW = datetime.now(UTC)
PHOTOS = 55


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inspections]:
    """The reference is ten days ago; yesterday was the same, and today is darker."""
    url = f"sqlite:///{tmp_path}/damage.db"
    migrate(url)
    days = [(NOW - timedelta(days=n)).date().isoformat() for n in (11, 9)]
    monkeypatch.setenv("DAMAGE_DATABASE_URL", url)
    monkeypatch.setenv("DAMAGE_DRIFT_REFERENCE", ",".join(days))
    monkeypatch.setenv("DAMAGE_DRIFT_PHOTOS", "50")
    store = Inspections(url)
    for age, light in ((10, 0.5), (1.5, 0.5), (0.5, 0.3)):
        for number in range(PHOTOS):
            found = finding(quality=Quality(100.0, light + number / 1000, "good"))
            sha256 = f"{age * 1000 + number:064.0f}"
            finished = NOW - timedelta(days=age)
            id = f"task-{age}-{number}"
            store.save(inspection(id, found, sha256=sha256, finished_at=finished))
    yield store
    store.close()


def run(*options: str) -> Any:
    return CliRunner().invoke(cli, ["drift", *options])


@pytest.mark.usefixtures("store")
def test_darker_photos_end_with_status_1() -> None:
    done = run()
    assert done.exit_code == 1, done.output
    assert "drifted: brightness" in done.output
    assert f"reference: setting, {PHOTOS} photos, 20" in done.output
    assert json.loads(run("--json").stdout)["figures"]["brightness"]["ks"] > 0.5


@pytest.mark.usefixtures("store")
def test_the_day_before_had_not_drifted() -> None:
    done = run("--since", "36.5h", "--until", "30h")
    assert "hour of the day (UTC)" in done.output
    assert "sharpness" in done.output
    assert "brightness" not in done.stderr


@pytest.mark.usefixtures("store")
def test_an_estimated_number_of_photos_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert f" of {PHOTOS} photos" in run().output
    assert json.loads(run("--json").stdout)["total_is_exact"]
    monkeypatch.setattr(examined_photos, "MAX_COUNTED_PHOTOS", 20)
    assert f" of about {PHOTOS} photos" in run().output
    assert not json.loads(run("--json").stdout)["total_is_exact"]


@pytest.mark.usefixtures("store")
def test_without_photos_nothing_is_compared() -> None:
    done = run("--since", "1h")
    assert done.exit_code == 0
    assert "there is no reference yet" in done.output
