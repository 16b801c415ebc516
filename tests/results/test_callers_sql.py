"""The SQL of the documentation works, and the view `verdicts` has the documented columns."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from damage_tasks.damage import Severity
from damage_tasks.results.search_indices import PREFIX
from damage_tasks.results.store import Inspections
from tools.sample_pictures_and_results import damage, failed_inspection, finding, inspection

DOCS = Path(__file__).parents[2] / "docs"
CALLERS = (DOCS / "callers.md").read_text()
PLATFORM = (DOCS / "platform.md").read_text()


def sql(page: str) -> list[str]:
    return re.findall(r"^```sql\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def query(store: Inspections, text: str) -> list[dict[str, object]]:
    with store.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(text)).mappings()]


def test_every_query_finds_the_photo_of_the_car(store: Inspections) -> None:
    store.save(inspection("task-1", finding(damage("dent")), metadata={"car_id": 7}))
    store.save(inspection("task-2", metadata={"car_id": "8"}, sha256="2" * 64))
    assert len(sql(CALLERS)) == 2
    for text in sql(CALLERS):
        assert [row["id"] for row in query(store, text)] == ["task-1"], text


def test_the_view_has_the_documented_columns(store: Inspections) -> None:
    section = CALLERS.partition("### Read with SQL")[2].partition("###")[0]
    rows = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    documented = re.findall(r"`(\w+)`", " ".join(rows))
    store.save(inspection())
    assert list(query(store, "SELECT * FROM verdicts")[0]) == documented


def test_a_row_has_the_worst_severity_of_all_damaged_areas(store: Inspections) -> None:
    severities = [Severity.MINOR, Severity.SEVERE, Severity.MODERATE]
    damages = [replace(damage(), severity=severity) for severity in severities]
    store.save(inspection("task-1", finding(*damages), metadata={"car_id": 7}, case_id="case-1"))
    store.save(inspection("task-2", sha256="2" * 64))
    first, second = query(store, "SELECT * FROM verdicts ORDER BY id")
    assert (first["damage_count"], first["worst_severity"]) == (3, "severe")
    assert (first["car_id"], first["rental_id"], first["case_id"]) == ("7", None, "case-1")
    assert (first["verdict"], first["decided_by"], first["quality"]) == (
        "damaged",
        "damage",
        "good",
    )
    assert (second["damage_count"], second["worst_severity"]) == (0, None)


def test_a_failure_before_the_last_attempt_has_no_row(store: Inspections) -> None:
    for id, minutes in (("running", 60), ("given-up", -60)):
        final_after = datetime.now(UTC) + timedelta(minutes=minutes)
        store.save(failed_inspection(id, final_after=final_after))
    assert [row["id"] for row in query(store, "SELECT id FROM verdicts")] == ["given-up"]


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("car_id = '7'", f"{PREFIX}_car_id"),
        ("rental_id = 'r-1'", f"{PREFIX}_rental_id"),
        ("case_id = 'case-1'", "ix_inspections_case_id"),
        ("photo_sha256 = 'a'", "ix_inspections_photo_sha256"),
    ],
)
def test_a_condition_on_the_view_uses_the_index(
    store: Inspections, condition: str, index: str
) -> None:
    text = f"SELECT * FROM verdicts WHERE {condition} ORDER BY finished_at DESC"
    with store.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # The table is empty.
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
            plan = connection.execute(sa.text(f"EXPLAIN {text}")).all()
        else:
            plan = connection.execute(sa.text(f"EXPLAIN QUERY PLAN {text}")).all()
    assert index in "\n".join(str(row) for row in plan)


@pytest.mark.server
def test_a_reader_sees_verdicts_and_changes_nothing(migrated_postgres_url: str) -> None:
    reader, tables = sql(PLATFORM)
    name = f"reader_{migrated_postgres_url.rpartition('test_')[2][:8]}"
    admin = sa.create_engine(migrated_postgres_url, isolation_level="AUTOCOMMIT")
    store = Inspections(migrated_postgres_url)
    saved = store.save(replace(inspection("task-1", finding(damage())), case_id="return-1"))
    case = store.find_case("return-1")
    store.close()

    def may(text: str) -> bool:
        try:
            connection.execute(sa.text(text))
        except sa.exc.ProgrammingError as error:
            if "permission denied" in str(error):
                return False
            raise
        return True

    with admin.connect() as connection:
        connection.execute(sa.text(reader.replace("damage_reader", name)))
        try:
            connection.execute(sa.text(f"SET ROLE {name}"))
            assert may("SELECT * FROM verdicts v JOIN damages d ON d.finding_id = v.finding_id")
            assert not may("SELECT * FROM inspections")
            assert not may("DELETE FROM damages")
            connection.execute(sa.text("RESET ROLE"))
            connection.execute(sa.text(tables.replace("damage_reader", name)))
            connection.execute(sa.text(f"SET ROLE {name}"))
            assert may("SELECT id FROM inspections") and not may("DELETE FROM inspections")
            connection.execute(sa.text("RESET ROLE"))
            as_reader = sa.make_url(migrated_postgres_url).set(username=name)
            reading = Inspections(as_reader.render_as_string(hide_password=False))
            assert reading.find_outcome("task-1") == saved
            assert reading.search({"car_id": "none"}, 1) == ([], None)
            assert case and reading.find_case("return-1") == case
            reading.close()
        finally:
            connection.execute(sa.text("RESET ROLE"))
            connection.execute(sa.text(f"DROP OWNED BY {name}"))
            connection.execute(sa.text(f"DROP ROLE {name}"))
    admin.dispose()
