"""Addresses inside our network are never reached, whatever a URL or a name says."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from damage_tasks.errors import DownloadFailed, PhotoNotFound, UrlNotAllowed
from damage_tasks.photos import address_guard
from damage_tasks.photos.http_download import HttpDownload
from damage_tasks.photos.url_policy import HttpUrl, parse_url
from damage_tasks.storage.s3 import Signer
from tools.loopback_web_server import Site
from tools.misbehaving_web_servers import PHOTO, get, settings_with


@pytest.fixture
def guarded_port() -> Iterator[int]:
    """A loopback port that must not be connected to."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]
        touched, _, _ = select.select([server], [], [], 0)
        assert not touched, "a connection was made"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
     "127.0.0.1.", "0.0.0.0", "0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
     "[64:ff9b::7f00:1]", "[2002:7f00:1::1]", "[::127.0.0.1]", "localhost", "LOCALHOST.",
     "photos.localhost", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021"],
)  # fmt: skip
def test_this_machine_is_not_connected_to_however_it_is_spelled(
    guarded_port: int, host: str
) -> None:
    # The name localhost resolves to 127.0.0.1, like a rebinding name.
    url = f"http://{host}:{guarded_port}/a"
    place = parse_url(url, settings_with())
    assert isinstance(place, HttpUrl)
    named = place.text.split("/")[2]  # allowed by name, so that only its address can be refused
    with pytest.raises(UrlNotAllowed, match="no public address"):
        get(url, allow_private_addresses=False, allowed_hosts=(named,))


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fd00:ec2::254]", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1",
     "[fe80::1]", "2852039166", "0xa9fea9fe"],
)  # fmt: skip
def test_addresses_inside_are_not_connected_to(host: str) -> None:
    with pytest.raises(UrlNotAllowed, match="no public address"):
        get(f"https://{host}/latest/meta-data/", allow_private_addresses=False)


def test_a_kept_connection_serves_only_the_name_it_was_checked_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def note(address: str) -> bool:
        checked.append(address)
        return True

    monkeypatch.setattr(address_guard, "is_public", note)
    port = site.server.server_port
    site.serve("/a", PHOTO)
    settings = settings_with(
        allow_private_addresses=False, allowed_hosts=(f"127.0.0.1:{port}", f"localhost:{port}")
    )
    download = HttpDownload(settings, Signer(settings))
    for host in ("127.0.0.1", "127.0.0.1", "127.0.0.1"):
        download.get(HttpUrl(f"http://{host}:{port}/a", host, port))
    assert checked == ["127.0.0.1"]
    download.get(HttpUrl(f"http://localhost:{port}/a", "localhost", port))
    assert len(checked) > 1


# --- names


# curl does not ask a server for this name: https://github.com/curl/curl/issues/543
UNRESOLVED = "https://nothing.onion/a"


def test_a_name_that_does_not_exist_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(PhotoNotFound, match=r"host nothing\.onion does not exist"):
        get(UNRESOLVED + "?Signature=secret")


def test_a_resolver_that_does_not_answer_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", away)
    with pytest.raises(DownloadFailed):
        get(UNRESOLVED)
