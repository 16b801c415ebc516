"""Locks that are held and waited for are seen."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa

from tests.operators.conftest import wait_until
from tools.migration_check.lock_watch import LockWatch


@pytest.mark.server
def test_a_lock_and_the_wait_behind_it_are_measured(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE photos (id int)"))

    def read() -> None:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT id FROM photos"))

    watch = LockWatch(postgres_url)
    watch.start()
    began = time.monotonic()
    with engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE photos IN ACCESS EXCLUSIVE MODE"))
        reader = threading.Thread(target=read)
        reader.start()
        # On a busy machine, the reader may connect late.
        wait_until(lambda: watch.longest_wait > 0.4, "the reader's wait", 60)
    reader.join()
    held = time.monotonic() - began
    time.sleep(0.1)
    watch.stop()
    assert 0.4 < watch.longest_wait < watch.exclusive["photos"] < held + 2
    assert not watch.wanted.is_set()
    engine.dispose()


@pytest.mark.server
def test_a_transaction_that_waits_for_the_exclusive_lock_is_noticed(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE photos (id int)"))

    def lock() -> None:
        with engine.begin() as connection:
            connection.execute(sa.text("LOCK TABLE photos IN ACCESS EXCLUSIVE MODE"))

    watch = LockWatch(postgres_url)
    watch.start()
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT id FROM photos"))
        waiting = threading.Thread(target=lock)
        waiting.start()
        assert watch.wanted.wait(10)
    waiting.join()
    watch.stop()
    engine.dispose()
