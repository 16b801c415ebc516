"""Polls of SQS whose failures are values, not exceptions that end the worker."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kombu.asynchronous.aws.connection import AsyncHTTPSConnection
from kombu.asynchronous.aws.sqs.connection import AsyncSQSConnection

if TYPE_CHECKING:
    from kombu.asynchronous.http.base import Request

_THROTTLED = ("Throttl", "RequestLimitExceeded", "OverLimit", "TooManyRequests", "SlowDown")


@dataclass(frozen=True, slots=True)
class FailedPoll:
    """A ReceiveMessage request that failed or was rejected."""

    status: int
    text: str

    @property
    def final(self) -> bool:
        """Whether SQS rejected the request, rather than being unavailable or busy."""
        busy = any(word in self.text for word in _THROTTLED)
        return 400 <= self.status < 500 and self.status not in (408, 429) and not busy


class TrustingConnection(AsyncHTTPSConnection):
    """Trusts the certificates in AWS_CA_BUNDLE, as boto3 does."""

    def getrequest(self) -> Request:
        request = super().getrequest()
        request.ca_certs = os.environ.get("AWS_CA_BUNDLE") or request.ca_certs
        return request


class GuardedConnection(AsyncSQSConnection):
    """Returns a `FailedPoll` where kombu returns [] or raises, both of which end the worker."""

    def get_http_connection(self) -> TrustingConnection:
        return TrustingConnection(http_client=self._httpclient)

    def _on_list_ready(self, parent: Any, markers: Any, operation: str, response: Any) -> Any:
        status = response.status
        try:
            if status == self.STATUS_CODE_OK:
                answer = super()._on_list_ready(parent, markers, operation, response)
                if isinstance(answer, dict):
                    return answer
                return FailedPoll(599, "no SQS answer")
            body = response.read()
        except Exception as error:
            # Something other than SQS answered, perhaps a proxy.
            return FailedPoll(599, f"unreadable answer: {error}")
        return FailedPoll(status, _error_text(body) or str(response.reason))


def _error_text(body: Any) -> str:
    try:
        error = json.loads(body)
        code = str(error["__type"]).rpartition("#")[2]
        return f"{code}: {error.get('message') or error.get('Message') or ''}".rstrip(": ")
    except (ValueError, KeyError, TypeError):
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
        return " ".join(text.split())[:200]
