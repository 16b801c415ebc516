"""A deadline for every response of PostgreSQL.

libpq itself waits forever and ignores signals if a server is frozen or the network drops its
response while the other end still acknowledges packets.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2 import OperationalError, extensions

CONNECT_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_SECONDS = 15
# A server that hangs does not cancel its statements itself.
ANSWER_TIMEOUT_SECONDS = STATEMENT_TIMEOUT_SECONDS + 5


class WatchedConnection(extensions.connection):
    """A psycopg2 connection whose statements fail after `ANSWER_TIMEOUT_SECONDS`.

    A timer shuts down this connection's own socket; the other connections of the process, which
    may be a caller's, are not affected.
    """

    def cursor(self, *args: Any, **options: Any) -> Any:
        options.setdefault("cursor_factory", _WatchedCursor)
        return super().cursor(*args, **options)

    def commit(self) -> None:
        with _watched(self):
            super().commit()

    def rollback(self) -> None:
        with _watched(self):
            super().rollback()


class _WatchedCursor(extensions.cursor):
    def execute(self, *args: Any) -> None:
        with _watched(self.connection):
            super().execute(*args)

    def executemany(self, *args: Any) -> None:
        with _watched(self.connection):
            super().executemany(*args)


def wait_interruptibly(connection: Any) -> None:
    """Wait in Python for the response on ``connection``, so that signals are handled meanwhile."""
    connecting = connection.status == extensions.STATUS_SETUP
    patience = CONNECT_TIMEOUT_SECONDS if connecting else ANSWER_TIMEOUT_SECONDS
    deadline = time.monotonic() + patience
    while (state := connection.poll()) != extensions.POLL_OK:
        poll = select.poll()
        reason = select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
        poll.register(connection.fileno(), reason)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise OperationalError(f"no answer after {patience} s")


def make_waiting_interruptible() -> None:
    """Let time limits, which are signals, interrupt every wait for PostgreSQL in this process.

    Only for workers: psycopg2 has one wait function for the whole process, and setting it
    disables COPY.
    """
    extensions.set_wait_callback(wait_interruptibly)


@contextmanager
def _watched(connection: extensions.connection) -> Iterator[None]:
    if extensions.get_wait_callback() is wait_interruptibly or connection.closed:
        yield
        return
    patience = ANSWER_TIMEOUT_SECONDS
    # A duplicate: if psycopg2 closes its own, another file may get the same number.
    own = socket.socket(fileno=os.dup(connection.fileno()))
    expired = threading.Event()

    def give_up() -> None:
        expired.set()
        own.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(patience, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except OperationalError as error:
        if expired.is_set():
            raise OperationalError(f"no answer after {patience} s") from error
        raise
    finally:
        timer.cancel()
        timer.join()
        own.close()
