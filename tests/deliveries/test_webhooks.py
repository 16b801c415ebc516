"""Webhooks follow Standard Webhooks; a receiver over real TLS verifies them with its library."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from damage_tasks.deliveries.sending import SendingFailed
from damage_tasks.deliveries.webhooks import WebhookSender
from damage_tasks.errors import SettingsError
from damage_tasks.settings import Settings
from tests.deliveries.deliveries_for import BODY, NEXT_SECRET, SECRET, delivery_to, settings_for
from tools.webhook_receiver import WebhookReceiver, answer, close, hang


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(receiver.ca_file))
    yield receiver
    receiver.close()


def send(receiver: WebhookReceiver, **changes: Any) -> None:
    WebhookSender(settings_for(receiver.url, **changes)).send(delivery_to(receiver.url))


@pytest.mark.parametrize("secret", [SECRET, NEXT_SECRET])
def test_the_library_verifies_an_event_with_either_secret(
    receiver: WebhookReceiver, secret: str
) -> None:
    send(receiver, webhook_secrets=(SECRET, NEXT_SECRET))
    (request,) = receiver.requests
    event = Webhook(secret).verify(request.body, request.headers)
    assert event == {
        "type": "inspection.completed", "timestamp": "2026-11-29T12:00:00+00:00",
        "data": {"a": "ü"},
    }  # fmt: skip
    assert request.body == BODY.encode()
    assert request.headers["webhook-id"] == "evt_0123456789abcdef"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 5
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    assert request.headers["content-type"] == "application/json"


def test_another_secret_does_not_verify_it(receiver: WebhookReceiver) -> None:
    send(receiver)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(NEXT_SECRET).verify(receiver.requests[0].body, receiver.requests[0].headers)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 418, 429, 500, 503])
def test_only_2xx_is_a_success_and_redirects_are_not_followed(
    receiver: WebhookReceiver, status: int
) -> None:
    receiver.behave = answer(status, Location=receiver.url)
    with pytest.raises(SendingFailed, match=f"answered {status}") as failed:
        send(receiver)
    assert not failed.value.is_gone
    assert len(receiver.requests) == 1


def test_gone_means_no_more_events(receiver: WebhookReceiver) -> None:
    receiver.behave = answer(410)
    with pytest.raises(SendingFailed) as failed:
        send(receiver)
    assert failed.value.is_gone


@pytest.mark.parametrize(
    ("status", "header", "least", "most"),
    [
        (429, "120", 120, 120),
        (429, None, 5, 5),
        (502, None, 5, 5),
        (503, "date", 90, 100),
        (504, "nonsense", 5, 5),
        (500, None, 0, 0),
        (429, "99999999999", 86_400, 86_400),
    ],
)
def test_a_busy_receiver_is_left_alone_for_as_long_as_it_asks(
    receiver: WebhookReceiver, status: int, header: str | None, least: float, most: float
) -> None:
    if header == "date":
        header = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    receiver.behave = answer(status, Retry_After=header) if header else answer(status)
    with pytest.raises(SendingFailed) as failed:
        send(receiver)
    assert least <= failed.value.wait <= most


def test_a_long_body_of_a_success_does_not_matter(receiver: WebhookReceiver) -> None:
    receiver.behave = answer(200, b"x" * 1_000_000)
    send(receiver)


def test_a_connection_that_is_closed_is_a_failure(receiver: WebhookReceiver) -> None:
    receiver.behave = close
    with pytest.raises(SendingFailed, match="curl"):
        send(receiver)


def test_a_receiver_that_hangs_is_given_up_in_time(receiver: WebhookReceiver) -> None:
    receiver.behave = hang
    settings = settings_for(receiver.url).model_copy(update={"webhook_timeout": 0.5})
    begin = time.monotonic()
    with pytest.raises(SendingFailed, match="timed out"):
        WebhookSender(settings).send(delivery_to(receiver.url))
    assert time.monotonic() - begin < 3


def test_a_certificate_that_is_not_trusted_is_a_failure(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(SendingFailed, match="certificate"):
        send(receiver)


def test_a_private_address_is_not_connected_to(receiver: WebhookReceiver) -> None:
    with pytest.raises(SendingFailed, match="no public address"):
        send(receiver, internal_webhook_hosts=())
    assert receiver.requests == []


def test_a_proxy_of_the_environment_is_not_used(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert "https_proxy" in os.environ
        send(receiver)
    assert len(receiver.requests) == 1


def test_http_is_refused_unless_it_is_allowed() -> None:
    plain = WebhookReceiver()
    with pytest.raises(SendingFailed):
        send(plain, allow_http=False, event_targets=())
    send(plain)
    assert len(plain.requests) == 1
    plain.close()


def test_connections_are_reused(receiver: WebhookReceiver) -> None:
    sender = WebhookSender(settings_for(receiver.url))
    for _ in range(3):
        sender.send(delivery_to(receiver.url))
    assert len(receiver.requests) == 3
    assert len({request.client for request in receiver.requests}) == 1


def test_without_a_secret_there_are_no_webhooks() -> None:
    with pytest.raises(SettingsError, match="DAMAGE_WEBHOOK_SECRETS"):
        WebhookSender(Settings())
