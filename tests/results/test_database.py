"""Connections in a process that forks, as a worker's parent does."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from damage_tasks.results.database import create_engine

INSERT = sa.text("INSERT INTO numbers VALUES (1)")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12
def test_a_child_forked_during_another_threads_transaction_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/forked.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE numbers (n int)"))
    wrote, forks = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with engine.begin() as connection:
            connection.execute(INSERT)
            wrote.set()
            forks.wait(5)

    thread = threading.Thread(target=write_slowly)
    thread.start()
    assert wrote.wait(5)
    threading.Timer(0.3, forks.set).start()
    child = os.fork()
    if not child:
        try:
            monkeypatch.setattr("damage_tasks.results.database.STATEMENT_TIMEOUT_SECONDS", 1)
            with create_engine(url).begin() as connection:
                connection.execute(INSERT)
        except BaseException:
            os._exit(1)
        os._exit(0)
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM numbers")).scalar_one() == 2
    engine.dispose()
