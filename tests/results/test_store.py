"""Every inspection is stored exactly once, in PostgreSQL and in SQLite."""

from __future__ import annotations

import multiprocessing
import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa

from damage_tasks.errors import DatabaseError, DatabaseUnavailable
from damage_tasks.inspection import Inspection, PhotoFacts, Reason, Verdict
from damage_tasks.results.store import Inspections
from damage_tasks.results.tables import damages, findings, inspections
from tools.sample_pictures_and_results import damage, failed_inspection, finding, inspection


def rows(store: Inspections, table: sa.Table) -> int:
    with store.engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_a_stored_inspection_is_found(store: Inspections) -> None:
    saved = inspection("task-1", finding(damage(), damage("scratch")), metadata={"car": [1, "ü"]})
    assert store.save(saved) == saved
    assert store.find("task-1") == saved


def test_an_unknown_id_is_not_found(store: Inspections) -> None:
    assert store.find("nothing") is None


def test_the_same_task_twice_is_one_row(store: Inspections) -> None:
    first = inspection("task-1", finding(damage()))
    for attempts in (1, 2):
        assert store.save(replace(first, attempts=attempts)) == first
    assert rows(store, inspections) == rows(store, findings) == rows(store, damages) == 1
    assert store.find("task-1") == first


def test_a_photo_that_is_gone_when_its_message_comes_again_keeps_its_verdict(
    store: Inspections,
) -> None:
    first = inspection("task-1", finding(damage()))
    gone = replace(
        first, verdict=Verdict.REJECTED, finding=None, reason=Reason("photo_not_found", "404")
    )
    store.save(first)
    assert store.save(gone) == first
    assert store.find("task-1") == first


NO_PICTURES = finding(overlay_url=None, mask_url=None)


def test_pictures_that_were_not_wanted_before_are_added(store: Inspections) -> None:
    store.save(inspection("task-1", NO_PICTURES))
    assert store.save(inspection("task-2")).finding == finding()
    again = store.find("task-1")
    assert again is not None and again.finding == finding()


def test_a_worker_that_wants_no_pictures_does_not_lose_those_of_another(store: Inspections) -> None:
    store.save(inspection("task-1"))
    assert store.save(inspection("task-2", NO_PICTURES)).finding == finding()
    assert store.save(inspection("task-3", finding(mask_url=None))).finding == finding()


def test_another_photo_at_the_same_url_leaves_no_finding_behind(store: Inspections) -> None:
    first = inspection("task-1", finding(damage()))
    store.save(first)
    assert store.save(inspection("task-1", finding(damage()), sha256="c" * 64)) == first
    assert rows(store, findings) == rows(store, damages) == 1


def test_the_same_photo_in_two_tasks_shares_one_finding(store: Inspections) -> None:
    store.save(inspection("task-1", finding(damage())))
    stored = store.save(inspection("task-2", finding(damage(), damage("scratch"))))
    assert stored.finding == finding(damage())
    assert rows(store, inspections) == 2
    assert rows(store, findings) == rows(store, damages) == 1


def test_the_same_photo_under_another_bundle_is_another_finding(store: Inspections) -> None:
    first = inspection("task-1", finding(damage()))
    assert first.bundle
    store.save(first)
    store.save(replace(first, id="task-2", bundle=replace(first.bundle, digest="c" * 64)))
    assert rows(store, findings) == 2


def test_a_known_photo_is_found_by_its_digest(store: Inspections) -> None:
    store.save(inspection("task-1", finding(damage())))
    assert store.find_finding("a" * 64, "b" * 64) == finding(damage())
    assert store.find_finding("f" * 64, "b" * 64) is None


def test_the_camera_is_stored_with_the_photo_and_its_finding(store: Inspections) -> None:
    photo = PhotoFacts("a" * 64, 12_345, 320, 240, "Apple iPad")
    saved = store.save(inspection("task-1", finding(camera="Apple iPad"), photo=photo))
    assert store.find("task-1") == saved
    known = store.find_finding("a" * 64, "b" * 64)
    assert known is not None
    assert known.camera == "Apple iPad"


def test_a_verdict_is_never_overwritten_by_failed(store: Inspections) -> None:
    store.save(inspection("task-1", finding(damage())))
    store.save(failed_inspection("task-1"))
    found = store.find("task-1")
    assert found
    assert found.verdict is Verdict.DAMAGED


def test_failed_is_overwritten_by_a_later_verdict(store: Inspections) -> None:
    store.save(failed_inspection("task-1"))
    store.save(inspection("task-1"))
    found = store.find("task-1")
    assert found
    assert (found.verdict, found.reason) == (Verdict.CLEAN, None)


def malformed(id: str) -> Inspection:
    return inspection(
        id,
        verdict=Verdict.REJECTED,
        finding=None,
        photo=PhotoFacts(),
        reason=Reason("message_malformed", "expected ..."),
    )


