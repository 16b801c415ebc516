"""``damage-tasks forget --expired`` erases what the settings say is old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.erasure.photo_erasure import ErasureReport, PhotoEraser
from damage_tasks.erasure.retention import erase_expired
from damage_tasks.errors import SettingsError
from damage_tasks.results import picture_expiry, row_erasure
from damage_tasks.results.tables import decisions, findings, inspections
from damage_tasks.settings import get_settings
from tests.erasure.conftest import Deployment
from tests.labelling.conftest import DENT
from tools.sample_pictures_and_results import inspection

OLD = datetime.now(UTC) - timedelta(days=40)


@pytest.fixture
def aged(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """An old and a new inspection, each decided about at once, and a photo sent twice."""
    monkeypatch.setattr(picture_expiry, "BATCH", 2)
    deployment.add("old", DENT, finished_at=OLD)
    deployment.add("new", DENT)
    shared = Deployment.photo_of("shared")
    deployment.add("first", DENT, data=shared, finished_at=OLD)
    deployment.add("second", DENT, data=shared, finished_at=datetime.now(UTC))
    for name in ("old", "new"):
        deployment.decide(name, "confirm")
    with deployment.store.transaction() as connection:
        connection.execute(sa.update(findings).values(created_at=OLD))
        connection.execute(
            sa.update(decisions).where(decisions.c.inspection_id == "old").values(made_at=OLD)
        )
    return deployment


def expire(monkeypatch: pytest.MonkeyPatch, **days: int) -> str:
    for name, value in days.items():
        monkeypatch.setenv(f"DAMAGE_{name.upper()}_DAYS", str(value))
    done = CliRunner().invoke(cli, ["forget", "--expired", "--yes"])
    if isinstance(done.exception, Exception):
        raise done.exception
    return done.stdout


def names(deployment: Deployment) -> list[str]:
    return [n for n in ("old", "new", "first", "second") if deployment.store.find(n)]


def objects(deployment: Deployment, photo: str) -> int:
    """The number of stored objects about the photo of that name."""
    digest = deployment.digest_of("", Deployment.photo_of(photo))
    lines = deployment.everything().splitlines()
    return sum(line.startswith(("photos/", "overlays/", "masks/")) and digest in line
               for line in lines)  # fmt: skip


def test_inspections_expire_with_their_pictures(
    aged: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = expire(monkeypatch, retention=30)
    assert "erased: 2 inspections, 3 objects\n" in printed
    assert names(aged) == ["new", "second"]
    assert [objects(aged, name) for name in ("old", "new", "shared")] == [0, 3, 3]


def test_pictures_expire_after_the_last_inspection_of_the_photo(
    aged: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "erased: 0 inspections, 3 objects" in expire(monkeypatch, picture_retention=30)
    assert names(aged) == ["old", "new", "first", "second"]
    assert [objects(aged, name) for name in ("old", "new", "shared")] == [0, 3, 3]
    old = aged.store.find("old")
    assert old
    assert old.finding
    assert (old.finding.overlay_url, old.finding.mask_url) == (None, None)
    assert len(old.finding.damages) == 1
    assert "erased: 0 inspections, 0 objects" in expire(monkeypatch)


def test_decisions_expire_alone_and_the_inspection_stays_off_the_work_lists(
    aged: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = expire(monkeypatch, decision_retention=30)
    assert "erased: 0 inspections, 0 objects, 1 decision whose inspections stay\n" in printed
    left: dict[str, Any] = {}
    for name in ("old", "new"):
        found = aged.store.find_reviewed(name)
        assert found
        left[name] = len(found.decisions)
    assert left == {"old": 0, "new": 1}
    with aged.store.transaction() as connection:
        old = sa.select(inspections.c.decided_at).where(inspections.c.id == "old")
        assert connection.execute(old).scalar_one() is not None


def test_rows_of_the_same_moment_expire_in_several_batches(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_erasure, "BATCH", 2)
    for number in range(5):
        deployment.add(f"photo {number}", finished_at=OLD)
    assert "erased: 5 inspections, 15 objects" in expire(monkeypatch, retention=30)


def test_a_message_that_comes_again_after_midnight_is_not_stored_twice(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = inspection("task-1", finished_at=midnight - timedelta(seconds=1))
    again = inspection("task-1", finished_at=midnight + timedelta(seconds=1))
    same_photo = inspection("task-2", finished_at=midnight + timedelta(seconds=2))
    deployment.add("old", finished_at=OLD)
    deployment.store.save(first)
    # A retention run between the two days, which erases other rows.
    assert "erased: 1 inspection" in expire(monkeypatch, retention=30)
    assert deployment.store.save(again).finished_at == first.finished_at
    deployment.store.save(same_photo)
    with deployment.store.transaction() as connection:
        ids = connection.execute(sa.select(inspections.c.id)).scalars().all()
        digests = connection.execute(sa.select(findings.c.photo_sha256)).scalars().all()
    assert (sorted(ids), digests) == (["task-1", "task-2"], ["a" * 64])


def test_the_ids_of_expired_inspections_are_not_collected(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = ErasureReport()
    settings = get_settings().model_copy(update={"retention_days": 1})
    deployment.add("old", finished_at=datetime.now(UTC) - timedelta(days=2))
    erase_expired(deployment.store, PhotoEraser(deployment.store, settings), settings, report)
    assert (report.inspections, report.ids, report.photo_urls) == (1, set(), set())


@pytest.mark.usefixtures("aged")
def test_without_a_limit_nothing_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="nothing expires"):
        expire(monkeypatch)
