"""Leaves a parent's connections to the parent, in the processes that it forks.

The parent polls SQS, listens for metrics and uses the event bus.  A process that replaces another
is forked meanwhile and inherits all of these.  Two processes that write on one connection mix up
its requests; a connection that the parent closes stays open, and its port in use, until the
process ends; and what a process changes in an inherited epoll changes in the parent too.
"""

from __future__ import annotations

import logging
import os
import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from kombu import pools
from kombu.asynchronous import set_event_loop

logger = logging.getLogger(__name__)

_DESCRIPTORS = Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd")
_EPOLL = "anon_inode:[eventpoll]"
_LAST_OF_STDIO = 2  # the standard streams may be sockets, such as systemd's


class InheritedDescriptors:
    """A receiver of Celery's signals, see `damage_tasks.worker.signals`; created in the parent."""

    def __init__(self) -> None:
        self._parent = os.getpid()

    def leave_to_parent(self, **_: Any) -> None:
        """In a process, before it opens a connection: replace those that it inherited."""
        if os.getpid() == self._parent:
            return  # the pool `solo` forks no processes
        replaced = replace_connections()
        # Whatever this process sends through kombu needs connections of its own, and no event loop.
        set_event_loop(None)
        pools.reset()
        logger.debug("left %d descriptors to the parent", len(replaced))


def replace_connections() -> list[int]:
    """Replace this process's stream sockets and epolls by /dev/null; returns their numbers.

    Closing them would free their numbers: an inherited object that closes its own later, such as
    when it is garbage-collected, would then close another's.  On /dev/null, clients with
    keep-alive find that the connection is lost, and open a new one.

    These stay: the standard streams, files, the pipes on which billiard gives a process its photos,
    and datagram sockets, on which processes may log together.
    """
    found = [number for number in _open_descriptors() if _is_connection(number)]
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        for number in found:
            os.dup2(null, number, inheritable=False)
    finally:
        os.close(null)
    return found


def _open_descriptors() -> list[int]:
    return sorted(int(entry.name) for entry in _DESCRIPTORS.iterdir())


def _is_connection(number: int) -> bool:
    if number <= _LAST_OF_STDIO:
        return False
    # The descriptor with which they were listed is closed.
    with suppress(OSError):
        if stat.S_ISSOCK(os.fstat(number).st_mode):
            return _type_of(number) == socket.SOCK_STREAM
        return str((_DESCRIPTORS / str(number)).readlink()) == _EPOLL
    return False


def _type_of(number: int) -> int:
    inherited = socket.socket(fileno=number)
    try:
        return inherited.type
    finally:
        inherited.detach()
