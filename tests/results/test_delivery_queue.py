"""Deliveries are claimed by one process at a time, in short transactions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.results import delivery_queue
from damage_tasks.results.delivery import Delivery, DeliverySelection, DeliveryState, Outcome
from damage_tasks.results.delivery_queue import DeliveryQueue
from damage_tasks.results.schema_upgrade import migrate
from damage_tasks.results.store import Inspections
from damage_tasks.results.tables import deliveries
from tools.pgbouncer import PgBouncer
from tools.sample_pictures_and_results import inspection

HOOK = "https://rental.example/hook"
OTHER_HOOK = "https://rental.example/other"
TOPIC = "arn:aws:sns:us-east-1:000000000000:events"
LEASE = timedelta(seconds=60)
HOST = "https://rental.example"


@pytest.fixture
def queue(database_url: str) -> Iterator[DeliveryQueue]:
    queue = DeliveryQueue(database_url)
    yield queue
    queue.close()


def fill(url: str, count: int, *targets: str) -> None:
    store = Inspections(url, targets or (HOOK,))
    for number in range(count):
        store.save(inspection(f"task-{number}", sha256=f"{number:064x}"))
    store.close()


def url_of(queue: DeliveryQueue) -> str:
    return queue.engine.url.render_as_string(hide_password=False)


def claim(queue: DeliveryQueue, destination: str = HOST, limit: int = 100) -> list[Delivery]:
    return queue.claim(destination, limit, LEASE)


def by_state(queue: DeliveryQueue, state: DeliveryState) -> list[Delivery]:
    return queue.find(DeliverySelection(state=state))


def make_due(queue: DeliveryQueue) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    with queue.engine.begin() as connection:
        connection.execute(sa.update(deliveries).values(next_attempt_at=past))


def test_claimed_deliveries_are_hidden_until_the_lease_ends(queue: DeliveryQueue) -> None:
    fill(url_of(queue), 3)
    first = queue.claim(HOST, 2, timedelta(0))
    assert [delivery.inspection_id for delivery in first] == ["task-0", "task-1"]
    assert len(claim(queue)) == 3
    assert claim(queue) == []
    assert queue.due_destinations() == []


def test_destinations_are_claimed_separately(queue: DeliveryQueue) -> None:
    fill(url_of(queue), 2, HOOK, OTHER_HOOK, TOPIC)
    assert sorted(queue.due_destinations()) == [TOPIC, HOST]
    assert len(claim(queue, TOPIC)) == 2
    assert queue.due_destinations() == [HOST]
    assert len(claim(queue)) == 4


def test_a_delivered_event_is_not_claimed_again(queue: DeliveryQueue) -> None:
    fill(url_of(queue), 1)
    (delivery,) = claim(queue)
    queue.record([Outcome(delivery)])
    make_due(queue)
    assert claim(queue) == []
    (stored,) = by_state(queue, DeliveryState.DELIVERED)
    assert (stored.attempts, stored.error) == (1, None)
    assert stored.ended_at


def test_a_failed_attempt_is_due_again_at_its_time(queue: DeliveryQueue) -> None:
    fill(url_of(queue), 1)
    at = datetime.now(UTC) + timedelta(seconds=300)
    queue.record([Outcome(claim(queue)[0], "answered 500", at)])
    (stored,) = by_state(queue, DeliveryState.WAITING)
    assert (stored.attempts, stored.error, stored.next_attempt_at) == (1, "answered 500", at)
    make_due(queue)
    (again,) = claim(queue)
    queue.record([Outcome(again, "answered 503")])
    (ended,) = by_state(queue, DeliveryState.FAILED)
    assert (ended.attempts, ended.error) == (2, "answered 503")


def test_a_disabled_target_gets_nothing_until_a_replay(queue: DeliveryQueue) -> None:
    fill(url_of(queue), 2, HOOK, OTHER_HOOK)
    first = claim(queue, limit=1)[0]
    assert first.target == HOOK
    queue.record([Outcome(first, "answered 410", disables=True)])
    # The other webhook of the same host is not affected.
    assert [delivery.target for delivery in claim(queue)] == [OTHER_HOOK, OTHER_HOOK]
    gone, unsent = sorted(by_state(queue, DeliveryState.FAILED), key=lambda x: x.id)
    assert (gone.error, gone.attempts) == ("answered 410", 1)
    assert "disabled" in (unsent.error or "")
    assert unsent.attempts == 0
    assert queue.replay([gone.id, unsent.id]) == 2
    assert [delivery.target for delivery in claim(queue)] == [HOOK, HOOK]


def test_a_dropped_delivery_is_gone(queue: DeliveryQueue) -> None:
    fill(url_of(queue), 2)
    first, second = claim(queue)
    assert queue.drop([first.id]) == 1
    queue.record([Outcome(first), Outcome(second)])
    assert [delivery.id for delivery in queue.find(DeliverySelection())] == [second.id]


def test_old_delivered_events_are_forgotten_and_others_are_kept(queue: DeliveryQueue) -> None:
    fill(url_of(queue), 3)
    first, second, _ = claim(queue)
    queue.record([Outcome(first), Outcome(second, "answered 500")])
    assert queue.forget_delivered(datetime.now(UTC) - timedelta(days=7)) == 0
    assert queue.forget_delivered(datetime.now(UTC) + timedelta(seconds=1)) == 1
    assert {delivery.state for delivery in queue.find(DeliverySelection())} == {
        DeliveryState.WAITING, DeliveryState.FAILED,
    }  # fmt: skip


def test_a_large_backlog_is_not_counted_to_its_end(
    queue: DeliveryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(url_of(queue), 3)
    monkeypatch.setattr(delivery_queue, "MAX_COUNTED", 2)
    assert queue.backlog().waiting == 2


def test_the_backlog_says_what_waits_since_when(queue: DeliveryQueue) -> None:
    assert queue.backlog().due_since is None
    fill(url_of(queue), 3)
    backlog = queue.backlog()
    assert (backlog.waiting, backlog.failed) == (3, 0)
    assert backlog.due_since
    assert backlog.due_since <= datetime.now(UTC)
    queue.record([Outcome(claim(queue)[0], "answered 500")])
    assert (queue.backlog().waiting, queue.backlog().failed) == (2, 1)
    assert queue.backlog().due_since is None


def test_deliveries_are_selected(queue: DeliveryQueue) -> None:
    fill(url_of(queue), 3, HOOK, TOPIC)
    found = queue.find(DeliverySelection(target=TOPIC, inspection_ids=("task-1", "task-2")))
    assert [delivery.inspection_id for delivery in found] == ["task-2", "task-1"]
    assert len(queue.find(DeliverySelection(), limit=2)) == 2
    assert queue.find(DeliverySelection(type="inspection.failed")) == []
    assert queue.find(DeliverySelection(since=datetime.now(UTC) + timedelta(hours=1))) == []
    assert len(queue.find(DeliverySelection(until=datetime.now(UTC) + timedelta(hours=1)))) == 6
    assert len(queue.find(DeliverySelection(ids=[found[0].id]))) == 1


@pytest.mark.server
@pytest.mark.parametrize("through", ["directly", "through a pooler"])
def test_processes_at_once_claim_each_delivery_once(
    migrated_postgres_url: str, postgres_server: str, through: str
) -> None:
    url, pooler = migrated_postgres_url, None
    if through == "through a pooler":
        pooler = PgBouncer(postgres_server, pool_size=3).start()
        url = pooler.url(url)
    migrate(url)
    fill(url, 120)
    claimed: list[int] = []

    def work() -> None:
        queue = DeliveryQueue(url)
        while found := queue.claim(HOST, 7, LEASE):
            claimed.extend(delivery.id for delivery in found)
            queue.record([Outcome(delivery) for delivery in found])
        queue.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if pooler:
        pooler.stop()
    assert len(claimed) == len(set(claimed)) == 120


@pytest.mark.server
def test_due_deliveries_are_found_by_index(migrated_postgres_url: str) -> None:
    queue = DeliveryQueue(migrated_postgres_url)
    with queue.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO deliveries (event_id, type, target, destination, body, state,"
                " attempts, next_attempt_at, created_at) SELECT 'e', 't', 'x', 'd' || n % 5, '{}',"
                " CASE WHEN n % 100 = 0 THEN 'waiting' ELSE 'delivered' END, 0, now(), now()"
                " FROM generate_series(1, 50000) n"
            )
        )
        connection.execute(sa.text("ANALYZE deliveries"))
        plan = connection.execute(
            sa.text(
                "EXPLAIN SELECT id FROM deliveries WHERE state = 'waiting' AND destination = 'd0'"
                " AND next_attempt_at <= now() ORDER BY next_attempt_at LIMIT 8"
                " FOR UPDATE SKIP LOCKED"
            )
        )
        assert "ix_deliveries_destination_next_attempt_at" in "\n".join(plan.scalars())
    queue.close()


@pytest.mark.server
def test_due_destinations_cost_the_same_however_many_deliveries_wait(
    migrated_postgres_url: str,
) -> None:
    queue = DeliveryQueue(migrated_postgres_url)
    with queue.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO deliveries (event_id, type, target, destination, body, state,"
                " attempts, next_attempt_at, created_at) SELECT 'e', 't', 'x', 'd' || n % 2, '{}',"
                " 'waiting', 0, now() - n * interval '1 second', now()"
                " FROM generate_series(1, 20000) n"
            )
        )
        connection.execute(sa.text("ANALYZE deliveries"))
    assert queue.due_destinations() == ["d0", "d1"]
    found: list[Any] = []

    @sa.event.listens_for(queue.engine, "after_cursor_execute")
    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        # The deadline is set in the same request.
        query = statement.rpartition("; ")[2]
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", parameters)
        found.append(cursor.fetchone()[0][0]["Plan"])
        cursor.execute(statement, parameters)

    assert queue.due_destinations() == ["d0", "d1"]
    (plan,) = found
    assert 0 < sum(rows_read(plan)) < 100
    queue.close()


def rows_read(plan: dict[str, Any]) -> Iterator[float]:
    """How many rows of the table each step of a plan has read."""
    if plan.get("Relation Name") == "deliveries":
        yield (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    for step in plan.get("Plans", ()):
        yield from rows_read(step)
