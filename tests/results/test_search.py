"""Inspections are found by metadata, photo, time and result, page by page."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.damage import Severity
from damage_tasks.errors import SearchInvalid
from damage_tasks.inspection import PhotoFacts
from damage_tasks.results.search import INDEXED_CHARACTERS
from damage_tasks.results.search_indices import FILTERS, PREFIX, fit_search_indices
from damage_tasks.results.search_pages import find_rows
from damage_tasks.results.store import Inspections
from tools.sample_pictures_and_results import damage, failed_inspection, finding, inspection

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LONG = "x" * INDEXED_CHARACTERS


def save(store: Inspections, id: str, *, minutes: int = 0, **changes: Any) -> None:
    moment = NOON + timedelta(minutes=minutes)
    store.save(inspection(id, finished_at=moment, **changes))


def found(store: Inspections, limit: int = 100, **criteria: Any) -> list[str]:
    inspections, _ = store.search(criteria, limit)  # type: ignore[arg-type]
    return [one.id for one in inspections]


@pytest.mark.parametrize(
    ("metadata", "criteria", "matches"),
    [
        ({"car_id": 7}, {"car_id": 7}, True),
        ({"car_id": 7}, {"car_id": "7"}, True),
        ({"car_id": "7"}, {"car_id": 7}, True),
        ({"car_id": 77}, {"car_id": 7}, False),
        ({}, {"car_id": 7}, False),
        ({"car_id": None}, {"car_id": 7}, False),
        ({"rental_id": "r-1"}, {"rental_id": "r-1"}, True),
        ({"rental_id": "r-1"}, {"car_id": "r-1"}, False),
        ({"car_id": LONG + "a"}, {"car_id": LONG + "a"}, True),
        ({"car_id": LONG + "a"}, {"car_id": LONG + "b"}, False),
        ({"car_id": LONG + "a"}, {"car_id": LONG}, False),
        ({"car_id": "ü\0"}, {"car_id": "ü\0"}, True),
        ({"plate": "B 7", "x": 1}, {"metadata": {"plate": "B 7"}}, True),
        ({"plate": "B 7"}, {"metadata": {"plate": "B 8"}}, False),
        ({"plate": "B 7"}, {"metadata": {"plate": "B 7", "x": 1}}, False),
        ({"car_id": 7}, {"metadata": {"car_id": 7}}, True),
        ({"car_id": 7}, {"metadata": {"car_id": "7"}}, False),
        ({"car_id": "7"}, {"metadata": {"car_id": 7}}, False),
        ({"share": 0.5}, {"metadata": {"share": 0.5}}, True),
        ({"express": True}, {"metadata": {"express": True}}, True),
        ({"express": True}, {"metadata": {"express": 1}}, False),
        ({"express": 1}, {"metadata": {"express": True}}, False),
        ({"note": None}, {"metadata": {"note": None}}, True),
        ({}, {"metadata": {"note": None}}, False),
        ({"rental": {"id": 7, "x": 1}}, {"metadata": {"rental": {"id": 7}}}, True),
        ({"rental": {"id": 8}}, {"metadata": {"rental": {"id": 7}}}, False),
        ({"rental": 7}, {"metadata": {"rental": {"id": 7}}}, False),
        ({'a"b\\c.d $': "1"}, {"metadata": {'a"b\\c.d $': "1"}}, True),
        ({"a'b": "1"}, {"metadata": {"a'b": "1"}}, True),
        ({"a%b": "1"}, {"metadata": {"a%b": "1"}}, True),
        ({"a": "1"}, {"metadata": {}}, True),
    ],
)
def test_metadata_are_compared(
    store: Inspections, metadata: dict[str, Any], criteria: dict[str, Any], matches: bool
) -> None:
    save(store, "task-1", metadata=metadata)
    assert found(store, **criteria) == (["task-1"] if matches else [])


def test_photos_are_found_by_their_case(store: Inspections) -> None:
    save(store, "task-1", case_id="case-1")
    save(store, "task-2", sha256="2" * 64)
    assert found(store, case_id="case-1") == ["task-1"]


def test_photos_are_found_by_url_and_by_digest(store: Inspections) -> None:
    save(store, "task-1", sha256="1" * 64, photo_url="https://photos.example/1.jpg")
    save(store, "task-2", sha256="2" * 64, photo_url="https://photos.example/2.jpg")
    assert found(store, photo="https://photos.example/1.jpg") == ["task-1"]
    assert found(store, photo="2" * 64) == ["task-2"]


def test_time_verdict_type_and_score_limit_what_is_found(store: Inspections) -> None:
    save(store, "clean", sha256="1" * 64)
    save(store, "dent", sha256="2" * 64, found=finding(damage("dent")), minutes=1)
    save(store, "scratch", sha256="3" * 64, found=finding(damage("scratch")), minutes=2)
    assert found(store) == ["scratch", "dent", "clean"]
    middle = NOON + timedelta(minutes=1)
    assert found(store, since=middle) == ["scratch", "dent"]
    assert found(store, until=middle) == ["clean"]
    assert found(store, verdict="damaged") == ["scratch", "dent"]
    assert found(store, verdict=["clean", "failed"]) == ["clean"]
    assert found(store, type="dent") == ["dent"]
    assert found(store, severity="minor") == ["scratch", "dent"]
    assert found(store, severity="severe") == []
    assert found(store, min_score=0.9) == ["scratch", "dent"]
    assert found(store, verdict="damaged", until=middle) == []


def test_type_and_severity_are_those_of_the_same_damaged_area(store: Inspections) -> None:
    severe = replace(damage("scratch"), severity=Severity.SEVERE)
    save(store, "task-1", found=finding(damage("dent"), severe))
    assert found(store, type="scratch", severity="severe") == ["task-1"]
    assert found(store, type="dent", severity="severe") == []


@pytest.mark.parametrize(
    ("camera", "matches"),
    [
        ("Apple", True),
        ("apple iphone 14", True),
        (" APPLE  iPhone 14 Pro ", True),
        ("Apple iPhone 1", False),
        ("iPhone", False),
        ("A%", False),
        ("", False),
    ],
)
def test_photos_are_found_by_make_and_model_of_the_camera(
    store: Inspections, camera: str, matches: bool
) -> None:
    photo = PhotoFacts("a" * 64, 12_345, 320, 240, "Apple iPhone 14 Pro")
    save(store, "task-1", photo=photo)
    save(store, "task-2", sha256="2" * 64)
    assert found(store, camera=camera) == (["task-1"] if matches else [])


def test_a_failure_before_the_last_attempt_is_not_found(store: Inspections) -> None:
    for id, minutes in (("running", 60), ("given-up", -60)):
        final_after = datetime.now(UTC) + timedelta(minutes=minutes)
        store.save(failed_inspection(id, final_after=final_after))
    assert found(store) == ["given-up"]


def test_pages_contain_every_inspection_once_even_at_the_same_time(store: Inspections) -> None:
    for number in range(7):
        save(store, f"task-{number}", minutes=number // 3)
    ids: list[str] = []
    cursor: str | None = None
    sizes = []
    while True:
        page, cursor = store.search({}, 3, cursor)
        ids += [one.id for one in page]
        sizes.append(len(page))
        save(store, f"later-{len(sizes)}", minutes=99)
        if cursor is None:
            break
    assert ids == [f"task-{number}" for number in (6, 5, 4, 3, 2, 1, 0)]
    assert sizes == [3, 3, 1]


def test_a_page_is_read_with_its_findings_in_four_queries(store: Inspections) -> None:
    saved = [
        inspection(f"task-{n}", finding(damage(), damage("scratch")), sha256=str(n) * 64)
        for n in range(3)
    ]
    for one in saved:
        store.save(one)
    statements = []
    sa.event.listen(store.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    page, _ = store.search({}, 10)
    assert sorted(page, key=lambda one: one.id) == saved
    assert len(statements) == 4


@pytest.mark.parametrize(
    "criteria",
    [
        {"car_id": True},
        {"car_id": 1.5},
        {"metadata": ["car_id"]},
        {"metadata": {"parts": ["door"]}},
        {"metadata": {"a": {"b": [1]}}},
        {"metadata": {"share": float("nan")}},
        {"metadata": {"share": float("inf")}},
        {"since": datetime(2026, 11, 22)},  # noqa: DTZ001  # the time zone is missing
        {"until": "2026-11-22"},
        {"since": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))},
        {"until": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))},
        {"verdict": "dented"},
        {"verdict": []},
        {"verdict": 5},
        {"severity": "bad"},
        {"severity": 1},
        {"min_score": 80},
        {"min_score": True},
    ],
)
def test_a_wrong_criterion_is_named(store: Inspections, criteria: dict[str, Any]) -> None:
    with pytest.raises(SearchInvalid, match=next(iter(criteria))):
        store.search(criteria, 10)  # type: ignore[arg-type]


def test_a_period_that_ends_before_it_begins_is_refused(store: Inspections) -> None:
    with pytest.raises(SearchInvalid, match="since: .* is after until .*; give an earlier since"):
        store.search({"since": NOON, "until": NOON - timedelta(seconds=1)}, 10)
    assert store.search({"since": NOON, "until": NOON}, 10) == ([], None)


@pytest.mark.parametrize("text", ["\0", "\ud800"])
def test_text_that_cannot_be_stored_is_found_nowhere(store: Inspections, text: str) -> None:
    save(store, "task-1")
    assert not found(store, type=text)
    cursor = base64.urlsafe_b64encode(json.dumps([NOON.isoformat(), text]).encode()).decode()
    assert store.search({"car_id": text}, 10, cursor) == ([], None)


BEFORE_YEAR_1 = base64.urlsafe_b64encode(b'["0001-01-01T00:00:00+01:00", "task-1"]').decode()


@pytest.mark.parametrize(
    "cursor", ["", "x", "bnVsbA", "WyIyMDI2LTExLTIyIiwgInQiXQ", "ü", BEFORE_YEAR_1]
)
def test_a_wrong_cursor_is_refused(store: Inspections, cursor: str) -> None:
    with pytest.raises(SearchInvalid, match="cursor"):
        store.search({}, 10, cursor)


@pytest.mark.parametrize("limit", [0, 1001, "5", 2.5])
def test_a_page_has_a_size(store: Inspections, limit: Any) -> None:
    with pytest.raises(SearchInvalid, match="limit"):
        store.search({}, limit)


def test_an_unknown_criterion_is_named(store: Inspections) -> None:
    with pytest.raises(TypeError, match="colour is not a criterion; there are car_id"):
        store.search({"colour": "red"}, 10)  # type: ignore[typeddict-unknown-key]


MANY = 200_000
FILL = """
INSERT INTO inspections (id, photo_url, photo_sha256, verdict, damage_score, reused, timings_ms,
    attempts, metadata, finished_at, camera)
