"""A complete stack for tests: emulator, PostgreSQL and a real Celery worker process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import pools

from damage_tasks import app
from damage_tasks.app import read_worker_config
from damage_tasks.devstack import Stack
from damage_tasks.sqs.queues import read_queue
from tests.conftest import new_database


@pytest.fixture(scope="session")
def running_stack(
    postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """One stack for all tests that do not damage it."""
    folder = tmp_path_factory.mktemp("stack")
    with (
        new_database(postgres_server, migrated_template) as url,
        Stack(folder, processes=2, database_url=url, settings=FAST) as stack,
    ):
        yield stack


# Retry after one second instead of five.
FAST = {"DAMAGE_RETRY_BASE": "1", "DAMAGE_MAX_RETRIES": "3"}


@pytest.fixture
def stack(running_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The stack, and this process as one of its callers."""
    use(running_stack, monkeypatch)
    return running_stack


def use(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process a caller of ``stack``."""
    call_with(stack.environment, monkeypatch)


def call_with(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process a caller with the settings in ``environment``."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if app._conf is not None and app.conf.broker_transport_options["predefined_queues"] == {
        "damage": {"url": environment["DAMAGE_QUEUE_URL"]}
    }:
        return
    # Celery reads its settings once; a different stack means a different broker.
    pools.reset()
    read_worker_config.cache_clear()
    vars(app).pop("amqp", None)
    app._pool = app._conf = None


@pytest.fixture
def result_of(stack: Stack) -> Callable[..., dict[str, Any]]:
    """Waits for the verdict of an inspection."""
    from damage_tasks import get_inspection
    from tests.result_contract import check_result

    def wait(id: str, timeout: float = 120) -> dict[str, Any]:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            found = get_inspection(id)
            if found is not None and found["verdict"]:
                return dict(check_result(found))
            time.sleep(0.1)
        log = stack.workers[0].log.read_text(errors="replace")
        raise AssertionError(f"no verdict for {id}; the worker's log:\n{log[-4000:]}")

    return wait


@pytest.fixture
def send(stack: Stack) -> Callable[[Any], str]:
    """Puts a body on the queue without Celery and returns its SQS MessageId."""

    def put(body: Any) -> str:
        text = body if isinstance(body, str) else json.dumps(body)
        answer = stack.client("sqs").send_message(
            QueueUrl=stack.environment["DAMAGE_QUEUE_URL"], MessageBody=text
        )
        return str(answer["MessageId"])

    return put


@pytest.fixture
def queue_is_empty(stack: Stack) -> Callable[[], None]:
    """Waits until nothing is waiting and nothing in flight."""

    def wait(timeout: float = 30) -> None:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            counts = queue_counts(stack)
            if counts == (0, 0):
                return
            time.sleep(0.2)
        raise AssertionError(f"waiting, in flight: {queue_counts(stack)}")

    return wait


def queue_counts(stack: Stack) -> tuple[int, int]:
    """Messages waiting and in flight."""
    queue = read_queue(stack.client("sqs"), stack.environment["DAMAGE_QUEUE_URL"])
    return queue.waiting, queue.in_flight
