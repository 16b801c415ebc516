"""``damage-tasks forget`` leaves nothing of a photo in database, bucket and dead letters."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.damage_history import Evidence
from damage_tasks.inspection import State
from damage_tasks.results import row_erasure
from damage_tasks.results.car_photos import save_comparison
from damage_tasks.results.delivery import DeliveryState, EventType
from damage_tasks.results.outbox import add_event
from damage_tasks.results.tables import deliveries, metadata
from damage_tasks.results.work_lists import assign
from tests.erasure.conftest import HOOK, Deployment
from tests.labelling.conftest import DENT
from tools.sample_pictures_and_results import retrying


def forget(*arguments: str, answer: str = "y\n") -> tuple[str, str]:
    done = CliRunner().invoke(cli, ["forget", *arguments], input=answer)
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.stdout, done.stderr


@pytest.fixture
def busy(deployment: Deployment) -> Deployment:
    """A car with every kind of row, object and message, and another car."""
    deployment.add(
        "mine", DENT, metadata={"car_id": 7}, case_id="return-1", case_photos=1
    )  # fmt: skip
    deployment.add("other", DENT, metadata={"car_id": 8}, case_id="return-2", case_photos=1)
    for name in ("mine", "other"):
        deployment.decide(name, "confirm")
        deployment.decide(name, "note", text=f"about {name}")
        with deployment.store.transaction() as connection:
            assign(connection, name, "ann")
    for name in ("mine", "other"):
        deployment.add(f"{name} before", metadata={"car_id": 9})
        with deployment.store.transaction() as connection:
            save_comparison(connection, name, f"{name} before", 1, [Evidence.ABSENT])
            save_comparison(connection, f"{name} before", name, 1, [Evidence.MARKED])
    deployment.send_dead_letter("https://photos.example/mine.jpg")
    deployment.send_dead_letter("https://photos.example/revoked.jpg", car_id=7)
    deployment.send_dead_letter("https://photos.example/other.jpg", car_id=8)
    return deployment


def traces(deployment: Deployment, name: str) -> list[str]:
    """What is left of a photo."""
    everything = deployment.everything()
    wanted = (deployment.digest_of(name), f"{name}.jpg", f"'{name}'", f'"{name}"')
    return [text for text in wanted if text in everything]


@pytest.mark.parametrize("criterion", ["car", "photo"])
def test_nothing_of_a_photo_is_left_and_the_other_car_keeps_all(
    busy: Deployment, criterion: str
) -> None:
    assert len(traces(busy, "mine")) == 4
    assert "return-1" in busy.everything()
    kept = [line for line in busy.everything().splitlines() if "other" in line]
    value = "7" if criterion == "car" else busy.digest_of("mine")

    printed, log = forget(f"--{criterion}", value, "--by", "privacy@acme.example")

    assert traces(busy, "mine") == []
    everything = busy.everything()
    assert "return-1" not in everything
    assert [line for line in everything.splitlines() if "other" in line] == kept
    assert len(kept) >= 6
    assert ("revoked.jpg" in everything) is (criterion == "photo")
    assert "erased: 1 inspection, 3 objects" in printed
    for place in ("queue", "Sentry", "browsers", "exported folders", "senders' addresses"):
        assert place in printed.partition("not reached:")[2]
    (line,) = [json.loads(text) for text in log.splitlines() if "damage_tasks.audit" in text]
    assert (line["event"], line["person"], line["inspections"], line["complete"]) == (
        "forgot", "privacy@acme.example", 1, True,
    )  # fmt: skip
    assert line[criterion] == value


def test_the_audit_line_is_written_at_every_log_level(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_LOG_LEVEL", "ERROR")
    deployment.add("mine", DENT, metadata={"car_id": 7})
    _, log = forget("--car", "7", "--by", "ann")
    (line,) = [json.loads(text) for text in log.splitlines() if "damage_tasks.audit" in text]
    assert (line["event"], line["person"]) == ("forgot", "ann")


def test_nothing_is_erased_without_consent(busy: Deployment) -> None:
    before = busy.everything()
    done = CliRunner().invoke(cli, ["forget", "--car", "7"], input="n\n")
    assert done.exit_code == 1
    assert "inspections: 1" in done.stdout
    assert busy.everything() == before


@pytest.mark.parametrize("arguments", [[], ["--car", "7", "--before", "1d"]])
def test_one_criterion_is_needed(arguments: list[str]) -> None:
    done = CliRunner().invoke(cli, ["forget", *arguments, "--yes"])
    assert done.exit_code == 2
    assert "give one of" in done.output


def test_shared_pictures_stay_until_the_last_inspection_goes(deployment: Deployment) -> None:
    data = Deployment.photo_of("shared")
    for car in (7, 8):
        deployment.add(f"car {car}", DENT, data=data, metadata={"car_id": car})
    assert "erased: 1 inspection, 0 objects" in forget("--car", "7", "--yes")[0]
    digest = deployment.digest_of("", data)
    assert deployment.everything().count(f"photos/{digest}") == 1
    assert deployment.store.find("car 8")
    assert "erased: 1 inspection, 3 objects" in forget("--car", "8", "--yes")[0]
    assert digest not in deployment.everything()


def test_a_digest_erases_all_inspections_and_objects_that_the_database_does_not_know(
    deployment: Deployment, aws: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_erasure, "BATCH", 2)
    data = Deployment.photo_of("shared")
    digest = deployment.digest_of("", data)
    for number in range(5):
        deployment.add(f"sent {number}", DENT, data=data)
    unknown = f"overlays/{digest[:2]}/{digest}/{'c' * 16}.jpg"
    aws.client("s3").put_object(Bucket=bucket, Key=unknown, Body=b"of an old bundle")
    assert "erased: 5 inspections, 4 objects" in forget("--photo", digest, "--yes")[0]
    assert digest not in deployment.everything()
    assert "erased: 0 inspections, 0 objects" in forget("--photo", digest, "--yes")[0]


def test_older_versions_of_pictures_are_erased_too(
    deployment: Deployment, aws: Any, bucket: str
) -> None:
    aws.client("s3").put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    for _ in range(2):
        deployment.add("again", DENT, metadata={"car_id": 7})
    forget("--car", "7", "--yes")
    listed = aws.client("s3").list_object_versions(Bucket=bucket)
    assert not listed.get("Versions")
    assert not listed.get("DeleteMarkers")


def test_all_of_a_time_is_erased_with_its_events_and_progress(deployment: Deployment) -> None:
    now = datetime.now(UTC)
    deployment.add("old", DENT, finished_at=now - timedelta(days=40))
    deployment.add("new", DENT, finished_at=now)
    old = now - timedelta(days=40)
    deployment.store.save_progress(retrying(old))
    with deployment.store.transaction() as connection:
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.inspection_id != "new")
            .values(state=str(DeliveryState.FAILED), ended_at=old)
        )
    assert State.RETRYING in deployment.everything()
    forget("--before", "30d", "--yes")
    assert traces(deployment, "old") == []
    assert "task-1" not in deployment.everything()
    assert len(traces(deployment, "new")) == 4


def test_receivers_of_events_are_named(deployment: Deployment) -> None:
    deployment.add("mine", metadata={"car_id": 7})
    with deployment.store.transaction() as connection:
        connection.execute(sa.update(deliveries).values(state=str(DeliveryState.DELIVERED)))
    printed, _ = forget("--car", "7", "--yes")
    assert "- 1 event received by https://rental.example" in printed


def test_an_unreachable_queue_is_named_and_the_rest_is_erased(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_QUEUE_URL", "http://127.0.0.1:9/000000000000/none")
    deployment.add("mine", metadata={"car_id": 7})
    printed, _ = forget("--car", "7", "--yes")
    assert "- dead letters: " in printed
    assert traces(deployment, "mine") == []


def test_every_table_is_either_erased_by_inspection_or_known() -> None:
    others = {name for name, table in metadata.tables.items() if "inspection_id" not in table.c}
    assert others == {
        "findings", "comparison_findings", "reexaminations", "damages", "inspections", "progress",
        "disabled_targets", "fleet_alerts",
    }  # fmt: skip


@pytest.mark.parametrize("is_named", [True, False], ids=["with case_id", "of an older worker"])
def test_an_event_of_another_case_stays(deployment: Deployment, is_named: bool) -> None:
    deployment.add("mine", DENT, metadata={"car_id": 7}, case_id="r_1")
    with deployment.store.transaction() as connection:
        for case_id in ("r_1", "rx1"):
            add_event(
                connection,
                EventType.CASE_COMPLETED,
                {"case_id": case_id},
                [HOOK],
                case_id=case_id if is_named else None,
            )
    forget("--car", "7", "--yes")
    assert "rx1" in deployment.everything()
    assert "r_1" not in deployment.everything()


@pytest.mark.server
def test_the_events_of_a_case_are_found_by_an_index(migrated_postgres_url: str) -> None:
    engine = sa.create_engine(migrated_postgres_url)
    plans: list[str] = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def explain(_c: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("DELETE FROM deliveries WHERE deliveries.type"):
            cursor.execute(f"SET LOCAL enable_seqscan = off; EXPLAIN {statement}", parameters)
            plans.append(str(cursor.fetchall()))

    with engine.begin() as connection:
        row = connection.execute(
            sa.text(
                "SELECT 'task-1' AS id, 'return-1' AS case_id, NULL AS finding_id, "
                "NULL AS photo_sha256"
            )
        ).one()
        row_erasure.delete_inspections(connection, [row])
    engine.dispose()
    assert len(plans) == 1 and "ix_deliveries_case_id" in plans[0]