def test_a_malformed_message_is_replaced_by_a_later_verdict_under_its_id(
    store: Inspections,
) -> None:
    first = store.save(malformed("task-1"))
    store.save(malformed("task-1"))  # delivered again
    assert store.find("task-1") == first
    store.save(inspection("task-1"))
    found = store.find("task-1")
    assert found
    assert (found.verdict, found.reason) == (Verdict.CLEAN, None)
    store.save(malformed("task-1"))
    assert store.find("task-1") == found


def test_a_rejected_photo_does_not_give_way(store: Inspections) -> None:
    rejected = replace(malformed("task-1"), reason=Reason("photo_not_found", "404"))
    store.save(rejected)
    store.save(inspection("task-1"))
    assert store.find("task-1") == rejected


@pytest.mark.parametrize("id", ["i" * 1024, "\u8eca" * 341])
def test_ids_of_up_to_1024_bytes_are_stored(store: Inspections, id: str) -> None:
    saved = store.save(inspection(id))
    assert store.find(id) == saved


def test_two_workers_with_the_same_photo_at_once_store_one_finding(database_url: str) -> None:
    stores = [Inspections(database_url) for _ in range(4)]
    barrier = threading.Barrier(len(stores))
    errors: list[Exception] = []

    def save(number: int) -> None:
        barrier.wait()
        try:
            for _ in range(5):
                stores[number].save(inspection(f"task-{number % 2}", finding(damage())))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=(n,)) for n in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert rows(stores[0], findings) == rows(stores[0], damages) == 1
    assert rows(stores[0], inspections) == 2
    for store in stores:
        store.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_does_not_speak_over_its_parents_connection(
    migrated_postgres_url: str,
) -> None:
    store = Inspections(migrated_postgres_url)

    def session() -> int:
        with store.engine.connect() as connection:
            return int(connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())

    parents = session()
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    children = [fork.Process(target=lambda: answers.put(session())) for _ in range(2)]
    for child in children:
        child.start()
    found = {answers.get(timeout=60) for _ in children}
    for child in children:
        child.join()
    assert len(found) == 2
    assert parents not in found
    assert session() == parents
    store.close()


def test_text_that_postgresql_refuses_is_stored_readable(store: Inspections) -> None:
    odd = inspection(
        "task-1",
        photo_url="https://x/\0\ud800",
        metadata={"note": "a\0b", "more": ["\udfff"]},
        reason=Reason("photo_unreadable", "bytes \0 here"),
    )
    store.save(odd)
    found = store.find("task-1")
    assert found
    assert found.metadata["note"] == "a\ufffdb"


def test_counts_are_by_verdict(store: Inspections) -> None:
    store.save(inspection("task-1"))
    store.save(inspection("task-2", finding(damage()), sha256="c" * 64))
    store.save(failed_inspection("task-3"))
    assert store.counts() == {"clean": 1, "damaged": 1, "failed": 1}


def test_statements_that_look_like_sql_are_only_text(store: Inspections) -> None:
    store.save(inspection("'; DROP TABLE inspections; --", metadata={"x'); --": "1"}))
    assert store.find("'; DROP TABLE inspections; --")


def test_a_database_without_tables_says_what_to_run(sqlite_url: str, postgres_url: str) -> None:
    for url in (sqlite_url, postgres_url):
        store = Inspections(url)
        with pytest.raises(DatabaseError, match="damage-tasks migrate"):
            store.check()
        store.close()


def test_an_unavailable_database_is_worth_a_retry() -> None:
    store = Inspections("postgresql+psycopg2://nobody@127.0.0.1:9/nothing")
    with pytest.raises(DatabaseUnavailable):
        store.find("task-1")


def test_a_lost_connection_is_replaced(postgres_url: str) -> None:
    from damage_tasks.results.schema_upgrade import migrate

    migrate(postgres_url)
    store = Inspections(postgres_url)
    store.save(inspection("task-1"))
    admin = sa.create_engine(postgres_url)
    with admin.connect() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'damage-tasks' AND datname = current_database()"
            )
        )
    admin.dispose()
    assert store.find("task-1")
    store.close()


def test_a_clean_photo_costs_one_query_and_one_transaction_of_two_statements(
    store: Inspections,
) -> None:
    said: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        # The time limit of a transaction travels with its first statement.
        said.append(" ".join(statement.rpartition("; ")[2].split()[:3]))

    sa.event.listen(store.engine, "before_cursor_execute", note)
    sa.event.listen(store.engine, "commit", lambda _: said.append("commit"))
    new = inspection("task-1", replace(finding(), verdict=Verdict.CLEAN), verdict=Verdict.CLEAN)
    assert new.photo.sha256
    assert new.bundle
    store.find_finding(new.photo.sha256, new.bundle.digest)
    store.save(new)
    assert said == [
        "SELECT findings.id FROM", "commit",
        "INSERT INTO findings", "INSERT INTO inspections", "commit",
    ]  # fmt: skip
