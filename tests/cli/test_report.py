"""``damage-tasks report``: precision and recall in production."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.results.schema_upgrade import migrate
from damage_tasks.results.store import Inspections
from damage_tasks.review.recording import record
from damage_tasks.settings import get_settings
from tests.operators.conftest import Recorder
from tools.sample_pictures_and_results import damage, finding, inspection


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inspections]:
    """Four photos of today: two with damage, of which people confirm one; one was missed."""
    url = f"sqlite:///{tmp_path}/damage.db"
    migrate(url)
    monkeypatch.setenv("DAMAGE_DATABASE_URL", url)
    monkeypatch.setenv("DAMAGE_REVIEW_AUDIT_SHARE", "1")
    store = Inspections(url)
    for number in range(4):
        found = finding(*([damage()] if number < 2 else []))
        now = datetime.now(UTC)
        store.save(inspection(f"task-{number}", found, sha256=f"{number:064x}", finished_at=now))
    for id, action in (("0", "confirm"), ("1", "no_damage"), ("3", "confirm")):
        record(store, f"task-{id}", "ann", action)
    record(store, "task-1", "bob", "confirm")
    record(store, "task-1", "ann", "no_damage")
    record(store, "task-2", "ann", "missed", {"type": "scratch", "point": [1, 1]})
    yield store
    store.close()


def run(*options: str) -> Any:
    return CliRunner().invoke(cli, ["report", *options])


@pytest.mark.usefixtures("store")
def test_the_report_in_words() -> None:
    done = run()
    assert done.exit_code == 0, done.output
    assert "50.0 % (50.0 to 50.0)" in done.output
    assert "type scratch" in done.output
    assert "People decided about 4 photos, 4 of them drawn by the random audit" in done.output
    assert "At least two people gave a verdict on 1 photo." in done.output
    assert "agree on damaged or clean: 0.0 % (0.0 to 79.3)." in done.output
    assert "found 1 damaged photo that the networks had missed" in done.output


@pytest.mark.usefixtures("store")
def test_the_report_has_the_time_zone_of_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "report.html"
    moment = "2026-11-21T16:30+00:00"
    assert "since 2026-11-21 16:30 UTC" in run("--since", moment).output
    monkeypatch.setenv("DAMAGE_TIME_ZONE", "Asia/Seoul")
    get_settings.cache_clear()
    assert "since 2026-11-22 01:30 KST" in run("--since", moment, "--html", str(page)).output
    assert "since 2026-11-22 01:30 KST" in page.read_text()


@pytest.mark.usefixtures("store")
def test_the_report_as_json_and_as_a_page(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("--json", "--since", "1d", "--html", str(page))
    found = json.loads(done.stdout)
    assert found["overall"]["recall"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert found["people"]["cleared"] == 1
    assert found["agreement"]["photos"] == 1
    assert found["agreement"]["share"]["value"] == 0.0
    assert found["agreement"]["kappa"] is None
    assert "50.0 % (50.0 to 50.0)" in page.read_text()
    assert "agree on damaged or clean" in page.read_text()


def test_the_column_says_how_many_decisions_the_estimates_use(
    store: Inspections, tmp_path: Path
) -> None:
    record(store, "task-0", "ann", "retake")
    page = tmp_path / "report.html"
    lines = run("--html", str(page)).output.splitlines()
    assert lines[1].strip() == "decisions"
    assert lines[2].split()[:2] == ["photos", "used"]
    assert lines[3].split()[:4] == ["all", "photos", "4", "3"]
    for text in ("\n".join(lines), page.read_text()):
        assert "People decided about 4 photos" in text
        assert "counts the photos whose decisions these estimates use" in text
    assert '<th scope="col">Decisions used</th>' in page.read_text()


@pytest.mark.usefixtures("store")
def test_a_recall_below_its_floor_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMAGE_RECALL_FLOOR", "0.9")
    done = run()
    assert done.exit_code == 1
    assert "below DAMAGE_RECALL_FLOOR (0.9)" in done.stderr


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """Takes what is posted to Slack."""
    recorder = Recorder()
    monkeypatch.setenv("DAMAGE_SLACK_WEBHOOK_URL", recorder.slack_url)
    yield recorder
    recorder.close()


@pytest.mark.usefixtures("store")
def test_a_summary_is_posted_to_slack(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run().exit_code == 0
    assert recorder.slack() == []
    assert run("--slack").exit_code == 0
    (text,) = recorder.slack()
    heading, *lines = text.splitlines()
    assert heading.startswith(":bar_chart: *photos examined since 20")
    assert heading.endswith("* on damage-tasks (development)")
    assert lines[:3] == [
        "photos: 4, decisions used: 4",
        "precision (95 %): 50.0 % (50.0 to 50.0)",
        "recall (95 %): 50.0 % (50.0 to 50.0)",
    ]
    assert lines[3].startswith("People decided about 4 photos")
    monkeypatch.setenv("DAMAGE_RECALL_FLOOR", "0.9")
    get_settings.cache_clear()
    assert run("--slack", "--json").exit_code == 1
    warning = "Warning: the recall may be below DAMAGE_RECALL_FLOOR (0.9)"
    assert recorder.slack()[1].splitlines()[1] == warning


@pytest.mark.usefixtures("store")
def test_a_summary_that_slack_does_not_accept_is_a_failure(recorder: Recorder) -> None:
    recorder.status = 503
    done = run("--slack")
    assert done.exit_code == 1
    assert "all photos" in done.stdout
    assert "Slack did not accept the summary" in done.stderr


@pytest.mark.usefixtures("store")
def test_slack_needs_its_webhook() -> None:
    done = run("--slack")
    assert done.exit_code != 0
    assert "DAMAGE_SLACK_WEBHOOK_URL" in str(done.exception) + done.output


@pytest.mark.usefixtures("store")
def test_a_period_without_photos_has_no_figures() -> None:
    done = run("--since", "0m", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["overall"]["photos"] == 0
    assert "all photos       0          0  unknown" in run("--since", "0m").output
