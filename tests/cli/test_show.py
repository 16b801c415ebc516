"""``damage-tasks show`` prints the verdict of a photo, or how far it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta

import jsonschema
import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.inspection import Finding, Progress, State
from damage_tasks.results.store import Inspections
from damage_tasks.review.recording import record
from tests.car_history.conftest import archive, car
from tests.result_contract import PROGRESS_SCHEMA, check_result, strict
from tools.sample_pictures_and_results import (
    NOW,
    damage,
    failed_inspection,
    finding,
    inspection,
    retrying,
)

__all__ = ["archive", "car"]

RUNNING = Progress(
    "task-1",
    State.RUNNING,
    1,
    NOW,
    1,
    NOW,
    worker="worker1@pod-7",
    since=NOW - timedelta(minutes=1),
)
RETRYING = retrying()


@pytest.fixture
def store(migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inspections]:
    """The database that the command reads."""
    monkeypatch.setenv("DAMAGE_DATABASE_URL", migrated_sqlite_url)
    store = Inspections(migrated_sqlite_url)
    yield store
    store.close()


def show(*arguments: str) -> str:
    run = CliRunner(env={"COLUMNS": "120"}).invoke(cli, ["show", *arguments])
    assert run.exit_code == 0, run.output
    return run.stdout


def test_decisions_of_people_and_what_counts_are_shown(store: Inspections) -> None:
    store.save(inspection("task-1", found=finding(damage("dent"))))
    record(store, "task-1", "ann", "no_damage")
    shown = show("task-1")
    assert re.search(r"decision +\S+ ann: no_damage", shown)
    assert re.search(r"final verdict +clean, decided by ann", shown)
    assert re.search(r"billable +no", shown)


def test_a_running_photo_names_its_worker_and_since_when(store: Inspections) -> None:
    store.save_progress(RUNNING)
    shown = show("task-1")
    assert "running" in shown and "worker1@pod-7" in shown and "2026-11-22T11:59:00" in shown


def test_a_retry_says_why_and_when(store: Inspections) -> None:
    store.save_progress(RETRYING)
    shown = show("task-1")
    assert "retrying" in shown and "download_failed: 503" in shown
    assert "about 2026-11-22T12:02:00" in shown


@pytest.mark.parametrize("progress", [RUNNING, RETRYING])
def test_progress_keeps_its_contract(store: Inspections, progress: Progress) -> None:
    store.save_progress(progress)
    jsonschema.validate(json.loads(show("task-1", "--json")), strict(PROGRESS_SCHEMA))


def test_a_verdict_replaces_the_progress(store: Inspections) -> None:
    store.save_progress(RETRYING)
    store.save(inspection("task-1", finding(damage())))
    assert check_result(json.loads(show("task-1", "--json")))["state"] == "done"


@pytest.mark.parametrize(
    ("found", "overlay", "mask"),
    [
        (finding(damage()), "s3://bucket/overlays/a.jpg", "s3://bucket/masks/a.png"),
        (finding(mask_url=None), "s3://bucket/overlays/a.jpg", "not stored, because no damage"),
        (finding(damage(), overlay_url=None, mask_url=None), "erased", "erased"),
    ],
)
def test_a_picture_that_does_not_exist_says_why(
    store: Inspections, found: Finding, overlay: str, mask: str
) -> None:
    store.save(inspection("task-1", found))
    rows = dict(re.split(r" {2,}", line, maxsplit=1) for line in show("task-1").splitlines())
    assert rows["overlay"].startswith(overlay)
    assert rows["mask"].startswith(mask)


def test_a_photo_that_was_not_examined_has_no_rows_of_pictures(store: Inspections) -> None:
    store.save(failed_inspection())
    assert "overlay" not in show("task-1") and "mask" not in show("task-1")


def test_a_case_is_shown_as_a_table_and_as_json(store: Inspections) -> None:
    store.save(inspection("task-1", finding(damage("dent")), case_id="c-1", case_photos=2))
    shown = show("--case", "c-1")
    assert "1 of 2 examined; 1 damaged, 0 clean" in shown and "dent" in shown
    case = json.loads(show("--case", "c-1", "--json"))
    assert (case["case_id"], case["complete"], case["damages"]) == ("c-1", False, {"dent": 1})


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [([], "give an inspection id, or --case"), (["--case", "none"], "no photo of case none has")],
)
def test_a_case_or_an_inspection_is_needed(arguments: list[str], text: str) -> None:
    run = CliRunner().invoke(cli, ["show", *arguments])
    assert run.exit_code != 0
    assert text in (run.stderr + str(run.exception))


def test_an_unknown_id_is_not_found(store: Inspections) -> None:
    run = CliRunner().invoke(cli, ["show", "nothing"])
    assert run.exit_code == 1


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("photo", ["a" * 64, "A" * 64, "s3://photos/1.jpg"])
def test_an_id_that_looks_like_a_photo_leads_to_find(photo: str) -> None:
    run = CliRunner().invoke(cli, ["show", photo])
    assert str(run.exception) == f"no inspection {photo}; find a photo with `find --photo`"


@pytest.mark.usefixtures("car")
def test_the_history_of_a_car_is_compared_and_shown() -> None:
    shown = show("now", "--history")
    assert "1 of 1 earlier photo" in shown and "earlier photos" not in shown
    assert "new (absent, yesterday of 2026-11-21" in shown
    assert "seen before (marked, yesterday" in shown
    history = json.loads(show("now", "--history", "--json"))["history"]
    assert [each["novelty"] for each in history["damages"]] == ["new", "seen_before"]
    refused = CliRunner().invoke(cli, ["show", "--case", "c", "--history"])
    assert refused.exit_code != 0
