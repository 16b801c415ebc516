"""The deliverer over a real database and a real receiver: every event arrives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.deliveries import deliverer
from damage_tasks.deliveries.deliverer import Deliverer
from damage_tasks.deliveries.senders import Senders
from damage_tasks.results.delivery import DeliverySelection, DeliveryState
from damage_tasks.results.delivery_queue import DeliveryQueue
from damage_tasks.results.store import Inspections
from damage_tasks.results.tables import deliveries
from damage_tasks.settings import Settings
from tests.deliveries.deliveries_for import settings_for
from tools.postgres import Postgres
from tools.sample_pictures_and_results import damage, finding, inspection
from tools.webhook_receiver import WebhookReceiver, answer, hang


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    yield receiver
    receiver.close()


@contextmanager
def delivering(url: str, settings: Settings) -> Iterator[Deliverer]:
    """A deliverer that runs until the end of the block."""
    queue = DeliveryQueue(url)
    running, stopping = Deliverer(queue, Senders(settings), settings), Event()
    thread = Thread(target=running.run, args=(stopping,))
    thread.start()
    yield running
    stopping.set()
    thread.join(30)
    assert not thread.is_alive()
    queue.close()


def settings_with(*targets: str, **changes: Any) -> Settings:
    return settings_for(*targets, **{"delivery_delays": (1, 1, 1), **changes})


def save(url: str, count: int, *targets: str) -> None:
    store = Inspections(url, targets)
    for number in range(count):
        store.save(inspection(f"task-{number}", sha256=f"{number:064x}"))
    store.close()


def ids(receiver: WebhookReceiver) -> set[str]:
    return {request.headers["webhook-id"] for request in receiver.accepted}


def wait_until(happened: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)


def states(url: str) -> list[str]:
    queue = DeliveryQueue(url)
    found = [str(delivery.state) for delivery in queue.find(DeliverySelection())]
    queue.close()
    return found


def test_every_event_arrives(database_url: str, receiver: WebhookReceiver) -> None:
    with delivering(database_url, settings_with(receiver.url)):
        save(database_url, 30, receiver.url)
        wait_until(lambda: len(ids(receiver)) == 30)
    assert states(database_url) == ["delivered"] * 30
    assert len(receiver.requests) == 30


def test_events_arrive_when_the_receiver_is_back(
    database_url: str, receiver: WebhookReceiver
) -> None:
    receiver.behave = answer(500)
    save(database_url, 5, receiver.url)
    with delivering(database_url, settings_with(receiver.url)):
        wait_until(lambda: len(receiver.requests) >= 5)
        receiver.behave = answer(204)
        wait_until(lambda: len(ids(receiver)) == 5)
    bodies = {(r.headers["webhook-id"], r.body) for r in receiver.requests}
    assert len(bodies) == 5, "an event's id and body are the same in every attempt"


def test_after_the_last_attempt_a_delivery_has_failed(
    database_url: str, receiver: WebhookReceiver
) -> None:
    receiver.behave = answer(500)
    save(database_url, 1, receiver.url)
    with delivering(database_url, settings_with(receiver.url)):
        wait_until(lambda: states(database_url) == ["failed"])
    assert len(receiver.requests) == 4


def test_a_receiver_that_hangs_does_not_delay_the_others(
    database_url: str, receiver: WebhookReceiver
) -> None:
    hanging = WebhookReceiver()
    hanging.behave = hang
    save(database_url, 60, hanging.url)
    save_more = Inspections(database_url, (receiver.url,))
    with delivering(database_url, settings_with(hanging.url, receiver.url)):
        wait_until(lambda: len(hanging.requests) == deliverer.MAX_AT_ONCE_PER_DESTINATION)
        begin = time.monotonic()
        save_more.save(inspection("another"))
        wait_until(lambda: len(ids(receiver)) == 1)
        assert time.monotonic() - begin < 5
        assert len(hanging.requests) == deliverer.MAX_AT_ONCE_PER_DESTINATION
        hanging.close()
    save_more.close()


def test_a_busy_receiver_gets_no_other_event_meanwhile(
    database_url: str, receiver: WebhookReceiver
) -> None:
    receiver.behave = answer(429, Retry_After="3")
    save(database_url, 20, receiver.url)
    with delivering(database_url, settings_with(receiver.url)):
        wait_until(lambda: receiver.requests)
        time.sleep(2)
        first = len(receiver.requests)
        assert first <= deliverer.MAX_AT_ONCE_PER_DESTINATION
        receiver.behave = answer(204)
        wait_until(lambda: len(ids(receiver)) == 20)
    assert receiver.accepted[0].at - receiver.requests[0].at >= 2.9


def test_gone_disables_the_webhook(database_url: str, receiver: WebhookReceiver) -> None:
    receiver.behave = answer(410)
    save(database_url, 1, receiver.url)
    with delivering(database_url, settings_with(receiver.url)):
        wait_until(lambda: states(database_url) == ["failed"])
        store = Inspections(database_url, (receiver.url,))
        store.save(inspection("later"))
        store.close()
        wait_until(lambda: states(database_url) == ["failed", "failed"])
    assert len(receiver.requests) == 1


def test_a_delivery_whose_process_was_lost_is_sent_again(
    database_url: str, receiver: WebhookReceiver
) -> None:
    save(database_url, 1, receiver.url)
    lost = DeliveryQueue(database_url)
    assert lost.claim(receiver.url.removesuffix("/hook"), 1, timedelta(seconds=2))
    lost.close()
    with delivering(database_url, settings_with(receiver.url)):
        wait_until(lambda: len(ids(receiver)) == 1)


def test_a_request_in_progress_is_finished_at_the_end(
    database_url: str, receiver: WebhookReceiver
) -> None:
    def slow(handler: Any) -> None:
        time.sleep(1)
        answer(204)(handler)

    receiver.behave = slow
    save(database_url, 1, receiver.url)
    with delivering(database_url, settings_with(receiver.url)):
        wait_until(lambda: receiver.requests)
    assert states(database_url) == ["delivered"]


def test_old_delivered_events_are_deleted(database_url: str, receiver: WebhookReceiver) -> None:
    save(database_url, 2, receiver.url)
    queue = DeliveryQueue(database_url)
    with queue.engine.begin() as connection:
        old = datetime.now(UTC) - timedelta(days=8)
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.inspection_id == "task-0")
            .values(state=str(DeliveryState.DELIVERED), ended_at=old)
        )
    queue.close()
    with delivering(database_url, settings_with(receiver.url)):
        wait_until(lambda: states(database_url) == ["delivered"])
    assert len(receiver.requests) == 1


@pytest.mark.server
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_the_database_may_restart(
    receiver: WebhookReceiver, how: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from damage_tasks.results.schema_upgrade import migrate

    server = Postgres().start()
    migrate(server.url)
    with delivering(server.url, settings_with(receiver.url)):
        save(server.url, 5, receiver.url)
        server.restart(how)
        store = Inspections(server.url, (receiver.url,))
        store.save(inspection("after the restart"))
        store.close()
        wait_until(lambda: len(ids(receiver)) == 6)
    server.stop()


def test_events_have_no_link_to_the_overlay_if_pictures_are_redacted(
    database_url: str, receiver: WebhookReceiver
) -> None:
    store = Inspections(database_url, (receiver.url,))
    shown = finding(damage("dent"), overlay_url="s3://overlays/overlays/a.jpg")
    store.save(inspection("task-1", shown, sha256=f"{1:064x}"))
    store.close()
    with delivering(database_url, settings_with(receiver.url, redact_bundle="/redaction")):
        wait_until(lambda: receiver.accepted)
    data = json.loads(receiver.accepted[0].body)["data"]
    assert (data["overlay_url"], len(data["damages"])) == (None, 1)
