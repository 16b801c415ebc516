"""The worker survives a database that restarts, freezes or fails over."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg2 import extensions

from damage_tasks.errors import DatabaseUnavailable
from damage_tasks.results import database, postgres_deadline
from damage_tasks.results.schema_upgrade import migrate
from damage_tasks.results.store import Inspections
from tools.postgres import Postgres
from tools.sample_pictures_and_results import inspection

pytestmark = [pytest.mark.xdist_group("outages"), pytest.mark.server]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    server = Postgres().start()
    migrate(server.url)
    yield server
    server.stop()


@pytest.fixture(params=["caller", "worker"])
def process(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "worker":
        postgres_deadline.make_waiting_interruptible()
    yield request.param
    extensions.set_wait_callback(None)


@pytest.fixture
def store(server: Postgres, process: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inspections]:
    monkeypatch.setattr(postgres_deadline, "ANSWER_TIMEOUT_SECONDS", 2)
    monkeypatch.setattr(postgres_deadline, "CONNECT_TIMEOUT_SECONDS", 2)
    monkeypatch.setitem(database.PARAMETERS, "connect_timeout", 2)
    store = Inspections(server.url)
    store.find("task-1")  # is connected
    yield store
    store.close()


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_restart_is_not_noticed_afterwards(
    server: Postgres, store: Inspections, how: str
) -> None:
    server.restart(how)
    assert store.find("task-1") is None


def test_waiting_for_a_frozen_server_ends(server: Postgres, store: Inspections) -> None:
    # libpq itself has no deadline for a response: this would take forever.
    server.pause()
    try:
        begin = time.monotonic()
        for _ in range(2):  # with an open connection, then with none
            with pytest.raises(DatabaseUnavailable, match="no answer after 2 s|timeout expired"):
                store.find("task-1")
        assert time.monotonic() - begin < 30
    finally:
        server.resume()
    assert store.find("task-1") is None


@pytest.mark.parametrize("process", ["worker"], indirect=True)
def test_a_time_limit_interrupts_waiting_for_a_frozen_server(
    server: Postgres, store: Inspections, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SoftTimeLimit(Exception):
        pass

    def interrupt(*_: Any) -> None:
        raise SoftTimeLimit

    monkeypatch.setattr(postgres_deadline, "ANSWER_TIMEOUT_SECONDS", 60)
    before = signal.signal(signal.SIGALRM, interrupt)
    server.pause()
    try:
        signal.alarm(1)
        with pytest.raises(SoftTimeLimit):
            store.find("task-1")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        server.resume()
    assert store.find("task-1") is None


def test_an_old_primary_is_left_after_a_failover(server: Postgres, store: Inspections) -> None:
    def become(state: str) -> None:
        engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT")
        name = sa.make_url(server.url).database
        with engine.connect() as connection:
            connection.execute(sa.text("SET default_transaction_read_only = off"))
            connection.execute(
                sa.text(f"ALTER DATABASE {name} SET default_transaction_read_only = {state}")
            )
        engine.dispose()

    become("on")
    store.close()  # sessions opened earlier may still write
    try:
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            store.save(inspection("task-1"))
    finally:
        become("off")
    # The same connection would still be read-only.
    assert store.save(inspection("task-1")).id == "task-1"
