"""A forked process leaves its parent's connections to the parent."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import urllib3
from kombu import pools
from kombu.asynchronous import Hub, get_event_loop, set_event_loop
from kombu.connection import Connection

from damage_tasks.sqs.queues import sending_client, sqs_client
from damage_tasks.worker.inherited_descriptors import InheritedDescriptors
from tools.loopback_web_server import Site

pytestmark = [
    pytest.mark.skipif(not hasattr(select, "epoll"), reason="epoll is Linux's"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as stack:
        yield stack


def in_forked_process(act: Callable[[], Any]) -> Any:
    """What ``act`` returns in a process forked from this one, as JSON carries it."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        # Whatever happens, pytest must not continue here.
        with suppress(BaseException):
            signal.alarm(30)
            os.write(writer, json.dumps(act()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    assert text, "the process failed"
    return json.loads(text)


def is_null(number: int) -> bool:
    null = Path(os.devnull).stat()
    found = os.fstat(number)
    return (found.st_dev, found.st_ino) == (null.st_dev, null.st_ino)


def test_connections_listening_sockets_and_epolls_are_replaced_and_nothing_else(
    opened: ExitStack, tmp_path: Path
) -> None:
    listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    connected = opened.enter_context(socket.create_connection(listening.getsockname()))
    accepted = opened.enter_context(listening.accept()[0])
    ends = [opened.enter_context(end) for end in socket.socketpair()]
    epoll = opened.enter_context(select.epoll())
    datagrams = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    log = opened.enter_context((tmp_path / "log").open("w"))
    pipe = os.pipe()
    for number in pipe:
        opened.callback(os.close, number)
    inherited = InheritedDescriptors()

    def look() -> list[list[bool]]:
        inherited.leave_to_parent()
        parents: tuple[Any, ...] = (listening, connected, accepted, *ends, epoll)
        kept = (*pipe, datagrams.fileno(), log.fileno())
        return [[is_null(part.fileno()) for part in parents], [is_null(part) for part in kept]]

    parents, kept = in_forked_process(look)
    assert parents == [True] * 6
    assert kept == [False] * 4


def test_the_parent_keeps_using_what_its_process_has_left(opened: ExitStack) -> None:
    one, other = (opened.enter_context(end) for end in socket.socketpair())
    epoll = opened.enter_context(select.epoll())
    epoll.register(one, select.EPOLLIN)
    inherited = InheritedDescriptors()

    def leave_and_close() -> str:
        inherited.leave_to_parent()
        with suppress(OSError):
            epoll.unregister(one)
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
        epoll.close()
        return "closed"

    assert in_forked_process(leave_and_close) == "closed"
    other.sendall(b"still here")
    assert epoll.poll(5) == [(one.fileno(), select.EPOLLIN)]
    assert one.recv(20) == b"still here"


def test_a_number_is_not_given_to_another_while_an_inherited_object_may_close_it(
    opened: ExitStack,
) -> None:
    one, _ = (opened.enter_context(end) for end in socket.socketpair())
    inherited = InheritedDescriptors()

    def open_and_close() -> list[bool]:
        inherited.leave_to_parent()
        own, peer = socket.socketpair()
        differs = one.fileno() not in (own.fileno(), peer.fileno())
        one.close()
        own.sendall(b"x")
        return [differs, peer.recv(1) == b"x"]

    assert in_forked_process(open_and_close) == [True, True]


def test_nothing_is_replaced_in_the_process_that_started_the_worker(opened: ExitStack) -> None:
    one, other = (opened.enter_context(end) for end in socket.socketpair())
    # The pool `solo` sends the signal too, but forks nothing.
    InheritedDescriptors().leave_to_parent()
    one.sendall(b"x")
    assert other.recv(1) == b"x"


def test_standard_streams_stay_even_if_they_are_sockets() -> None:
    program = """
import os
from damage_tasks.worker.inherited_descriptors import InheritedDescriptors
inherited = InheritedDescriptors()
if os.fork() == 0:
    inherited.leave_to_parent()
    os.write(1, b"the process writes")
"""
    ours, its = socket.socketpair()
    with ours, its:
        subprocess.run(
            [sys.executable, "-c", program], check=True, stdin=its.fileno(), stdout=its.fileno()
        )
        ours.settimeout(10)
        assert ours.recv(100) == b"the process writes"


def test_a_client_that_keeps_connections_opens_its_own(site: Site) -> None:
    ports = []

    def page(handler: Any) -> None:
        ports.append(handler.client_address[1])
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    site.pages["/"] = page
    inherited = InheritedDescriptors()
    # Such as Sentry's, which lives as long as the process.
    client = urllib3.PoolManager(retries=False)
    for _ in range(2):
        client.request("GET", site.url + "/")

    def ask() -> int:
        inherited.leave_to_parent()
        return int(client.request("GET", site.url + "/").status)

    assert in_forked_process(ask) == 200
    client.request("GET", site.url + "/")
    first, second, childs, third = ports
    assert first == second == third
    assert childs != first


@pytest.mark.parametrize("client", [sqs_client, sending_client])
def test_a_process_has_its_own_sqs_clients(client: Any, site_as_aws: Site) -> None:
    client.cache_clear()
    parents = client()
    assert in_forked_process(lambda: client() is parents) is False
    assert client() is parents
    client.cache_clear()


def test_a_process_has_its_own_pools_and_no_event_loop() -> None:
    inherited = InheritedDescriptors()
    connection = Connection("memory://")
    parents = pools.connections[connection]
    before = get_event_loop()
    set_event_loop(Hub())
    try:

        def look() -> list[bool]:
            inherited.leave_to_parent()
            own = pools.connections[connection]
            with own.acquire(block=True, timeout=5) as acquired:
                return [own is parents, get_event_loop() is None, acquired is not None]

        assert in_forked_process(look) == [False, True, True]
    finally:
        set_event_loop(before)
        pools.reset()