SELECT 'task-' || n, 'https://photos.example/' || n, md5(n::text) || md5(n::text), 'clean', 0.1,
    false, '{}', 1, jsonb_build_object('car_id', n % 20000, 'rental_id', 'r-' || n / 10,
    'plate', 'B ' || n / 10), timestamptz '2026-11-22' - n * interval '1 second',
    'Make' || n % 500 || ' Model ' || n % 5000
FROM generate_series(1, :rows) AS n
"""


@pytest.fixture(scope="module")
def full_database(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """PostgreSQL with 200,000 inspections of 20,000 cars and an index of all metadata."""
    from tests.conftest import new_database

    with new_database(postgres_server, migrated_template) as url:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.text(FILL), {"rows": MANY})
        fit_search_indices(url, ("car_id", "rental_id"), all_metadata=True)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("ANALYZE inspections"))
        engine.dispose()
        yield url


@pytest.mark.xdist_group("search")
@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize(
    ("criteria", "index"),
    [
        ({"car_id": 7}, f"{PREFIX}_car_id"),
        ({"rental_id": "r-77", "verdict": "clean"}, f"{PREFIX}_rental_id"),
        ({"metadata": {"car_id": 7}}, f"{PREFIX}_car_id"),
        ({"metadata": {"plate": "B 77"}}, PREFIX),
        ({"photo": "https://photos.example/7"}, "ix_inspections_photo_url"),
        ({"photo": "7" * 64}, "ix_inspections_photo_sha256"),
        ({"since": datetime(2026, 11, 22, tzinfo=UTC)}, "ix_inspections_finished_at"),
        ({"verdict": "damaged"}, "ix_inspections_verdict_finished_at"),
        ({"camera": "nikon"}, f"{FILTERS}_camera"),
        ({"camera": "Make7 Model 7"}, f"{FILTERS}_camera"),
        ({"min_score": 0.999}, f"{FILTERS}_score"),
        ({"severity": "severe"}, f"{FILTERS}_severity"),
        ({}, "ix_inspections_finished_at"),
    ],
)
def test_a_search_uses_an_index(full_database: str, criteria: dict[str, Any], index: str) -> None:
    engine = sa.create_engine(full_database)

    @sa.event.listens_for(engine, "before_cursor_execute", retval=True)
    def explain(
        _connection: object, _cursor: object, statement: str, parameters: object, *_: object
    ) -> tuple[str, object]:
        return f"EXPLAIN {statement}", parameters

    with engine.begin() as connection:
        plans = [row[0] for row in find_rows(connection, criteria, 101, None)]  # type: ignore[arg-type]
    engine.dispose()
    plan = "\n".join(plans)
    assert f"{index} " in plan, plan
    assert "Seq Scan" not in plan, plan


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.xdist_group("search")
def test_the_next_page_starts_in_the_index(full_database: str) -> None:
    store = Inspections(full_database)
    page, cursor = store.search({"car_id": 7}, 4)
    rest, end = store.search({"car_id": 7}, 100, cursor)
    store.close()
    numbers = [int(one.id.removeprefix("task-")) for one in (*page, *rest)]
    assert numbers == sorted(range(7, MANY + 1, 20_000))
    assert end is None
