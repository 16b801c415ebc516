"""Webhooks by the specification Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pycurl
from standardwebhooks import Webhook

from damage_tasks.deliveries.sending import SendingFailed
from damage_tasks.errors import SettingsError
from damage_tasks.photos.address_guard import AddressGuard
from damage_tasks.photos.url_policy import is_listed
from damage_tasks.settings.event_targets import host_and_port

if TYPE_CHECKING:
    from damage_tasks.results.delivery import Delivery
    from damage_tasks.settings import Settings

MAX_RESPONSE_BYTES = 64 * 1024
GONE = 410
BUSY = frozenset({429, 502, 503, 504})
BUSY_SECONDS = 5.0  # if the receiver does not say for how long


class WebhookSender:
    """Sends events over HTTPS; keeps one libcurl handle per thread, so connections are reused."""

    def __init__(self, settings: Settings) -> None:
        """Read the secrets; raises `SettingsError` if there are none."""
        if not settings.webhook_secrets:
            raise SettingsError(
                "DAMAGE_WEBHOOK_SECRETS: is not set, and webhooks must be signed. "
                "Example: DAMAGE_WEBHOOK_SECRETS=whsec_$(openssl rand -base64 32)"
            )
        self._settings = settings
        self._signers = [Webhook(x.get_secret_value()) for x in settings.webhook_secrets]
        self._kept = threading.local()

    def send(self, delivery: Delivery) -> None:
        """Post the event; raises `SendingFailed` for anything but a 2xx status."""
        answer = _Answer()
        guard = AddressGuard(self._may_be_private(delivery.target))
        curl = self._handle()
        guard.protect(curl, allow_http=self._settings.allow_http)
        curl.setopt(pycurl.URL, delivery.target)
        curl.setopt(pycurl.POSTFIELDS, delivery.body.encode())
        curl.setopt(pycurl.HTTPHEADER, self._headers(delivery, datetime.now(UTC)))
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(self._settings.connect_timeout * 1000))
        curl.setopt(pycurl.TIMEOUT_MS, int(self._settings.webhook_timeout * 1000))
        curl.setopt(pycurl.WRITEFUNCTION, answer.body)
        curl.setopt(pycurl.HEADERFUNCTION, answer.header)
        try:
            with guard:
                curl.perform()
        except pycurl.error as error:
            # The status is valid even if the body is incomplete or too long.
            if not answer.has_head:
                raise _failure(error, guard) from None
        finally:
            status = curl.getinfo(pycurl.RESPONSE_CODE)
            curl.reset()  # releases the response but keeps the connections
        if not 200 <= status < 300:
            wait = answer.retry_after or (BUSY_SECONDS if status in BUSY else 0.0)
            raise SendingFailed(f"answered {status}", wait=wait, is_gone=status == GONE)

    def _headers(self, delivery: Delivery, now: datetime) -> list[str]:
        signatures = (
            signer.sign(delivery.event_id, now, delivery.body) for signer in self._signers
        )
        return [
            "Content-Type: application/json",
            "Expect:",  # libcurl would wait for "100 Continue" before it sends a large body
            f"webhook-id: {delivery.event_id}",
            f"webhook-timestamp: {int(now.timestamp())}",
            f"webhook-signature: {' '.join(signatures)}",
        ]

    def _may_be_private(self, url: str) -> bool:
        return self._settings.allow_private_addresses or is_listed(
            *host_and_port(url), self._settings.internal_webhook_hosts
        )

    def _handle(self) -> pycurl.Curl:
        if not hasattr(self._kept, "curl"):
            self._kept.curl = pycurl.Curl()
        curl: pycurl.Curl = self._kept.curl
        return curl


class _Answer:
    """The head of a receiver's response; the body is read, up to a limit, and ignored."""

    def __init__(self) -> None:
        self.has_head = False
        self.retry_after = 0.0
        self._bytes = 0

    def body(self, data: bytes) -> int | None:
        self._bytes += len(data)
        return -1 if self._bytes > MAX_RESPONSE_BYTES else None

    def header(self, line: bytes) -> int | None:
        name, _, value = line.partition(b":")
        if not line.strip():
            self.has_head = True
        elif name.strip().lower() == b"retry-after":
            self.retry_after = _seconds(value.decode("latin-1").strip())
        return self.body(line)


def _seconds(retry_after: str) -> float:
    """The seconds in a Retry-After header, which is a number or a date; 0 if it is neither."""
    if retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        at = parsedate_to_datetime(retry_after)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _failure(error: pycurl.error, guard: AddressGuard) -> SendingFailed:
    number, text = error.args[0], error.args[1] if len(error.args) > 1 else ""
    if number == pycurl.E_COULDNT_CONNECT and guard.refused:
        return SendingFailed("the host has no public address (DAMAGE_INTERNAL_WEBHOOK_HOSTS)")
    return SendingFailed(f"{text or 'no answer'} (curl {number})")
